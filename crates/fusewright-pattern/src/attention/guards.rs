//! Guards against rows without a visible key: truth values that are computed from the scores of an attention and only
//! choose between its weights. One kernel that keeps scores on chip can compute them there.

use fusewright_ir::ops::{Pointwise, ReduceKind, Reduction, Unary};
use fusewright_ir::{DType, NodeId, Op, ValueId};
use smallvec::SmallVec;

use super::scores::Scene;

/// Guards take a few steps; what takes more is something else.
const MOST: usize = 16;

/// The nodes that make the guards of the steps of an attention, ascending; none where something else reads one.
///
/// Before the softmax any truth about scores will do. Weights are known only when a row ends, so of them it must be one
/// that all of a row share.
pub(super) fn guards(scene: Scene<'_>, chain: &[NodeId], softmax: NodeId) -> Vec<NodeId> {
    let Some((_, interior)) = chain.split_last() else { return Vec::new() };
    let outputs = |id: NodeId| scene.graph.node(id).outputs.iter().copied();
    let mut open: SmallVec<[(ValueId, bool); 16]> = SmallVec::new();
    open.extend(interior.iter().flat_map(|&id| outputs(id).map(move |value| (value, id >= softmax))));
    let mut found: Vec<NodeId> = Vec::new();
    while let Some((value, weighs)) = open.pop() {
        for &reader in scene.consumers.of_value(value) {
            if chain.contains(&reader) || found.contains(&reader) {
                continue;
            }
            if scene.storage.is_free(reader) {
                open.extend(outputs(reader).map(|output| (output, weighs)));
            } else if is_guard(scene, reader, value, weighs) && found.len() < MOST {
                found.push(reader);
                open.extend(outputs(reader).map(|output| (output, false)));
            } else {
                return Vec::new();
            }
        }
        let is_truth = scene.graph.tensor(value).is_some_and(|tensor| tensor.dtype == DType::Bool);
        if is_truth && scene.graph.outputs().contains(&value) {
            return Vec::new();
        }
    }
    found.sort_unstable();
    found
}

/// The node makes a truth value of scores, or of weights where `weighs`.
fn is_guard(scene: Scene<'_>, id: NodeId, value: ValueId, weighs: bool) -> bool {
    let node = scene.graph.node(id);
    let tensor = |value: ValueId| scene.graph.tensor(value);
    if !node.outputs.iter().all(|&output| tensor(output).is_some_and(|made| made.dtype == DType::Bool)) {
        return false;
    }
    match &node.op {
        Op::Pointwise(Pointwise::Unary(Unary::IsNan)) => true,
        Op::Pointwise(_) => !weighs,
        Op::Reduction(Reduction::Reduce { kind: ReduceKind::Any | ReduceKind::All, .. }) => {
            tensor(value).is_some_and(|read| read.dtype == DType::Bool)
        }
        _ => false,
    }
}
