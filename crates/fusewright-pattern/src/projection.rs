//! Projections: products of an activation with a weight matrix, the candidates for parallel merging.
//!
//! A linear layer has many spellings: `linear(x, w)`, `x · wᵀ` with a free transpose, `bias + x · w` on rows of a
//! flattened activation, each with casts of the weight. All are one projection with one input.

use fusewright_ir::ops::{Contraction, Copy, Pointwise, View};
use fusewright_ir::{DType, Graph, NodeId, Op, Origin, Storage, ValueId};

/// A projection, described by what must be equal for two of them to run as one wide product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projection {
    /// The activation, seen through steps that pass it on unchanged and through the flattening of its rows.
    pub input: ValueId,
    /// Element type of the weight.
    pub dtype: DType,
    /// The weight is stored `[out, in]`.
    pub out_first: bool,
}

/// The projection that a node is, if its weight is a matrix that the model owns.
pub fn projection_of(graph: &Graph, storage: &Storage, id: NodeId) -> Option<Projection> {
    let node = graph.node(id);
    let (input, weight, out_first) = match (&node.op, &node.inputs[..]) {
        (Op::Contraction(Contraction::Linear), &[x, weight, ..]) => (x, weight, true),
        (Op::Contraction(Contraction::MatMul), &[x, weight])
        | (Op::Contraction(Contraction::MatMulAdd { .. }), &[_, x, weight]) => (x, weight, false),
        _ => return None,
    };
    let weight_type = graph.tensor(weight)?;
    // Repeated for each batch, as decomposition writes it, it is the same matrix still.
    let [.., rows, columns] = weight_type.shape[..] else { return None };
    if storage.distinct_elements(weight) != rows.saturating_mul(columns) {
        return None;
    }
    let transposed = weight_of(graph, weight)?.transposed;
    Some(Projection {
        input: unchanged_source(graph, storage, input),
        dtype: weight_type.dtype,
        out_first: out_first != transposed,
    })
}

/// Where a weight comes from.
pub(crate) struct Weight {
    /// Its axes were exchanged an odd number of times on the way.
    pub(crate) transposed: bool,
}

/// Most steps between a stored tensor and its use as a weight: transposes, casts, dequantisation.
const WEIGHT_STEPS: u32 = 16;

/// Back from an operand to the tensor that the model owns, through views, casts and arithmetic with constants; `None`
/// where the operand depends on anything else.
pub(crate) fn weight_of(graph: &Graph, value: ValueId) -> Option<Weight> {
    fn walk(graph: &Graph, mut value: ValueId, budget: &mut u32) -> Option<Weight> {
        let mut transposed = false;
        loop {
            let Origin::Node { node, index } = graph.value(value).origin else {
                return (graph.value(value).origin != Origin::Input).then_some(Weight { transposed });
            };
            *budget = budget.checked_sub(1)?;
            let node = graph.node(node);
            let member = match &node.op {
                Op::View(view) if matches!(**view, View::Alias) => index as usize,
                Op::View(view) => {
                    transposed ^= matches!(&**view, View::Permute { axes } if exchanges_last_two(axes));
                    0
                }
                Op::Copy(copy) if matches!(**copy, Copy::Cast { .. } | Copy::Contiguous | Copy::Clone) => 0,
                Op::Pointwise(Pointwise::WithScalar { .. }) => 0,
                Op::Pointwise(Pointwise::Binary(_)) => {
                    walk(graph, *node.inputs.get(1)?, budget)?;
                    0
                }
                _ => return None,
            };
            value = *node.inputs.get(member)?;
        }
    }
    walk(graph, value, &mut { WEIGHT_STEPS })
}

fn exchanges_last_two(axes: &[u32]) -> bool {
    let [batch @ .., last, before] = axes else { return false };
    last.checked_sub(1) == Some(*before) && batch.iter().copied().eq(0..*before)
}

/// Back through steps whose result is their operand in every respect, or its rows in one axis.
fn unchanged_source(graph: &Graph, storage: &Storage, mut value: ValueId) -> ValueId {
    while let Some(id) = graph.producer(value) {
        let node = graph.node(id);
        let position = node.outputs.iter().position(|&output| output == value).unwrap_or(0);
        let Some(&source) = node.inputs.get(position) else { break };
        let (Some(from), Some(to)) = (graph.tensor(source), graph.tensor(value)) else { break };
        let reshapes = matches!(&node.op, Op::View(view) if matches!(**view, View::Reshape { .. }));
        let same_rows = from.dtype == to.dtype
            && from.shape.last() == to.shape.last()
            && (from.shape == to.shape || reshapes && from.elements() == to.elements());
        let same = storage.is_free(id)
            && !node.op.is_host()
            && same_rows
            && storage.is_contiguous(source) == storage.is_contiguous(value)
            && storage.distinct_elements(source) == storage.distinct_elements(value);
        if !same {
            break;
        }
        value = source;
    }
    value
}
