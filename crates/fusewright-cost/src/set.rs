//! The cost of single sets of nodes, for searches that price many that overlap.

use fusewright_ir::{Graph, NodeId, Origin, Rows, Storage, ValueId, node_work};

use crate::GroupCost;
use crate::group::operands_read;

/// What is needed of a graph to price any set of its nodes in time linear in the set.
#[derive(Debug)]
pub struct SetCosts<'a> {
    graph: &'a Graph,
    storage: &'a Storage,
    /// Per value, the nodes that read its memory and do work.
    readers: Rows<NodeId>,
    /// Per value, the graph's caller reads its memory.
    is_result: Vec<bool>,
}

impl<'a> SetCosts<'a> {
    /// Prepares a graph.
    pub fn of(graph: &'a Graph, storage: &'a Storage) -> Self {
        let mut pairs = Vec::new();
        for (id, node) in graph.nodes().filter(|&(id, _)| !storage.is_free(id)) {
            pairs.extend(node.inputs.iter().map(|&input| (storage.root(input).row(), id)));
        }
        let mut is_result = vec![false; graph.value_count()];
        for &output in graph.outputs() {
            is_result[storage.root(output).index()] = true;
        }
        Self { graph, storage, readers: Rows::from_pairs(graph.value_count(), &pairs), is_result }
    }

    /// What these nodes, ascending, cost as one group; the same figures as [`group_costs`](crate::group_costs).
    pub fn cost(&self, members: &[NodeId]) -> GroupCost {
        let is_member = |id: NodeId| members.binary_search(&id).is_ok();
        count(self.graph, self.storage, members, |output| {
            let readers = self.readers.row(output.index());
            !readers.is_empty() && !self.is_result[output.index()] && readers.iter().all(|&reader| is_member(reader))
        })
    }
}

/// What `nodes`, ascending, cost as one kernel that writes `outputs` and keeps every other value that it makes inside,
/// whoever else reads it: what a fusion would come to if nobody did.
pub fn region_cost(graph: &Graph, storage: &Storage, nodes: &[NodeId], outputs: &[ValueId]) -> GroupCost {
    let written: Vec<ValueId> = outputs.iter().map(|&output| storage.root(output)).collect();
    count(graph, storage, nodes, |output| !written.contains(&output))
}

/// Counts a set of nodes, given which of the values that they make stay inside.
fn count(graph: &Graph, storage: &Storage, members: &[NodeId], stays: impl Fn(ValueId) -> bool) -> GroupCost {
    let is_member = |id: NodeId| members.binary_search(&id).is_ok();
    let mut cost = GroupCost::default();
    let mut readings: Vec<(ValueId, ValueId, u64)> = Vec::new();
    for &id in members.iter().filter(|&&id| !storage.is_free(id)) {
        cost.kernels = 1;
        cost.work += node_work(graph, id);
        for (value, elements) in operands_read(graph, storage, id) {
            let root = storage.root(value);
            if !graph.producer(root).is_some_and(is_member) {
                readings.push((root, value, elements));
            }
        }
        for &output in &graph.node(id).outputs {
            let bytes = graph.value(output).ty.bytes();
            let place = if stays(output) { &mut cost.internal } else { &mut cost.written };
            *place = place.saturating_add(bytes);
        }
    }
    readings.sort_unstable();
    for of_root in readings.chunk_by(|a, b| a.0 == b.0) {
        let root = of_root[0].0;
        let Some(tensor) = graph.tensor(root) else { continue };
        // Sorted by value and elements: the last reading of a value is its largest.
        let pieces = of_root.chunk_by(|a, b| a.1 == b.1).filter_map(|same| same.last());
        let elements = pieces.fold(0_u64, |sum, &(_, _, elements)| sum.saturating_add(elements));
        let bytes = tensor.dtype.bytes(elements.min(storage.distinct_elements(root)));
        cost.read = cost.read.saturating_add(bytes);
        if matches!(graph.value(root).origin, Origin::Parameter | Origin::Buffer) {
            cost.weights = cost.weights.saturating_add(bytes);
        }
    }
    cost
}
