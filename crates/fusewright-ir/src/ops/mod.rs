//! The op families, one file each.
//!
//! A family's file states the operands of its ops, how their results are shaped, what work they do, and how their
//! settings are written as attributes. Adding an op means adding it to its family's file.

mod attention;
mod contraction;
mod convolution;
mod copy;
mod gather;
mod host;
mod normalization;
mod opaque;
mod pointwise;
mod pooling;
mod reduction;
mod scatter;
mod view;

pub use attention::{
    Attention, Extents, MultiheadAttention, Operand, ScaledDotProduct, ShiftedWindow, WindowOperand, Windows,
};
pub use contraction::{Contraction, Einsum};
pub use convolution::{Convolution, Padding};
pub use copy::Copy;
pub use gather::Gather;
pub use host::Host;
pub use normalization::Normalization;
pub use opaque::Opaque;
pub use pointwise::{Binary, Pointwise, Unary};
pub use pooling::{PoolKind, Pooling};
pub use reduction::{ReduceKind, Reduction};
pub use scatter::Scatter;
pub use view::{Index, View};

use smallvec::SmallVec;

use crate::{Shape, TensorType, Type, checked_elements};

/// The types that an op's results have.
pub type Results = SmallVec<[Type; 1]>;

/// An op does not accept these operands; the text says what it expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ShapeError(pub String);

impl ShapeError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Operand `index` as a tensor.
pub(crate) fn tensor<'a>(inputs: &[&'a Type], index: usize) -> Result<&'a TensorType, ShapeError> {
    let ty = inputs.get(index).ok_or_else(|| ShapeError::new(format!("operand {index} is missing")))?;
    ty.as_tensor().ok_or_else(|| ShapeError::new(format!("operand {index} must be a tensor")))
}

/// Exactly one result.
pub(crate) fn one(ty: TensorType) -> Result<Results, ShapeError> {
    check_size(&ty.shape)?;
    Ok(SmallVec::from_iter([Type::Tensor(ty)]))
}

/// A shape small enough to count with.
pub(crate) fn check_size(shape: &[u64]) -> Result<(), ShapeError> {
    match checked_elements(shape) {
        Some(_) => Ok(()),
        None => Err(ShapeError::new(format!("shape {shape:?} has more than 2^48 elements"))),
    }
}

/// A possibly negative axis as a position below `rank`.
pub(crate) fn axis_position(axis: i64, rank: usize) -> Result<usize, ShapeError> {
    let signed_rank = i64::try_from(rank).unwrap_or(i64::MAX);
    let position = if axis < 0 { axis + signed_rank } else { axis };
    usize::try_from(position)
        .ok()
        .filter(|&p| p < rank)
        .ok_or_else(|| ShapeError::new(format!("axis {axis} is outside a tensor of rank {rank}")))
}

/// The shape that operands of these shapes broadcast to.
pub(crate) fn broadcast<'a>(shapes: impl IntoIterator<Item = &'a [u64]>) -> Result<Shape, ShapeError> {
    let mut result: Shape = Shape::new();
    for shape in shapes {
        if shape.len() > result.len() {
            let missing = shape.len() - result.len();
            result.insert_many(0, std::iter::repeat_n(1, missing));
        }
        let offset = result.len() - shape.len();
        for (axis, &extent) in shape.iter().enumerate() {
            let target = &mut result[offset + axis];
            if *target == 1 {
                *target = extent;
            } else if extent != 1 && extent != *target {
                return Err(ShapeError::new(format!("{shape:?} does not broadcast with {:?}", result.as_slice())));
            }
        }
    }
    Ok(result)
}
