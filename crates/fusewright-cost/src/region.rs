//! The cost of a few nodes as one kernel, without looking at the rest of the graph.

use std::collections::BTreeMap;

use fusewright_ir::{Graph, NodeId, Origin, Storage, ValueId, node_work};

use crate::GroupCost;
use crate::group::operands_read;

/// What `nodes` (ascending) cost as one kernel that writes `outputs` and keeps every other value that it makes inside, in
/// time that depends on the nodes alone.
///
/// It counts as [`group_costs`](crate::group_costs) does for a group whose outside readers read nothing but `outputs`.
pub fn region_cost(graph: &Graph, storage: &Storage, nodes: &[NodeId], outputs: &[ValueId]) -> GroupCost {
    let mut cost = GroupCost::default();
    let written: Vec<ValueId> = outputs.iter().map(|&output| storage.root(output)).collect();
    // Per root the elements read of each value that describes it.
    let mut reads: BTreeMap<ValueId, BTreeMap<ValueId, u64>> = BTreeMap::new();
    for &id in nodes {
        if storage.is_free(id) {
            continue;
        }
        cost.kernels = 1;
        cost.work += node_work(graph, id);
        for (value, elements) in operands_read(graph, storage, id) {
            let root = storage.root(value);
            if graph.producer(root).is_none_or(|maker| nodes.binary_search(&maker).is_err()) {
                let known = reads.entry(root).or_default().entry(value).or_default();
                *known = elements.max(*known);
            }
        }
        for &output in &graph.node(id).outputs {
            let bytes = graph.value(output).ty.bytes();
            let total = if written.contains(&output) { &mut cost.written } else { &mut cost.internal };
            *total = total.saturating_add(bytes);
        }
    }
    for (root, values) in reads {
        let Some(tensor) = graph.tensor(root) else { continue };
        let elements = values.values().fold(0_u64, |sum, &elements| sum.saturating_add(elements));
        let bytes = tensor.dtype.bytes(elements.min(storage.distinct_elements(root)));
        cost.read = cost.read.saturating_add(bytes);
        if matches!(graph.value(root).origin, Origin::Parameter | Origin::Buffer) {
            cost.weights = cost.weights.saturating_add(bytes);
        }
    }
    cost
}
