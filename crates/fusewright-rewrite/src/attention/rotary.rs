//! Rotary position embeddings on halves, `x · cos + rotate_half(x) · sin`, as one node.
//!
//! The operators take tables of half the width, of which a model computes both halves alike. Rows stay rows: the heads
//! that a model splits off and moves before it turns them are split off behind the operator, where an attention that
//! takes rows finds them.

use std::collections::HashMap;

use fusewright_ir::ops::{Copy, Gather, Pointwise, View};
use fusewright_ir::{DType, NodeId, Op, Storage, ValueId};
use fusewright_pattern::{Library, Surroundings, find};

use super::operands::{Form, Wanted, common, ways};
use crate::MICROSOFT;
use crate::document::{Document, Slot};
use crate::emit::{Emitter, Place};
use crate::facts::{Facts, Readings};
use crate::lengths::{Length, shape};
use crate::message::Attribute;
use crate::recipe::{Extent, OpenRecipe};
use crate::report::{Change, Report, Rewrite, Skip};
use crate::target::Target;

/// The rule that says where one is.
const RULE: &str = "rope-rotate-half";
/// Most steps from a table to where its halves are joined.
const STEPS: usize = 16;

/// A rotary embedding in one reading.
struct Site {
    x: ValueId,
    tables: [ValueId; 2],
    /// The same tables as the document names them.
    names: [String; 2],
    result: ValueId,
    anchor: NodeId,
    nodes: u64,
}

/// Rewrites every rotary embedding that can be; gives how many.
pub(crate) fn rewrite(document: &mut Document, readings: &Readings, target: Target, report: &mut Report) -> u64 {
    let first = &readings.first;
    let second = readings.second.as_ref().unwrap_or(first);
    let (ones, twos) = (sites(document, first), sites(document, second));
    let mut work = Work { emitter: Emitter::new(document), made: HashMap::new(), target };
    let mut count = 0;
    for one in &ones {
        let module = first.scope(one.anchor).to_owned();
        let name = first.name(one.result);
        let twin = twos.iter().find(|two| second.name(two.result) == name);
        let outcome = twin
            .ok_or("it is found at some sizes only")
            .and_then(|two| Pair { facts: [first, second], sites: [one, two] }.emit(document, &mut work, &module));
        match outcome {
            Ok(op) => {
                count += 1;
                report.changes.push(Change { rewrite: Rewrite::Rotary, module, op, nodes: one.nodes });
            }
            Err(reason) => {
                report.skips.push(Skip { rewrite: Rewrite::Rotary, module, reason: reason.to_owned() });
            }
        }
    }
    work.emitter.apply(document);
    if count > 0 && target == Target::Ort {
        document.import(MICROSOFT, 1);
    }
    document.prune();
    count
}

struct Work {
    emitter: Emitter,
    /// Tables of half the width, by what they were made of.
    made: HashMap<String, String>,
    target: Target,
}

/// The places of a document where the rule holds.
fn sites(document: &Document, facts: &Facts) -> Vec<Site> {
    let graph = &facts.graph;
    let storage = Storage::of(graph);
    let library = Library::built_in().only(&[RULE]);
    let found = find(&Surroundings::new(graph, &storage, &facts.consumers, &facts.attentions), &library);
    let makers = document.makers();
    let site = |candidate: &fusewright_pattern::Candidate| {
        let value_of = |wanted: &str| candidate.values.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
        let (x, tables) = (value_of("x")?, [value_of("cos")?, value_of("sin")?]);
        let &[result] = &graph.node(*candidate.nodes.last()?).outputs[..] else { return None };
        let names = tables.map(|table| {
            candidate.nodes.iter().find_map(|&id| {
                let node = graph.node(id);
                let at = node.inputs.iter().position(|&input| input == table)?;
                let made = document.slots.get(*makers.get(facts.name(*node.outputs.first()?)?)?).map(Slot::node)?;
                made.is("Mul").then(|| made.inputs.get(at).cloned())?
            })
        });
        let [Some(cosines), Some(sines)] = names else { return None };
        let nodes = candidate.nodes.iter().filter(|&&id| !storage.is_free(id)).count() as u64;
        Some(Site { x, tables, names: [cosines, sines], result, anchor: candidate.anchor, nodes })
    };
    found.candidates.iter().filter_map(site).collect()
}

/// One embedding in both readings.
struct Pair<'a> {
    facts: [&'a Facts; 2],
    sites: [&'a Site; 2],
}

impl Pair<'_> {
    fn emit(&self, document: &Document, work: &mut Work, module: &str) -> Result<String, &'static str> {
        let [one, two] = [0, 1].map(|at| self.extents(at));
        let ([batch, heads, rows, width], other) = (one?, two?);
        if heads != other[1] || width != other[3] || width % 2 != 0 {
            return Err("its heads depend on sizes");
        }
        let (batch, rows): (Extent, Extent) = ((batch, other[0]), (rows, other[2]));
        let result = self.facts[0].name(self.sites[0].result).ok_or("its result has no name")?;
        let before = *document.makers().get(result).ok_or("its result has no name")?;
        let place = Place::of(document, before, module, before);
        let ways = [0, 1].map(|at| {
            let extents = self.facts[at].shape(self.sites[at].x);
            let wanted = Wanted { value: self.sites[at].x, turned: false, batch: extents[0], heads };
            ways(self.facts[at], wanted, Form::Rows, false)
        });
        let way = common(&ways[0], &ways[1]).filter(|way| way.cost <= 1 && (way.factor - 1.0).abs() < 1e-12);
        let direct = self.facts[0].name(self.sites[0].x).map(str::to_owned);
        let emitter = &mut work.emitter;
        let source = match (&way, direct) {
            (Some(way), _) => emitter.recipe(&place, &way.recipe, &way.name, None),
            (None, Some(name)) => name,
            (None, None) => return Err("its operand has no name"),
        };
        let names = self.sites[0].names.clone();
        let [cosines, sines] = names.map(|name| work.table(&place, &name, rows, width, batch, &source));
        let emitter = &mut work.emitter;
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let attributes = way.iter().map(|_| Attribute::of_int("num_heads", count(heads))).collect();
        let last = way.is_none().then_some(result);
        let (domain, name) = match work.target {
            Target::Ort => (MICROSOFT, format!("{MICROSOFT}.RotaryEmbedding")),
            Target::Onnx => ("", "RotaryEmbedding".to_owned()),
        };
        let first = emitter.ints(&[0]);
        let inputs = match work.target {
            Target::Ort => vec![source.as_str(), &first, &cosines, &sines],
            Target::Onnx => vec![source.as_str(), &cosines, &sines],
        };
        let turned = emitter.node(&place, (domain, "RotaryEmbedding"), &inputs, attributes, last);
        if way.is_some() {
            let split = Some(vec![0, 0, count(heads), count(width)]);
            let apart = OpenRecipe { slice: None, split, order: Some(vec![0, 2, 1, 3]), join: None };
            emitter.recipe(&place, &apart, &turned, Some(result));
        }
        emitter.remove(before);
        Ok(name)
    }

    /// Extents of the operand: batch, heads, rows and width.
    fn extents(&self, at: usize) -> Result<[u64; 4], &'static str> {
        let (facts, site) = (self.facts[at], self.sites[at]);
        let &[batch, heads, rows, width] = facts.shape(site.x) else {
            return Err("its operand has not the axes batch, heads, rows and width");
        };
        let single = facts.graph.tensor(site.x).is_some_and(|tensor| tensor.dtype == DType::F32);
        if !single || facts.shape(site.result) != facts.shape(site.x) {
            return Err("its operand is not of single precision");
        }
        for table in site.tables {
            match facts.shape(table) {
                [lead @ .., length, wide] if (*length, *wide) == (rows, width) && lead.iter().all(|&e| e == 1) => {}
                _ => return Err("its tables differ between sequences or heads"),
            }
            if !has_equal_halves(facts, table) {
                return Err("its tables are not known to have equal halves");
            }
        }
        Ok([batch, heads, rows, width])
    }
}

impl Work {
    /// The first half of a table, as the operator takes it.
    fn table(&mut self, place: &Place, name: &str, rows: Extent, width: u64, batch: Extent, source: &str) -> String {
        let key = format!("{name}@{batch:?}");
        if let Some(known) = self.made.get(&key) {
            return known.clone();
        }
        let emitter = &mut self.emitter;
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let length = if rows.0 == rows.1 { number(rows.0) } else { -1 };
        let (start, end, axes) = (emitter.ints(&[0]), emitter.ints(&[number(width / 2)]), emitter.ints(&[-1]));
        let half = emitter.node(place, ("", "Slice"), &[name, &start, &end, &axes], Vec::new(), None);
        let to = match self.target {
            Target::Ort => emitter.ints(&[length, number(width / 2)]),
            Target::Onnx => emitter.ints(&[1, length, number(width / 2)]),
        };
        let mut table = emitter.node(place, ("", "Reshape"), &[&half, &to], Vec::new(), None);
        if self.target == Target::Onnx && batch != (1, 1) {
            // The standard operator wants a table for each sequence.
            let all = shape(emitter, place, &[Length::of(batch, (source, 0)), Length::Fixed(1), Length::Fixed(1)]);
            table = emitter.node(place, ("", "Expand"), &[&table, &all], Vec::new(), None);
        }
        self.made.insert(key, table.clone());
        table
    }
}

/// Both halves of the last axis hold the same, at the sizes of a reading.
fn has_equal_halves(facts: &Facts, table: ValueId) -> bool {
    let graph = &facts.graph;
    let Some(&width) = facts.shape(table).last() else { return false };
    let mut value = table;
    for _ in 0..STEPS {
        if facts.shape(value).last() != Some(&width) {
            return false;
        }
        let Some(id) = graph.producer(value) else {
            let Some(half) = usize::try_from(width / 2).ok().filter(|&half| half > 0) else { return false };
            let rows = facts.numbers(value);
            return rows.is_some_and(|rows| rows.chunks(2 * half).all(|row| row.get(..half) == row.get(half..)));
        };
        let node = graph.node(id);
        let keeps = match &node.op {
            Op::Copy(copy) => match &**copy {
                Copy::Concat { axis } => {
                    let rank = i64::try_from(facts.shape(value).len()).unwrap_or(0);
                    let last = *axis == -1 || *axis == rank - 1;
                    return last && matches!(node.inputs[..], [one, other] if one == other);
                }
                Copy::Cast { .. } | Copy::Contiguous | Copy::Clone => true,
                _ => false,
            },
            Op::Pointwise(Pointwise::Unary(_) | Pointwise::WithScalar { .. }) => true,
            // Rows of a table.
            Op::Gather(Gather::Embedding) => {
                let Some(&rows) = node.inputs.get(1) else { return false };
                value = rows;
                continue;
            }
            Op::View(view) => match &**view {
                View::Alias => node.inputs.len() == 1,
                View::Expand { .. } => true,
                View::Reshape { .. } => facts.shape(value).len() != 1,
                View::Slice { axis, .. } => *axis as usize + 1 != facts.shape(value).len(),
                _ => false,
            },
            _ => false,
        };
        let from = facts.scaled(id).map_or(keeps.then_some(0), |(operand, _)| Some(operand));
        let Some(&input) = from.and_then(|from| node.inputs.get(from)) else { return false };
        value = input;
    }
    false
}
