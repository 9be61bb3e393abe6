//! Nodes that change neither type nor elements of what they are given, and pairs of nodes that one of them does.

use std::collections::HashMap;

use fusewright_ir::{DType, TensorType};

use crate::cleanup::{fixed, rename};
use crate::document::{Document, Slot};
use crate::facts::Readings;
use crate::literal;
use crate::message::Node;
use crate::report::{Change, Report, Rewrite};

/// Operators whose result has the elements of the first operand in the same order.
const SAME_ORDER: [&str; 5] = ["Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast"];

/// Longest row of reshapes that becomes one.
const ROUNDS: usize = 8;

/// Takes them out; gives how many.
pub(crate) fn remove(document: &mut Document, readings: &Readings, report: &mut Report) -> u64 {
    let mut nodes = casts(document, readings) + idle(document, readings);
    for _ in 0..ROUNDS {
        let joined = reshapes(document);
        nodes += joined;
        if joined == 0 {
            break;
        }
    }
    if nodes > 0 {
        document.prune();
        let (module, op) = (String::new(), String::new());
        report.changes.push(Change { rewrite: Rewrite::Redundant, module, op, nodes });
    }
    nodes
}

/// The type of a name in both readings.
fn types<'a>(readings: &'a Readings, name: &str) -> Option<[&'a TensorType; 2]> {
    let first = &readings.first.tensors;
    let second = readings.second.as_ref().map_or(first, |second| &second.tensors);
    Some([&first.get(name)?.ty, &second.get(name)?.ty])
}

/// Nodes whose result has type and shape of their operand, at both sizes.
fn idle(document: &mut Document, readings: &Readings) -> u64 {
    let constants = document.constants();
    let fixed = fixed(document);
    let mut names: HashMap<String, String> = HashMap::new();
    for slot in &document.slots {
        let node = slot.node();
        let ([input, ..], [output]) = (&node.inputs[..], &node.outputs[..]) else { continue };
        let [Some(before), Some(after)] = [input, output].map(|name| types(readings, name)) else { continue };
        let ends_late = |end: &String| {
            let ends = constants.get(end.as_str()).and_then(literal::ints);
            ends.is_some_and(|ends| ends.iter().all(|&end| end >= i64::from(i32::MAX)))
        };
        let idle = match node.op_type.as_str() {
            _ if !node.is_standard() || fixed.contains(output) => false,
            // An end that is a size of some reading would be an end at others.
            "Slice" => node.inputs.get(2).is_some_and(ends_late),
            op => SAME_ORDER.contains(&op),
        };
        if idle && before == after {
            names.insert(output.clone(), input.clone());
        }
    }
    drop(constants);
    rename(document, &names);
    names.len() as u64
}

/// A reshape of what was only reshaped can take that from further back.
fn reshapes(document: &mut Document) -> u64 {
    let makers: HashMap<String, usize> =
        document.makers().into_iter().map(|(name, position)| (name.to_owned(), position)).collect();
    let constants = document.constants();
    let copies = |node: &Node| {
        // An entry of 0 stands for the extent of the operand.
        let shape = node.inputs.get(1).and_then(|name| constants.get(name.as_str())).and_then(literal::ints);
        shape.is_none_or(|shape| shape.contains(&0))
    };
    let mut changes: Vec<(usize, String)> = Vec::new();
    for (position, slot) in document.slots.iter().enumerate() {
        let node = slot.node();
        let inner = node.inputs.first().and_then(|input| makers.get(input)).and_then(|&at| document.slots.get(at));
        let Some(inner) = inner.map(Slot::node).filter(|_| node.is("Reshape") && !copies(node)) else { continue };
        let plain = ["Reshape", "Flatten", "Squeeze", "Unsqueeze"].iter().any(|op| inner.is(op));
        if let (true, Some(source)) = (plain, inner.inputs.first()) {
            changes.push((position, source.clone()));
        }
    }
    drop(constants);
    let count = changes.len() as u64;
    for (position, source) in changes {
        if let Some(input) = document.slots.get_mut(position).and_then(|slot| slot.change().inputs.first_mut()) {
            *input = source;
        }
    }
    count
}

/// A cast of what was cast to a wider type can take that from further back.
fn casts(document: &mut Document, readings: &Readings) -> u64 {
    let makers: HashMap<String, usize> =
        document.makers().into_iter().map(|(name, position)| (name.to_owned(), position)).collect();
    let mut changes: Vec<(usize, String)> = Vec::new();
    for (position, slot) in document.slots.iter().enumerate() {
        let node = slot.node();
        let inner = node.inputs.first().and_then(|input| makers.get(input)).and_then(|&at| document.slots.get(at));
        let Some(inner) = inner.map(Slot::node).filter(|inner| node.is("Cast") && inner.is("Cast")) else { continue };
        let ([source, ..], [wide, ..]) = (&inner.inputs[..], &inner.outputs[..]) else { continue };
        let [Some([from, _]), Some([to, _])] = [source, wide].map(|name| types(readings, name)) else { continue };
        if holds(to.dtype, from.dtype) {
            changes.push((position, source.clone()));
        }
    }
    let count = changes.len() as u64;
    for (position, source) in changes {
        if let Some(input) = document.slots.get_mut(position).and_then(|slot| slot.change().inputs.first_mut()) {
            *input = source;
        }
    }
    count
}

/// Every number of one type is one of the other.
fn holds(wide: DType, narrow: DType) -> bool {
    use DType::{Bf16, Bool, F16, F32, F64, I32, I64};
    matches!(
        (narrow, wide),
        (Bool, I32 | I64 | F16 | Bf16 | F32 | F64) | (I32, I64 | F64) | (F16 | Bf16, F32 | F64) | (F32, F64)
    )
}
