//! Lower bounds that no partition of the graph can beat.

use fusewright_ir::{Graph, Storage};

use crate::{Groups, group_costs};

/// Compulsory bytes: inputs, weights and results, each once. One kernel that did everything would move just these.
pub fn floor_bytes(graph: &Graph, storage: &Storage) -> u64 {
    let everything = Groups::from_assignment(vec![0; graph.node_count()], 1);
    group_costs(graph, storage, &everything).first().map_or(0, crate::GroupCost::moved)
}
