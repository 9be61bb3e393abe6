//! The order in which kernels are put together. Which drafts a node finds depends on it, so that there is one for all; and
//! the fewer drafts are open at a time, the less there is to search.

use fusewright_ir::{NodeId, TensorType};

use super::{Grammar, Projecting, Role};

/// The nodes that do work, each after its makers. Projections of one input come together, those of one width next to each
/// other, and steps come as soon as what they read is there.
pub(super) fn order(grammar: &Grammar) -> Vec<NodeId> {
    let nodes = &grammar.works.nodes;
    let mut beside: Vec<(Projecting, u64, NodeId)> = nodes
        .iter()
        .filter_map(|&id| grammar.projecting(id).map(|projecting| (projecting, width(grammar, id), id)))
        .collect();
    beside.sort_unstable();
    let count = nodes.last().map_or(0, |last| last.index() + 1);
    let mut walk = Walk { grammar, placed: vec![false; count], order: Vec::with_capacity(nodes.len()) };
    for &id in nodes {
        if walk.placed[id.index()] {
            continue;
        }
        let Some(projecting) = grammar.projecting(id) else {
            walk.place(id);
            continue;
        };
        let first = beside.partition_point(|&(other, ..)| other < projecting);
        for &(_, _, other) in beside[first..].iter().take_while(|(other, ..)| *other == projecting) {
            if walk.is_ready(other) {
                walk.place(other);
            }
        }
    }
    walk.order
}

fn width(grammar: &Grammar, id: NodeId) -> u64 {
    let graph = grammar.analysis.graph;
    let result = graph.node(id).outputs.first().and_then(|&output| graph.tensor(output));
    result.and_then(|tensor: &TensorType| tensor.shape.last().copied()).unwrap_or(0)
}

struct Walk<'a> {
    grammar: &'a Grammar<'a>,
    placed: Vec<bool>,
    order: Vec<NodeId>,
}

impl Walk<'_> {
    fn is_ready(&self, node: NodeId) -> bool {
        !self.placed[node.index()] && self.grammar.works.makers(node).iter().all(|maker| self.placed[maker.index()])
    }

    /// Places a node and the steps that become ready with it.
    fn place(&mut self, node: NodeId) {
        let mut stack = vec![node];
        while let Some(node) = stack.pop() {
            if self.placed[node.index()] {
                continue;
            }
            self.placed[node.index()] = true;
            self.order.push(node);
            let readers = self.grammar.works.readers(node).iter().rev().copied();
            stack.extend(
                readers.filter(|&reader| matches!(self.grammar.role(reader), Role::Step(_)) && self.is_ready(reader)),
            );
        }
    }
}
