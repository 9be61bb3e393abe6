//! Steps that the engine passes on its own: what only describes, copies or casts a tensor, element for element.

use fusewright_ir::ops::{Copy, Pointwise, View};
use fusewright_ir::{DType, Graph, NodeId, Op, Storage, ValueId};

use super::library::Exactness;

/// Most of them in a row.
pub(super) const LONGEST: usize = 8;

/// The node hands its first operand on, element for element and in order.
pub(super) fn is_transparent(graph: &Graph, storage: &Storage, id: NodeId) -> bool {
    match &graph.node(id).op {
        Op::View(view) => match &**view {
            View::Alias => graph.node(id).inputs.len() == 1,
            View::Reshape { .. } => storage.is_free(id) && keeps_last_axis(graph, id),
            View::Expand { .. } => same_shape(graph, id),
            _ => false,
        },
        Op::Copy(copy) => matches!(**copy, Copy::Cast { .. } | Copy::Contiguous | Copy::Clone),
        Op::Pointwise(Pointwise::Dropout { .. }) => storage.is_free(id),
        _ => false,
    }
}

/// The node describes or copies its first operand, axes in whatever order.
pub(super) fn is_moving(graph: &Graph, id: NodeId) -> bool {
    match &graph.node(id).op {
        Op::View(view) => {
            matches!(**view, View::Reshape { .. } | View::Permute { .. } | View::Alias | View::Expand { .. })
        }
        Op::Copy(copy) => matches!(**copy, Copy::Contiguous | Copy::Clone),
        _ => false,
    }
}

fn ends(graph: &Graph, id: NodeId) -> Option<(&[u64], &[u64])> {
    let node = graph.node(id);
    let (from, to) = (graph.tensor(*node.inputs.first()?)?, graph.tensor(*node.outputs.first()?)?);
    Some((&from.shape, &to.shape))
}

/// Rows stay rows: what is computed along the last axis, or element by element, is the same on both sides.
fn keeps_last_axis(graph: &Graph, id: NodeId) -> bool {
    ends(graph, id).is_some_and(|(from, to)| from.last() == to.last())
}

fn same_shape(graph: &Graph, id: NodeId) -> bool {
    ends(graph, id).is_some_and(|(from, to)| from == to)
}

/// Back through transparent steps; the value, and the nodes that were passed.
pub(super) fn stripped(graph: &Graph, storage: &Storage, mut value: ValueId) -> (ValueId, Vec<NodeId>) {
    let mut passed = Vec::new();
    while let Some(id) = graph.producer(value) {
        if passed.len() == LONGEST || !is_transparent(graph, storage, id) {
            break;
        }
        let Some(&input) = graph.node(id).inputs.first() else { break };
        passed.push(id);
        value = input;
    }
    (value, passed)
}

/// Back through transparent steps to the value that they hand on.
pub(super) fn end(graph: &Graph, storage: &Storage, mut value: ValueId) -> ValueId {
    for _ in 0..LONGEST {
        match graph.producer(value).filter(|&id| is_transparent(graph, storage, id)) {
            Some(id) => value = graph.node(id).inputs.first().copied().unwrap_or(value),
            None => break,
        }
    }
    value
}

/// What a cast loses that a kernel which keeps values in its registers would not: `None` where that is nothing, or
/// rounding that the exactness of the rule covers.
pub(super) fn loss(graph: &Graph, id: NodeId, exactness: Exactness) -> Option<(DType, DType)> {
    let node = graph.node(id);
    let Op::Copy(copy) = &node.op else { return None };
    let Copy::Cast { dtype: to } = **copy else { return None };
    let from = graph.tensor(*node.inputs.first()?)?.dtype;
    let narrow = |dtype: DType| matches!(dtype, DType::F8E4M3 | DType::F8E5M2);
    let quantises = from.is_float() && (!to.is_float() || narrow(to) && !narrow(from));
    let rounds = from.is_float() && to.is_float() && to.bytes(1) < from.bytes(1);
    (quantises || rounds && exactness == Exactness::BitIdentical).then_some((from, to))
}
