//! The rules of the family `attention`: what a recognised attention is, and why a softmax is none.
//!
//! A site gets the most particular rule that fits as its own and the others beside it. It is a miss where one kernel could
//! not do it although it is an attention: scores that others read, a mask that makes them more, a scale computed at run
//! time, a cast that loses bits before the softmax.

use fusewright_ir::ops::{Binary, Contraction, Normalization, Pointwise, View};
use fusewright_ir::{Graph, NodeId, Op, Origin, ValueId};
use rustc_hash::FxHashSet;

use super::findings::{Candidate, Evidence, Findings, Miss, RuleId};
use super::library::Library;
use super::operand::scalar_of;
use super::reason::Reason;
use super::region;
use super::search::Surroundings;
use crate::{AttentionKind, AttentionMiss, AttentionSite, MaskKind, MissedStep};

/// The rule that stands for all of them, and for what is none of them.
const ANY: &str = "attention";

type Fits = fn(&AttentionSite) -> bool;

/// Rules by what a site is, the most particular first.
const KINDS: [(&str, Fits); 9] = [
    ("attention-sinks", |site| site.sinks),
    ("windowed-attention", |site| matches!(site.mask, MaskKind::Window(_))),
    ("block-masked-attention", |site| matches!(site.mask, MaskKind::Boolean | MaskKind::Additive)),
    ("relative-bias-attention", |site| site.bias),
    ("grouped-query-attention", |site| site.kv_heads < site.heads),
    ("masked-attention", |site| site.mask == MaskKind::Padding),
    ("causal-attention", |site| site.causal),
    ("cross-attention", |site| site.kind == AttentionKind::CrossAttention),
    ("self-attention", |site| site.kind == AttentionKind::SelfAttention),
];

/// Most nodes between the first and the last step of a site.
const WIDEST: usize = 1 << 12;
/// Most steps on either side of a softmax that is no attention.
const NEARBY: usize = 16;

pub(super) fn find(at: &Surroundings, library: &Library, findings: &mut Findings) {
    let Some(any) = library.find(ANY) else { return };
    let rules: Vec<(RuleId, Fits)> = KINDS.iter().filter_map(|&(id, fits)| Some((library.find(id)?, fits))).collect();
    for site in &at.attentions.sites {
        let mut fitting = rules.iter().filter(|(_, fits)| fits(site)).map(|(rule, _)| *rule);
        let rule = fitting.next().unwrap_or(any);
        let also = fitting.chain([any].into_iter().filter(|&any| any != rule)).collect();
        let nodes = closed(at, &site.chain);
        let outputs: Vec<ValueId> =
            site.chain.last().map(|&last| at.graph.node(last).outputs.to_vec()).unwrap_or_default();
        let saving = region::saving(at, &nodes, &outputs);
        let anchor = site.anchor;
        if let Some((reason, evidence)) = broken(at, site, &nodes, &outputs) {
            let change = library.rule(any).change(&reason);
            findings.misses.push(Miss { rule: any, reason, evidence, nodes, anchor, saving, change });
        } else {
            findings.candidates.push(Candidate { rule, also, nodes, anchor, values: Vec::new(), saving });
        }
    }
    let family = &library.rule(any).family;
    let kin = findings.candidates.iter().filter(|candidate| library.rule(candidate.rule).family == *family);
    let explained: FxHashSet<NodeId> = kin.flat_map(|candidate| candidate.nodes.iter().copied()).collect();
    let mut miss = |softmax: NodeId, (reason, evidence): (Reason, Evidence)| {
        let nodes = nearby(at, softmax);
        let outputs: Vec<ValueId> = nodes.last().map(|&last| at.graph.node(last).outputs.to_vec()).unwrap_or_default();
        let saving = region::saving(at, &nodes, &outputs);
        let change = library.rule(any).change(&reason);
        findings.misses.push(Miss { rule: any, reason, evidence, nodes, anchor: softmax, saving, change });
    };
    for missed in at.attentions.misses.iter().filter(|missed| !explained.contains(&missed.softmax)) {
        miss(missed.softmax, diagnose(at, missed));
    }
    let told = at.attentions.sites.iter().map(|site| site.anchor);
    let told: FxHashSet<NodeId> = told.chain(at.attentions.misses.iter().map(|miss| miss.softmax)).collect();
    for (id, _) in at.graph.nodes().filter(|(id, _)| !told.contains(id) && !explained.contains(id)) {
        if let Some(axis) = softmax_axis(at.graph, id)
            && let Some(evidence) = between_products(at, id, axis)
        {
            miss(id, (Reason::SoftmaxAxis, evidence));
        }
    }
}

/// A softmax between two products of activations along an axis that neither of them has to do with.
fn between_products(at: &Surroundings, softmax: NodeId, axis: usize) -> Option<Evidence> {
    let graph = at.graph;
    let nodes = nearby(at, softmax);
    let (&first, &last) = (nodes.first()?, nodes.last()?);
    let adjusts = |&id: &NodeId| matches!(graph.node(id).op, Op::Pointwise(_) | Op::Copy(_) | Op::View(_));
    let ends = [first, last, softmax];
    let products =
        first < softmax && softmax < last && [first, last].iter().all(|&id| multiplies_activations(graph, Some(id)));
    if !products || !nodes.iter().filter(|id| !ends.contains(id)).all(adjusts) {
        return None;
    }
    let value = graph.node(softmax).inputs.first().copied();
    let rank = value.and_then(|value| graph.tensor(value)).map_or(0, fusewright_ir::TensorType::rank);
    let found = format!("a softmax over axis {axis} of {rank}");
    let expected = "the axis of keys, which the second product sums over".to_owned();
    Some(Evidence { node: Some(softmax), value, found, expected })
}

/// The steps, and what lies between them: views, and guards that read scores and choose between weights.
fn closed(at: &Surroundings, chain: &[NodeId]) -> Vec<NodeId> {
    let (Some(&first), Some(&last)) = (chain.iter().min(), chain.iter().max()) else { return Vec::new() };
    let width = last.index() - first.index() + 1;
    let mut nodes = chain.to_vec();
    nodes.sort_unstable();
    nodes.dedup();
    if width > WIDEST {
        return nodes;
    }
    let graph = at.graph;
    let offset = |id: NodeId| id.index() - first.index();
    let inside = |id: &NodeId| (first..=last).contains(id);
    let makers = |id: NodeId| graph.node(id).inputs.iter().filter_map(|&input| graph.producer(input));
    let mut follows = vec![false; width];
    let mut leads = vec![false; width];
    for &id in &nodes {
        follows[offset(id)] = true;
        leads[offset(id)] = true;
    }
    for id in (first.index()..=last.index()).map(NodeId::new) {
        follows[offset(id)] |= makers(id).any(|maker| inside(&maker) && follows[offset(maker)]);
    }
    for id in (first.index()..=last.index()).rev().map(NodeId::new) {
        if leads[offset(id)] {
            makers(id).filter(inside).for_each(|maker| leads[offset(maker)] = true);
        }
    }
    (first.index()..=last.index()).map(NodeId::new).filter(|&id| follows[offset(id)] && leads[offset(id)]).collect()
}

/// Why one kernel cannot do a site, if it cannot.
fn broken(
    at: &Surroundings,
    site: &AttentionSite,
    nodes: &[NodeId],
    outputs: &[ValueId],
) -> Option<(Reason, Evidence)> {
    if site.chain.len() < 2 {
        return None;
    }
    let graph = at.graph;
    for &id in &site.chain {
        let node = graph.node(id);
        if let Some(found) = enlarged(graph, id).or_else(|| narrowed(graph, id, id < site.anchor)) {
            return Some(found);
        }
        let scales = matches!(node.op, Op::Pointwise(Pointwise::Binary(Binary::Mul | Binary::Div)));
        if !scales || id >= site.anchor {
            continue;
        }
        let computed = node.inputs.iter().copied().find(|&input| {
            let on_the_way = graph.producer(input).is_some_and(|maker| nodes.binary_search(&maker).is_ok());
            !on_the_way && scalar_of(graph, input).is_none() && depends_on_input(graph, input)
        });
        if let Some(value) = computed {
            let found = format!("computed by {}", graph.producer(value).map_or("the caller", |id| graph.node_name(id)));
            let expected = "a constant or a parameter".to_owned();
            return Some((Reason::ScaleNotConstant, Evidence { node: Some(id), value: Some(value), found, expected }));
        }
    }
    region::check(at, nodes, outputs).err().flatten()
}

/// A step of the scores whose result has more elements than the scores.
fn enlarged(graph: &Graph, id: NodeId) -> Option<(Reason, Evidence)> {
    let node = graph.node(id);
    if !matches!(node.op, Op::Pointwise(_)) || node.inputs.len() < 2 {
        return None;
    }
    let output = *node.outputs.first()?;
    let result = graph.tensor(output)?;
    let widest = node.inputs.iter().filter_map(|&input| graph.tensor(input)).max_by_key(|t| t.elements())?;
    if result.elements() <= widest.elements() && result.rank() <= widest.rank() {
        return None;
    }
    let mask = node
        .inputs
        .iter()
        .copied()
        .max_by_key(|&input| graph.tensor(input).map_or(0, fusewright_ir::TensorType::rank))?;
    let shape = |value: ValueId| graph.tensor(value).map_or(String::new(), |t| format!("{:?}", t.shape.as_slice()));
    let found = format!("a mask of shape {}", shape(mask));
    let expected = format!("one that broadcasts to {:?}", widest.shape.as_slice());
    Some((Reason::MaskRank, Evidence { node: Some(id), value: Some(mask), found, expected }))
}

/// A cast that loses what the kernel would keep: to fewer bits before the softmax, to integers or 8 bits anywhere.
fn narrowed(graph: &Graph, id: NodeId, before: bool) -> Option<(Reason, Evidence)> {
    use super::library::Exactness;
    let exactness = if before { Exactness::BitIdentical } else { Exactness::Reassociated };
    let (from, to) = super::transparent::loss(graph, id, exactness)?;
    let value = graph.node(id).outputs.first().copied();
    let (found, expected) = (format!("a cast to {}", to.name()), format!("{} up to the softmax", from.name()));
    Some((Reason::DTypeChange, Evidence { node: Some(id), value, found, expected }))
}

/// Most values looked at behind a scale.
const BEHIND: usize = 64;

/// The value is computed from what the caller gives.
fn depends_on_input(graph: &Graph, value: ValueId) -> bool {
    let mut open = vec![value];
    let mut looked = 0;
    while let Some(value) = open.pop() {
        looked += 1;
        match graph.value(value).origin {
            Origin::Input => return true,
            Origin::Node { node, .. } => open.extend(graph.node(node).inputs.iter().copied()),
            _ => {}
        }
        if looked > BEHIND {
            return true;
        }
    }
    false
}

/// Why a softmax is no attention, from the place at which the recogniser was stopped.
fn diagnose(at: &Surroundings, miss: &AttentionMiss) -> (Reason, Evidence) {
    let graph = at.graph;
    let made = miss.node.map_or("nothing", |id| graph.node(id).op.mnemonic());
    let evidence = |found: String, expected: &str| Evidence {
        node: miss.node,
        value: Some(miss.value),
        found,
        expected: expected.to_owned(),
    };
    let rank = |value: ValueId| graph.tensor(value).map_or(0, fusewright_ir::TensorType::rank);
    let axis = softmax_axis(graph, miss.softmax);
    let op = miss.node.map(|id| &graph.node(id).op);
    let reshapes = matches!(op, Some(Op::View(view)) if matches!(**view, View::Reshape { .. }));
    match miss.step {
        MissedStep::Shapes => {
            (Reason::Extents, evidence(shape_text(graph, miss.value), "as many features in queries and keys"))
        }
        _ if reshapes && leads_to_product(at, miss) => (
            Reason::MixedHeads,
            evidence(format!("{made} to {}", shape_text(graph, shown(graph, miss))), "the axis of keys undivided"),
        ),
        MissedStep::Scores => match op {
            Some(Op::Contraction(_)) if multiplies_activations(graph, miss.node) => {
                let found = format!("a softmax over axis {} of {}", axis.unwrap_or(0), rank(miss.value));
                (Reason::SoftmaxAxis, evidence(found, "the axis of keys, one of the last two of the product"))
            }
            Some(_) if leads_to_product(at, miss) => {
                (Reason::StepBetween, evidence(made.to_owned(), "steps that scale, mask or shift scores"))
            }
            Some(_) => (Reason::NoScores, evidence(format!("made by {made}"), "a product of two activations")),
            None => (Reason::NoScores, evidence("a given tensor".to_owned(), "a product of two activations")),
        },
        MissedStep::Values => match op {
            Some(Op::Contraction(_)) if multiplies_activations(graph, miss.node) => {
                let last = axis.is_some_and(|axis| axis + 1 == rank(miss.value));
                let found = format!("a product over another axis than axis {}", axis.unwrap_or(0));
                let reason = if last { Reason::ValueAxis } else { Reason::SoftmaxAxis };
                (reason, evidence(found, "a product that sums over the axis of the softmax"))
            }
            Some(_) if leads_to_product(at, miss) => {
                (Reason::StepBetween, evidence(made.to_owned(), "weights multiplied with values"))
            }
            _ => (Reason::NoValues, evidence(format!("read by {made}"), "a product with values")),
        },
    }
}

/// Most steps beyond the place where the recogniser was stopped.
const BEYOND: usize = 4;

/// Beyond the step that stopped the recogniser there is the product that it looked for.
fn leads_to_product(at: &Surroundings, miss: &AttentionMiss) -> bool {
    let graph = at.graph;
    let mut here = miss.node;
    for _ in 0..=BEYOND {
        let Some(id) = here else { return false };
        let node = graph.node(id);
        if matches!(node.op, Op::Contraction(_)) {
            return multiplies_activations(graph, Some(id));
        }
        here = if miss.step == MissedStep::Values {
            node.outputs.first().and_then(|&output| at.consumers.of_value(output).first().copied())
        } else {
            let elements = |&value: &ValueId| graph.tensor(value).map_or(0, fusewright_ir::TensorType::elements);
            // Of equals the first: max_by_key would take the last.
            let widest = node.inputs.iter().copied().rev().max_by_key(elements);
            widest.and_then(|value| graph.producer(value))
        };
    }
    false
}

/// The value whose shape tells what a reshape did: its result where the walk led forward.
fn shown(graph: &Graph, miss: &AttentionMiss) -> ValueId {
    let output = miss.node.and_then(|id| graph.node(id).outputs.first().copied());
    if miss.step == MissedStep::Values { output.unwrap_or(miss.value) } else { miss.value }
}

fn shape_text(graph: &Graph, value: ValueId) -> String {
    graph.tensor(value).map_or("no tensor".to_owned(), |tensor| format!("{:?}", tensor.shape.as_slice()))
}

fn softmax_axis(graph: &Graph, softmax: NodeId) -> Option<usize> {
    let node = graph.node(softmax);
    let Op::Normalization(Normalization::Softmax { axis, .. }) = node.op else { return None };
    let rank = i64::try_from(graph.tensor(*node.inputs.first()?)?.rank()).ok()?;
    usize::try_from(if axis < 0 { axis + rank } else { axis }).ok()
}

fn multiplies_activations(graph: &Graph, node: Option<NodeId>) -> bool {
    let Some(node) = node.map(|id| graph.node(id)) else { return false };
    let factors = match &node.op {
        Op::Contraction(Contraction::MatMul | Contraction::Linear | Contraction::Einsum(_)) => &node.inputs[..],
        Op::Contraction(Contraction::MatMulAdd { .. }) => node.inputs.get(1..).unwrap_or_default(),
        _ => return false,
    };
    factors.len() == 2 && factors.iter().all(|&value| crate::projection::weight_of(graph, value).is_none())
}

/// The steps around a softmax that would be one kernel if it were an attention: back and forward to the next products.
fn nearby(at: &Surroundings, softmax: NodeId) -> Vec<NodeId> {
    let graph = at.graph;
    let mut nodes = vec![softmax];
    let mut here = softmax;
    for _ in 0..NEARBY {
        let elements = |&value: &ValueId| graph.tensor(value).map_or(0, fusewright_ir::TensorType::elements);
        let widest = graph.node(here).inputs.iter().copied().max_by_key(elements);
        let Some(maker) = widest.and_then(|value| graph.producer(value)) else { break };
        nodes.push(maker);
        here = maker;
        if matches!(graph.node(maker).op, Op::Contraction(_)) {
            break;
        }
    }
    here = softmax;
    for _ in 0..NEARBY {
        let output = graph.node(here).outputs.first();
        let Some(&reader) = output.and_then(|&output| at.consumers.of_value(output).first()) else { break };
        nodes.push(reader);
        here = reader;
        if matches!(graph.node(reader).op, Op::Contraction(_)) {
            break;
        }
    }
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}
