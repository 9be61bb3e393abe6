//! Nodes whose results follow from the file: they become literals under the name that the node gave them.
//!
//! A result follows from the file where every operand does. Extents do where both readings have the same: what is
//! picked from a shape, joined and cast is then the same at every size. What is computed from an extent that is open is
//! not, even where both readings agree.

use std::collections::{HashMap, HashSet};

use fusewright_ir::{Content, DType, TensorType};
use fusewright_onnx::NameFacts;

use crate::document::Document;
use crate::facts::Readings;
use crate::message::Node;
use crate::payload::Payload;
use crate::report::{Change, Report, Rewrite};
use crate::tensors::Tensor;

/// Operators that only pick, join and re-describe the elements of their first operands.
const MOVING: [&str; 11] = [
    "Gather",
    "Slice",
    "Squeeze",
    "Unsqueeze",
    "Reshape",
    "Concat",
    "Cast",
    "Identity",
    "Split",
    "Transpose",
    "Flatten",
];
/// Operators whose single-precision results are those of double precision, rounded.
const ROUNDED: [&str; 7] = ["Add", "Sub", "Mul", "Div", "Sqrt", "Neg", "Abs"];

/// What is known of the elements of a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// They are in the file, or follow from it.
    File,
    /// Each is in the file or an extent.
    Extents,
}

/// Turns every such node into a literal; gives how many.
pub(crate) fn fold(document: &mut Document, readings: &Readings, report: &mut Report) -> u64 {
    let first = &readings.first.tensors;
    let second = readings.second.as_ref().map_or(first, |second| &second.tensors);
    let same = |name: &String| {
        let facts = first.get(name).filter(|facts| facts.content.is_some())?;
        (second.get(name) == Some(facts)).then_some(facts)
    };
    let mut sources: HashMap<String, Source> =
        document.constants().into_keys().map(|name| (name.to_owned(), Source::File)).collect();
    let fixed: HashSet<&String> = document.outputs.iter().collect();
    let mut made: Vec<Tensor> = Vec::new();
    let mut folded: HashSet<usize> = HashSet::new();
    for (position, slot) in document.slots.iter().enumerate() {
        let node = slot.node();
        if !node.is_standard() || node.graphs().next().is_some() || node.is("Constant") {
            continue;
        }
        let own = document.functions.contains(&(node.domain.clone(), node.op_type.clone()));
        let Some(source) = source(node, &sources).filter(|_| !own) else { continue };
        let outputs: Vec<&String> = node.outputs.iter().filter(|output| !output.is_empty()).collect();
        let facts: Option<Vec<&NameFacts>> = outputs.iter().map(|output| same(output)).collect();
        let rounded = ROUNDED.contains(&node.op_type.as_str());
        let tensors = facts.filter(|_| source == Source::File || moves(node)).and_then(|facts| {
            let pairs = outputs.iter().zip(facts);
            pairs.map(|(name, facts)| literal(name, facts, rounded)).collect::<Option<Vec<Tensor>>>()
        });
        match tensors {
            Some(tensors) => {
                sources.extend(outputs.iter().map(|&output| (output.clone(), Source::File)));
                if outputs.iter().all(|output| !fixed.contains(output)) {
                    made.extend(tensors);
                    folded.insert(position);
                }
            }
            None if moves(node) => {
                sources.extend(outputs.iter().map(|&output| (output.clone(), Source::Extents)));
            }
            None => {}
        }
    }
    if folded.is_empty() {
        return 0;
    }
    let mut position = 0;
    document.slots.retain(|_| {
        position += 1;
        !folded.contains(&(position - 1))
    });
    document.tensors.extend(made);
    document.prune();
    let nodes = folded.len() as u64;
    report.changes.push(Change { rewrite: Rewrite::Constant, module: String::new(), op: String::new(), nodes });
    nodes
}

/// The node passes elements on as they are, or gives extents.
fn moves(node: &Node) -> bool {
    node.is("Shape") || MOVING.contains(&node.op_type.as_str())
}

/// What the elements of a node's results are made of, if only of such.
fn source(node: &Node, sources: &HashMap<String, Source>) -> Option<Source> {
    if node.is("Shape") {
        return Some(Source::Extents);
    }
    let known = node.inputs.iter().filter(|input| !input.is_empty()).map(|input| sources.get(input).copied());
    let known: Vec<Source> = known.collect::<Option<_>>()?;
    let joins = node.is("Concat");
    let from_file = |known: &[Source]| known.iter().all(|&source| source == Source::File);
    match &known[..] {
        [] => None,
        all if from_file(all) => Some(Source::File),
        _ if joins => Some(Source::Extents),
        // Which elements are picked may not depend on an extent.
        [_, rest @ ..] if moves(node) && from_file(rest) => Some(Source::Extents),
        _ => None,
    }
}

/// A literal of this content; `None` where its numbers are not exactly those that a runtime computes.
fn literal(name: &str, facts: &NameFacts, rounded: bool) -> Option<Tensor> {
    let TensorType { dtype, shape, .. } = &facts.ty;
    let (code, bytes): (i32, Vec<u8>) = match (facts.content.as_ref()?, dtype) {
        (Content::Ints(values), DType::I64) => (7, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        (Content::Ints(values), DType::I32) => {
            let values = values.iter().map(|&value| i32::try_from(value).ok()).collect::<Option<Vec<_>>>()?;
            (6, values.iter().flat_map(|value| value.to_le_bytes()).collect())
        }
        (Content::Ints(values), DType::Bool) => (9, values.iter().map(|&value| u8::from(value != 0)).collect()),
        (Content::Floats(values), DType::F32) => {
            let values = values.iter().map(|&value| single(value, rounded)).collect::<Option<Vec<_>>>()?;
            (1, values.iter().flat_map(|value| value.to_le_bytes()).collect())
        }
        _ => return None,
    };
    let dims = shape.iter().map(|&extent| i64::try_from(extent).ok()).collect::<Option<Vec<_>>>()?;
    Some(Tensor::made(name.to_owned(), dims, code, Payload::plain(bytes.into())))
}

/// A number in single precision. One that is not exact there would be another in what is computed from it.
#[allow(clippy::cast_possible_truncation, reason = "what does not fit is refused")]
fn single(value: f64, rounded: bool) -> Option<f32> {
    let short = value as f32;
    let exact = f64::from(short).to_bits() == value.to_bits();
    (exact || rounded && short.is_finite()).then_some(short)
}
