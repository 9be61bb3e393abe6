//! A model brought to a newer version of the standard operators.
//!
//! Most versions of an operator only admit more element types. The few that changed what an operator is told are
//! converted, or refused where the new form does not follow from the old one.

use bytes::Bytes;
use prost::Message;
use prost::encoding::encode_varint;

use crate::RewriteError;
use crate::document::Document;
use crate::emit::Emitter;
use crate::message::{Attribute, Node, SubGraph};
use crate::wire::Field;

/// Versions between which models are brought.
pub(crate) const OLDEST: i64 = 13;
pub(crate) const NEWEST: i64 = 24;

/// Reductions whose axes became an operand in version 18.
const REDUCTIONS: [&str; 9] = [
    "ReduceMax",
    "ReduceMin",
    "ReduceMean",
    "ReduceProd",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceSumSquare",
];
/// Operators that mean something else from a version on.
const CHANGED: [(&str, i64); 4] = [("RoiAlign", 16), ("DFT", 20), ("GridSample", 20), ("GroupNormalization", 21)];
/// The version in which axes of reductions and the number of parts of a split have to be given otherwise.
const EIGHTEEN: i64 = 18;

/// What an operator needs between two versions.
enum Step {
    Same,
    Axes,
    Parts,
}

fn step(node: &Node, from: i64, to: i64) -> Result<Step, String> {
    if !node.is_standard() {
        return Ok(Step::Same);
    }
    let op = node.op_type.as_str();
    if let Some((_, at)) = CHANGED.iter().find(|(name, at)| *name == op && from < *at && *at <= to) {
        return Err(format!("`{op}` means something else from version {at} on; export the model with that version"));
    }
    let eighteen = from < EIGHTEEN && EIGHTEEN <= to;
    Ok(match op {
        _ if !eighteen => Step::Same,
        "Split" if node.inputs.get(1).is_none_or(String::is_empty) => Step::Parts,
        _ if REDUCTIONS.contains(&op) && node.attribute("axes").is_some() => Step::Axes,
        _ => Step::Same,
    })
}

/// Brings a document to a version.
pub(crate) fn bring(document: &mut Document, to: i64) -> Result<(), RewriteError> {
    let from = document.version("").unwrap_or(0);
    if from == to {
        return Ok(());
    }
    let refuse = |problem: String| RewriteError::Version { from, to, problem };
    if !(OLDEST..=NEWEST).contains(&to) || from < OLDEST || to < from {
        let problem = format!("a model of version {OLDEST} or newer can be brought to a newer one up to {NEWEST}");
        return Err(refuse(problem));
    }
    if !document.functions.is_empty() {
        return Err(refuse("it has functions of its own, which name a version of theirs".to_owned()));
    }
    let mut emitter = Emitter::new(document);
    for position in 0..document.slots.len() {
        let node = document.slots[position].node();
        let mut open: Vec<Bytes> = node.graphs().collect();
        while let Some(graph) = open.pop() {
            for inner in SubGraph::decode(graph)?.nodes {
                open.extend(inner.graphs());
                if !matches!(step(&inner, from, to).map_err(refuse)?, Step::Same) {
                    let problem = format!("`{}` stands in a sub-graph and is told otherwise there", inner.op_type);
                    return Err(refuse(problem));
                }
            }
        }
        match step(node, from, to).map_err(refuse)? {
            Step::Same => {}
            Step::Axes => {
                let axes = node.attribute("axes").map(|axes| axes.ints).unwrap_or_default();
                let axes = emitter.ints(&axes);
                let node = document.slots[position].change();
                node.attributes
                    .retain(|bytes| Attribute::decode(bytes.clone()).is_ok_and(|found| found.name != "axes"));
                node.inputs.push(axes);
            }
            Step::Parts => {
                let parts = i64::try_from(node.outputs.len()).unwrap_or(1);
                document.slots[position].change().attributes.push(Attribute::of_int("num_outputs", parts));
            }
        }
    }
    emitter.apply(document);
    for opset in document.opsets.iter_mut().filter(|opset| opset.domain.is_empty() || opset.domain == "ai.onnx") {
        opset.version = to;
    }
    raise_format(document, to);
    Ok(())
}

/// Newer operators go with newer versions of the format.
fn raise_format(document: &mut Document, opset: i64) {
    let wanted: u64 = match opset {
        ..=18 => 8,
        19..=20 => 9,
        21..=22 => 10,
        _ => 11,
    };
    if let Some(field) = document.before.iter_mut().find(|field| field.number == 1) {
        let mut number = field.whole.slice(1.min(field.whole.len())..);
        if prost::encoding::decode_varint(&mut number).is_ok_and(|known| known < wanted) {
            let mut whole = vec![0x08];
            encode_varint(wanted, &mut whole);
            *field = Field { number: 1, content: None, whole: whole.into() };
        }
    }
}
