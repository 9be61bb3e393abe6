//! Activations and norms that are written out, as one node each: places where rules of the pattern library hold.

use std::collections::HashMap;

use bytes::Bytes;
use fusewright_ir::{DType, Storage};
use fusewright_pattern::{Candidate, Library, Surroundings, find};

use crate::MICROSOFT;
use crate::document::{Document, Slot, sorted};
use crate::emit::{Emitter, Place};
use crate::facts::Facts;
use crate::literal;
use crate::message::Attribute;
use crate::report::{Change, Report, Rewrite};
use crate::target::Target;

/// Versions of the standard operators from which on there are these.
const GELU: i64 = 20;
const RMS_NORM: i64 = 23;

/// The rules that an operator stands for.
const RULES: [&str; 4] = ["gelu-erf", "gelu-tanh", "quick-gelu", "rms-norm"];

/// What a rule becomes.
struct Becomes {
    rewrite: Rewrite,
    domain: &'static str,
    op: &'static str,
    attributes: Vec<Bytes>,
}

fn becomes(rule: &str, target: Target, version: i64) -> Option<Becomes> {
    let standard = |op, attributes| Becomes { rewrite: Rewrite::Activation, domain: "", op, attributes };
    let contributed = |op, attributes| Becomes { rewrite: Rewrite::Activation, domain: MICROSOFT, op, attributes };
    let norm = |op| Becomes { rewrite: Rewrite::Norm, domain: "", op, attributes: Vec::new() };
    Some(match (rule, target) {
        ("gelu-erf", _) if version >= GELU => standard("Gelu", vec![Attribute::of_text("approximate", "none")]),
        ("gelu-tanh", _) if version >= GELU => standard("Gelu", vec![Attribute::of_text("approximate", "tanh")]),
        ("gelu-erf", Target::Ort) => contributed("Gelu", Vec::new()),
        ("gelu-tanh", Target::Ort) => contributed("FastGelu", Vec::new()),
        ("quick-gelu", Target::Ort) => contributed("QuickGelu", vec![Attribute::of_float("alpha", 1.702)]),
        ("rms-norm", Target::Onnx) if version >= RMS_NORM => norm("RMSNormalization"),
        // ONNX Runtime has it in the standard domain.
        ("rms-norm", Target::Ort) => norm("SimplifiedLayerNormalization"),
        _ => return None,
    })
}

/// Rewrites every place where a rule holds that the target has an operator for.
pub(crate) fn rewrite(document: &mut Document, facts: &Facts, target: Target, report: &mut Report) {
    let graph = &facts.graph;
    let storage = Storage::of(graph);
    // Larger rules would stand for the smaller ones in them.
    let library = Library::built_in().only(&RULES);
    let found = find(&Surroundings::new(graph, &storage, &facts.consumers, &facts.attentions), &library);
    let version = document.version("").unwrap_or(0);
    let mut emitter = Emitter::new(document);
    let numbers = numbers(document);
    for candidate in &found.candidates {
        let rules = std::iter::once(&candidate.rule).chain(&candidate.also);
        let mut known = rules.filter_map(|&rule| becomes(&library.rule(rule).id, target, version));
        let Some(wanted) = known.next() else { continue };
        let change =
            Site::of(document, facts, candidate).and_then(|site| site.emit(document, &numbers, &mut emitter, wanted));
        report.changes.extend(change);
    }
    emitter.apply(document);
    if document.slots.iter().any(|slot| slot.node().domain == MICROSOFT) {
        document.import(MICROSOFT, 1);
    }
    document.prune();
}

/// Literals with one element, by name.
fn numbers(document: &Document) -> HashMap<String, f64> {
    let constants = sorted(document.constants());
    let number = |(name, tensor): (&str, crate::message::TensorMessage)| match literal::floats(&tensor)?[..] {
        [number] => Some((name.to_owned(), f64::from(number))),
        _ => None,
    };
    constants.into_iter().filter_map(number).collect()
}

/// A place in the document.
struct Site<'a> {
    input: &'a str,
    output: &'a str,
    /// The node that makes the result.
    last: usize,
    scope: &'a str,
    /// Positions of its nodes.
    nodes: Vec<usize>,
}

impl<'a> Site<'a> {
    fn of(document: &Document, facts: &'a Facts, candidate: &Candidate) -> Option<Self> {
        let graph = &facts.graph;
        let (_, x) = candidate.values.iter().find(|(name, _)| name == "x")?;
        let &end = candidate.nodes.last()?;
        let &[result] = &graph.node(end).outputs[..] else { return None };
        let (from, to) = (graph.tensor(*x)?, graph.tensor(result)?);
        if from.dtype != DType::F32 || from.dtype != to.dtype || from.shape != to.shape {
            return None;
        }
        let makers = document.makers();
        let output = facts.name(result)?;
        let outputs = candidate.nodes.iter().flat_map(|&id| &graph.node(id).outputs);
        let nodes = outputs.filter_map(|&value| makers.get(facts.name(value)?).copied()).collect();
        let scope = facts.scope(candidate.anchor);
        Some(Self { input: facts.name(*x)?, output, last: *makers.get(output)?, scope, nodes })
    }

    fn emit(
        &self,
        document: &Document,
        numbers: &HashMap<String, f64>,
        emitter: &mut Emitter,
        wanted: Becomes,
    ) -> Option<Change> {
        let Becomes { rewrite, domain, op, mut attributes } = wanted;
        let mut inputs = vec![self.input.to_owned()];
        if rewrite == Rewrite::Norm {
            inputs.push(self.weight(document)?);
            attributes.push(Attribute::of_float("epsilon", self.epsilon(document, numbers)?));
            attributes.push(Attribute::of_int("axis", -1));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let place = Place::of(document, self.last, self.scope, self.last);
        emitter.node(&place, (domain, op), &inputs, attributes, Some(self.output));
        emitter.remove(self.last);
        let op = if domain.is_empty() { op.to_owned() } else { format!("{domain}.{op}") };
        let (module, nodes) = (self.scope.to_owned(), self.nodes.len() as u64);
        Some(Change { rewrite, module, op, nodes })
    }

    /// The vector that the result is multiplied with in the end.
    fn weight(&self, document: &Document) -> Option<String> {
        let node = document.slots.get(self.last).map(Slot::node).filter(|node| node.is("Mul"))?;
        let literals = document.literals();
        let vector = |name: &&String| literals.get(name.as_str()).is_some_and(|tensor| tensor.dims.len() == 1);
        node.inputs.iter().find(vector).cloned()
    }

    /// The number that is added to the mean of the squares.
    fn epsilon(&self, document: &Document, numbers: &HashMap<String, f64>) -> Option<f64> {
        let nodes = self.nodes.iter().filter_map(|&at| document.slots.get(at)).map(Slot::node);
        let mut added = nodes.filter(|node| node.is("Add")).flat_map(|node| &node.inputs);
        added.find_map(|name| numbers.get(name).copied()).filter(|epsilon| (0.0..0.01).contains(epsilon))
    }
}
