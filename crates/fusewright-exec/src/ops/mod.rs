//! Kernels, one file a family of ops: operands in, results out.

mod attention;
mod contraction;
mod convolution;
mod copy;
mod gather;
pub(crate) mod normalization;
pub(crate) mod pointwise;
mod pooling;
mod reduction;
mod scatter;
pub(crate) mod slices;
mod view;

pub(crate) use attention::scaled_dot_product;
pub(crate) use contraction::contraction;
pub(crate) use convolution::convolution;
pub(crate) use copy::copy;
pub(crate) use gather::gather;
pub(crate) use normalization::normalization;
pub(crate) use pointwise::narrow;
pub(crate) use pooling::pooling;
pub(crate) use reduction::reduction;
pub(crate) use scatter::scatter;
pub(crate) use view::{reshaped, view};

use fusewright_ir::{Op, TensorType};

use crate::tensor::Tensor;

/// What a kernel gives, or why it gives nothing.
pub(crate) type Run = Result<Vec<Tensor>, String>;

/// Runs an op on its operands; `results` are the types that the graph states.
pub(crate) fn run(op: &Op, operands: &[&Tensor], results: &[&TensorType]) -> Run {
    let single = match op {
        Op::Contraction(op) => contraction(op, operands)?,
        Op::Convolution(op) => convolution(op, operands)?,
        Op::Pooling(op) => pooling(op, operands, results)?,
        Op::Normalization(op) => normalization(op, operands)?,
        Op::Pointwise(op) => pointwise::pointwise(op, operands, results)?,
        Op::Reduction(op) => return reduction(op, operands, results),
        Op::View(op) => return view(op, operands),
        Op::Copy(op) => copy(op, operands, results)?,
        Op::Gather(op) => gather(op, operands, results)?,
        Op::Scatter(op) => scatter(op, operands)?,
        Op::Attention(fusewright_ir::ops::Attention::ScaledDotProduct(op)) => scaled_dot_product(op, operands)?,
        Op::Attention(_) => return Err("a whole attention layer must be opened into its steps first".to_owned()),
        Op::Host(_) => return Ok(Vec::new()),
        Op::Opaque(op) => return Err(format!("`{}` is not understood", op.name)),
    };
    Ok(vec![single])
}

/// A possibly negative axis as a position; the shape rules have checked that it exists.
pub(crate) fn position(axis: i64, rank: usize) -> Result<usize, String> {
    let signed = if axis < 0 { axis + rank.cast_signed() as i64 } else { axis };
    usize::try_from(signed).ok().filter(|&p| p < rank).ok_or_else(|| format!("there is no axis {axis} of {rank}"))
}

pub(crate) fn size(value: u64) -> Result<usize, String> {
    usize::try_from(value).map_err(|_| format!("{value} elements do not fit into memory"))
}

pub(crate) fn sizes(values: &[u64]) -> Result<Vec<usize>, String> {
    values.iter().map(|&value| size(value)).collect()
}

/// The shape that tensors broadcast to.
pub(crate) fn broadcast_shape(shapes: &[&[usize]]) -> Vec<usize> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut result = vec![1; rank];
    for shape in shapes {
        for (target, &extent) in result[rank - shape.len()..].iter_mut().zip(*shape) {
            if extent != 1 {
                *target = extent;
            }
        }
    }
    result
}

/// The tensor with this shape, extents of one repeated without copying.
pub(crate) fn expanded(x: &Tensor, shape: &[usize]) -> Tensor {
    let missing = shape.len() - x.shape.len();
    let stride = |axis: usize| match axis.checked_sub(missing) {
        Some(own) if x.shape[own] == shape[axis] => x.strides[own],
        _ => 0,
    };
    x.view(shape.to_vec(), (0..shape.len()).map(stride).collect(), x.first)
}

/// Operand `index`, which the shape rules have required.
pub(crate) fn operand<'a>(operands: &[&'a Tensor], index: usize) -> Result<&'a Tensor, String> {
    operands.get(index).copied().ok_or_else(|| format!("operand {index} is no tensor"))
}

/// One value that broadcasts to a result.
pub(crate) fn copy_filled(result: &TensorType, value: f64) -> Tensor {
    copy::filled(result.dtype, value, &[])
}
