//! Nodes that do nothing, and nodes that do what another does.

use std::collections::HashMap;

use bytes::Bytes;
use prost::Message;

use crate::document::{Document, Slot};
use crate::message::{Attribute, Node};
use crate::report::{Change, Report, Rewrite};

/// Operators that give something else each time, or that are more than their operands.
const NOT_PURE: [&str; 6] =
    ["RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"];

/// Takes out what does nothing and joins what is computed twice, until nothing changes.
pub(crate) fn clean(document: &mut Document, report: &mut Report) {
    let mut redundant = 0;
    let mut doubled = 0;
    for _ in 0..8 {
        let through = passed_through(document);
        let joined = duplicates(document);
        let merged = transposes(document);
        if through + joined + merged == 0 {
            break;
        }
        redundant += through + merged;
        doubled += joined;
        document.prune();
    }
    for (rewrite, nodes) in [(Rewrite::Redundant, redundant), (Rewrite::Duplicate, doubled)] {
        if nodes > 0 {
            report.changes.push(Change { rewrite, module: String::new(), op: String::new(), nodes });
        }
    }
}

/// Lets everyone read another name instead of some.
pub(crate) fn rename(document: &mut Document, names: &HashMap<String, String>) {
    for slot in &mut document.slots {
        if slot.node().inputs.iter().any(|input| names.contains_key(input)) {
            for input in &mut slot.change().inputs {
                let mut steps = 0;
                while let Some(other) = names.get(input).filter(|_| steps < names.len()) {
                    input.clone_from(other);
                    steps += 1;
                }
            }
        }
    }
}

/// Names that must stay: results of the graph, and what sub-graphs read by name.
pub(crate) fn fixed(document: &Document) -> std::collections::HashSet<String> {
    let captured = document.slots.iter().flat_map(|slot| slot.reads().skip(named_inputs(slot.node())));
    captured.map(str::to_owned).chain(document.outputs.iter().cloned()).collect()
}

fn named_inputs(node: &Node) -> usize {
    node.inputs.iter().filter(|input| !input.is_empty()).count()
}

/// Nodes whose result is their operand.
fn passed_through(document: &mut Document) -> u64 {
    let fixed = fixed(document);
    let constants = document.constants();
    let mut names = HashMap::new();
    for slot in &document.slots {
        let node = slot.node();
        let (Some(input), Some(output)) = (node.inputs.first(), node.outputs.first()) else { continue };
        let does_nothing = match node.op_type.as_str() {
            _ if !node.is_standard() || input.is_empty() => false,
            "Identity" => true,
            // Outside training; the third operand says otherwise, and the mask must not be asked for.
            "Dropout" => {
                let live = node.inputs.get(2).is_some_and(|flag| {
                    !flag.is_empty()
                        && constants.get(flag.as_str()).is_none_or(|flag| crate::literal::ints(flag) != Some(vec![0]))
                });
                !live && node.outputs.iter().skip(1).all(String::is_empty)
            }
            "Concat" | "Sum" | "Max" | "Min" | "Mean" => node.inputs.len() == 1,
            "Transpose" => node
                .attribute("perm")
                .is_some_and(|perm| !perm.ints.is_empty() && perm.ints.iter().zip(0..).all(|(&axis, own)| axis == own)),
            _ => false,
        };
        if does_nothing && !fixed.contains(output) {
            names.insert(output.clone(), input.clone());
        }
    }
    let count = names.len() as u64;
    rename(document, &names);
    count
}

/// Nodes with the same operator, settings and operands.
fn duplicates(document: &mut Document) -> u64 {
    let fixed = fixed(document);
    let mut seen: HashMap<Bytes, Vec<String>> = HashMap::new();
    let mut names: HashMap<String, String> = HashMap::new();
    let functions = document.functions.clone();
    for slot in &document.slots {
        let node = slot.node();
        let own = functions.contains(&(node.domain.clone(), node.op_type.clone()));
        if own || !node.is_standard() || NOT_PURE.contains(&node.op_type.as_str()) || node.graphs().next().is_some() {
            continue;
        }
        let mut attributes = node.attributes.clone();
        attributes.sort_unstable();
        let inputs = node.inputs.iter().map(|input| names.get(input).unwrap_or(input).clone()).collect();
        let outputs = node.outputs.iter().map(|output| if output.is_empty() { String::new() } else { "_".to_owned() });
        let key =
            Node { inputs, outputs: outputs.collect(), op_type: node.op_type.clone(), attributes, ..Node::default() };
        let key: Bytes = key.encode_to_vec().into();
        match seen.get(&key) {
            Some(known) if node.outputs.iter().all(|output| !fixed.contains(output)) => {
                names.extend(node.outputs.iter().cloned().zip(known.iter().cloned()));
            }
            Some(_) => {}
            None => {
                seen.insert(key, node.outputs.clone());
            }
        }
    }
    names.retain(|from, to| !from.is_empty() && from != to);
    let count = names.len() as u64;
    rename(document, &names);
    count
}

/// A transpose of a transpose is one transpose, or none.
fn transposes(document: &mut Document) -> u64 {
    let makers: HashMap<String, usize> =
        document.makers().into_iter().map(|(name, position)| (name.to_owned(), position)).collect();
    let perm = |slot: &Slot| -> Option<Vec<i64>> {
        slot.node().is("Transpose").then(|| slot.node().attribute("perm"))?.map(|perm| perm.ints)
    };
    let mut count = 0;
    for position in 0..document.slots.len() {
        let slot = &document.slots[position];
        let inner = slot.node().inputs.first().and_then(|input| makers.get(input)).map(|&at| &document.slots[at]);
        let (Some(outer), Some(inner)) = (perm(slot), inner) else { continue };
        let (Some(order), Some(source)) = (perm(inner), inner.node().inputs.first().cloned()) else { continue };
        let joined: Option<Vec<i64>> =
            outer.iter().map(|&axis| order.get(usize::try_from(axis).ok()?).copied()).collect();
        let Some(joined) = joined.filter(|joined| joined.len() == order.len()) else { continue };
        let node = document.slots[position].change();
        node.inputs = vec![source];
        node.attributes = vec![Attribute::of_ints("perm", &joined)];
        count += 1;
    }
    count
}
