//! The shape of a product: which of its extents are rows, columns and terms.

use fusewright_cost::time::Gemm;
use fusewright_ir::ops::{Contraction, Convolution, Einsum};
use fusewright_ir::{DType, Graph, NodeId, Op, Storage, TensorType, ValueId, node_work};

/// The product that a node computes, with the bytes of its operands each once; `None` where it computes none.
pub(crate) fn product_of(graph: &Graph, storage: &Storage, id: NodeId) -> Option<Gemm> {
    let node = graph.node(id);
    let result = node.outputs.first().and_then(|&output| graph.tensor(output))?;
    let (batch, m, n) = match &node.op {
        Op::Contraction(Contraction::Einsum(einsum)) => einsum_extents(graph, einsum, &node.inputs),
        Op::Contraction(Contraction::GroupedMatMul { .. }) => {
            let groups = node.inputs.get(1).and_then(|&weight| graph.tensor(weight)?.shape.first().copied());
            let (rows, columns) = rows_and_columns(result);
            groups.map(|groups| (groups, rows.div_ceil(groups.max(1)), columns))
        }
        Op::Contraction(Contraction::MatMul) => {
            Some(matmul_extents(graph, storage, result, node.inputs.get(1).copied()))
        }
        Op::Contraction(Contraction::MatMulAdd { .. }) => {
            Some(matmul_extents(graph, storage, result, node.inputs.get(2).copied()))
        }
        Op::Contraction(_) => {
            let (rows, columns) = rows_and_columns(result);
            Some((1, rows, columns))
        }
        Op::Convolution(convolution) => convolution_extents(convolution, result),
        _ => None,
    }?;
    let macs = node_work(graph, id).macs;
    let results = batch.saturating_mul(m).saturating_mul(n);
    let k = macs.checked_div(results).unwrap_or(0);
    let bytes =
        |value: ValueId| graph.tensor(value).map_or(0, |tensor| tensor.dtype.bytes(storage.distinct_elements(value)));
    let read = node.inputs.iter().map(|&input| bytes(input)).fold(0, u64::saturating_add);
    Some(Gemm {
        batch,
        m,
        n,
        k,
        input: operand_dtype(graph, &node.op, &node.inputs).unwrap_or(result.dtype),
        output: result.dtype,
        bytes: read.saturating_add(result.bytes()),
    })
}

/// The element type that the product is computed in: that of its activation.
fn operand_dtype(graph: &Graph, op: &Op, inputs: &[ValueId]) -> Option<DType> {
    let position = usize::from(matches!(op, Op::Contraction(Contraction::MatMulAdd { .. })));
    graph.tensor(*inputs.get(position)?).map(|tensor| tensor.dtype)
}

/// All but the last axis, and the last.
fn rows_and_columns(result: &TensorType) -> (u64, u64) {
    let columns = result.shape.last().copied().unwrap_or(1);
    (result.elements().checked_div(columns).unwrap_or(0), columns)
}

/// A right operand that is one matrix makes all rows one product; otherwise each batch position is a product.
fn matmul_extents(graph: &Graph, storage: &Storage, result: &TensorType, right: Option<ValueId>) -> (u64, u64, u64) {
    let (rows, columns) = rows_and_columns(result);
    let matrix = right.and_then(|value| {
        let shape = &graph.tensor(value)?.shape;
        let &[.., k, n] = shape.as_slice() else { return Some(true) };
        Some(storage.distinct_elements(value) <= k.saturating_mul(n))
    });
    match result.shape.as_slice() {
        &[.., m, n] if result.rank() > 2 && matrix == Some(false) => (rows.checked_div(m).unwrap_or(0), m, n),
        _ => (1, rows, columns),
    }
}

/// A convolution is the product of unfolded positions with the kernel; each group of channels is one product.
fn convolution_extents(convolution: &Convolution, result: &TensorType) -> Option<(u64, u64, u64)> {
    let channels = *result.shape.get(1)?;
    let positions = result.elements().checked_div(channels).unwrap_or(0);
    let groups = convolution.groups.max(1);
    Some((groups, positions, channels / groups))
}

/// Indices of both operands and the result count products, those of one operand and the result its rows or columns.
fn einsum_extents(graph: &Graph, einsum: &Einsum, inputs: &[ValueId]) -> Option<(u64, u64, u64)> {
    let (operands, result) = einsum.equation().split_once("->")?;
    let (left, right) = operands.split_once(',').unwrap_or((operands, ""));
    let extent = |letter: char| {
        let in_operand = |(letters, &input): (&str, &ValueId)| {
            let axis = letters.chars().position(|c| c == letter)?;
            graph.tensor(input)?.shape.get(axis).copied()
        };
        operands.split(',').zip(inputs).filter_map(in_operand).max().unwrap_or(1)
    };
    let (mut batch, mut m, mut n) = (1_u64, 1_u64, 1_u64);
    for letter in result.chars() {
        let side = match (left.contains(letter), right.contains(letter)) {
            (true, true) => &mut batch,
            (true, false) => &mut m,
            _ => &mut n,
        };
        *side = side.saturating_mul(extent(letter));
    }
    Some((batch, m, n))
}
