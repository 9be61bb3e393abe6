//! The names of nodes, and that every reference goes to an earlier one.
//!
//! FX lists nodes in execution order. A reference forward is either a cycle, which no order repairs, or a list that is
//! out of order; the error says which.

use std::collections::HashMap;

use super::FxError;
use super::schema::{Arg, Document, NodeEntry, Opcode};

/// What a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The index of the node.
    pub(super) node: usize,
    /// Which member of its result; `None` for the whole.
    pub(super) member: Option<usize>,
}

/// Nodes by name, and where each is read last.
#[derive(Debug)]
pub(super) struct References<'a> {
    index: HashMap<&'a str, Position>,
    last_use: Vec<usize>,
    /// Whether something else than a projection reads it.
    read_otherwise: Vec<bool>,
}

impl<'a> References<'a> {
    /// Checks names, references and the output node.
    pub(super) fn check(document: &'a Document) -> Result<Self, FxError> {
        let nodes = &document.nodes;
        if nodes.is_empty() {
            return Err(FxError::NoNodes);
        }
        let mut index = HashMap::with_capacity(nodes.len());
        let mut output: Option<&NodeEntry> = None;
        for (position, node) in nodes.iter().enumerate() {
            let members = node.results.iter().enumerate().filter(|(_, name)| !name.is_empty());
            let members = members.map(|(member, name)| (name, Some(member)));
            for (name, member) in std::iter::once((&node.name, None)).chain(members) {
                if index.insert(name.as_str(), Position { node: position, member }).is_some() {
                    return Err(FxError::DuplicateNode { name: name.clone() });
                }
            }
            if node.op == Opcode::Output
                && let Some(first) = output.replace(node)
            {
                return Err(FxError::SeveralOutputs { first: first.name.clone(), second: node.name.clone() });
            }
        }
        let (last_use, read_otherwise) = (vec![0; nodes.len()], vec![false; nodes.len()]);
        let mut references = Self { index, last_use, read_otherwise };
        for (user, node) in nodes.iter().enumerate() {
            references.check_node(nodes, user, node)?;
        }
        if output.is_none() {
            return Err(FxError::NoOutput);
        }
        Ok(references)
    }

    /// What this name means.
    pub(super) fn position(&self, name: &str) -> Option<Position> {
        self.index.get(name).copied()
    }

    /// The position of the last node that reads this one; its own position, or 0, when none does.
    pub(super) fn last_use(&self, position: usize) -> usize {
        self.last_use.get(position).copied().unwrap_or(0)
    }

    /// The node is read, and by calls of `linear` only.
    pub(super) fn only_projects(&self, position: usize) -> bool {
        self.last_use(position) > position && self.read_otherwise.get(position) == Some(&false)
    }

    fn check_node(&mut self, nodes: &[NodeEntry], user: usize, node: &NodeEntry) -> Result<(), FxError> {
        let Self { index, last_use, read_otherwise } = self;
        let projects = is_projection(node);
        each_argument(node, &mut |name| {
            let Some(&Position { node: made, .. }) = index.get(name) else {
                return Err(FxError::UnknownReference { node: node.name.clone(), reference: name.to_owned() });
            };
            let names = || (node.name.clone(), name.to_owned());
            if made >= user {
                let (node, reference) = names();
                return Err(if reaches(nodes, index, made, user) {
                    FxError::Cycle { node, reference }
                } else {
                    FxError::WrongOrder { node, reference }
                });
            }
            if nodes.get(made).is_some_and(|maker| maker.op == Opcode::Output) {
                let (node, reference) = names();
                return Err(FxError::OutputUsed { node, reference });
            }
            if let Some(last) = last_use.get_mut(made) {
                *last = user;
            }
            if let Some(otherwise) = read_otherwise.get_mut(made).filter(|_| !projects) {
                *otherwise = true;
            }
            Ok(())
        })
    }
}

fn is_projection(node: &NodeEntry) -> bool {
    let name = node.target.strip_suffix(".default").unwrap_or(&node.target);
    node.op == Opcode::CallFunction && name.rsplit('.').next() == Some("linear")
}

/// Whether `from` is `to` or depends on it, directly or not.
fn reaches(nodes: &[NodeEntry], index: &HashMap<&str, Position>, from: usize, to: usize) -> bool {
    let mut seen = vec![false; nodes.len()];
    let mut pending = vec![from];
    while let Some(position) = pending.pop() {
        if position == to {
            return true;
        }
        let (Some(node), Some(seen)) = (nodes.get(position), seen.get_mut(position)) else { continue };
        if !std::mem::replace(seen, true) {
            let _ = each_argument(node, &mut |name| {
                pending.extend(index.get(name).map(|position| position.node));
                Ok(())
            });
        }
    }
    false
}

/// Calls `visit` with the name in every reference among a node's arguments.
fn each_argument(node: &NodeEntry, visit: &mut dyn FnMut(&str) -> Result<(), FxError>) -> Result<(), FxError> {
    node.args.iter().chain(node.kwargs.0.iter().map(|(_, arg)| arg)).try_for_each(|arg| each_reference(arg, visit))
}

fn each_reference(arg: &Arg, visit: &mut dyn FnMut(&str) -> Result<(), FxError>) -> Result<(), FxError> {
    match arg {
        Arg::Ref(name) => visit(name),
        Arg::List(items) | Arg::Tuple(items) => items.iter().try_for_each(|item| each_reference(item, visit)),
        Arg::Slice(parts) => parts.iter().try_for_each(|part| each_reference(part, visit)),
        Arg::Dict(pairs) => pairs.0.iter().try_for_each(|(_, value)| each_reference(value, visit)),
        Arg::Scalar(_) | Arg::DType(_) | Arg::Ellipsis | Arg::Opaque(_) => Ok(()),
    }
}
