//! Projections: products of an activation with a weight matrix, the candidates for parallel merging.

use fusewright_ir::ops::Contraction;
use fusewright_ir::{DType, Graph, NodeId, Op, Origin, Storage, ValueId};

/// A projection, described by what must be equal for two of them to run as one wide product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projection {
    /// The activation, seen through steps that pass it on unchanged.
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
    let owned = !matches!(graph.value(storage.root(weight)).origin, Origin::Node { .. } | Origin::Input);
    if !owned || weight_type.rank() != 2 {
        return None;
    }
    Some(Projection { input: unchanged_source(graph, storage, input), dtype: weight_type.dtype, out_first })
}

/// Back through steps whose result is their operand in every respect.
fn unchanged_source(graph: &Graph, storage: &Storage, mut value: ValueId) -> ValueId {
    while let Some(id) = graph.producer(value) {
        let node = graph.node(id);
        let position = node.outputs.iter().position(|&output| output == value).unwrap_or(0);
        let Some(&source) = node.inputs.get(position) else { break };
        let same = storage.is_free(id)
            && !node.op.is_host()
            && graph.value(source).ty.agrees_with(&graph.value(value).ty)
            && storage.is_contiguous(source) == storage.is_contiguous(value)
            && storage.distinct_elements(source) == storage.distinct_elements(value);
        if !same {
            break;
        }
        value = source;
    }
    value
}
