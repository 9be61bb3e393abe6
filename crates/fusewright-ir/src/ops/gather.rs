//! Gathers: elements or rows picked by an index tensor. They read the picked rows, not the table.

use super::{Results, ShapeError, axis_position, one, tensor};
use crate::{AttributeError, Attributes, Shape, Type};

/// The gathering ops.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Gather {
    /// Rows of a table; operands indices, table `[rows, width]`.
    Embedding,
    /// A position bias for attention: rows of a table, laid out as `[1, heads, N, N]`; operands table `[rows, heads]`,
    /// indices `[N · N]`.
    PositionBias {
        /// N, the number of positions.
        positions: u64,
    },
    /// Slices along an axis; operands x, indices `[n]`.
    IndexSelect {
        /// The axis.
        axis: i64,
    },
    /// Single elements along an axis; operands x, indices shaped like the result.
    Elements {
        /// The axis.
        axis: i64,
    },
}

impl Gather {
    pub(crate) fn mnemonic(&self) -> &'static str {
        match self {
            Gather::Embedding => "embedding",
            Gather::PositionBias { .. } => "position_bias",
            Gather::IndexSelect { .. } => "index_select",
            Gather::Elements { .. } => "gather",
        }
    }

    pub(crate) fn write(&self, attributes: &mut Attributes) {
        match self {
            Gather::Embedding => {}
            Gather::PositionBias { positions } => {
                attributes.set_int("positions", i64::try_from(*positions).unwrap_or(i64::MAX));
            }
            Gather::IndexSelect { axis } | Gather::Elements { axis } => attributes.set_int("axis", *axis),
        }
    }

    pub(crate) fn read(mnemonic: &str, attributes: &mut Attributes) -> Result<Option<Self>, AttributeError> {
        Ok(Some(match mnemonic {
            "embedding" => Gather::Embedding,
            "position_bias" => Gather::PositionBias { positions: attributes.size("positions")? },
            "index_select" => Gather::IndexSelect { axis: attributes.int("axis")? },
            "gather" => Gather::Elements { axis: attributes.int("axis")? },
            _ => return Ok(None),
        }))
    }

    /// Position of the operand that is gathered from.
    pub fn table_operand(&self) -> usize {
        usize::from(matches!(self, Gather::Embedding))
    }

    pub(crate) fn infer(&self, inputs: &[&Type]) -> Result<Results, ShapeError> {
        let (a, b) = (tensor(inputs, 0)?, tensor(inputs, 1)?);
        match self {
            Gather::Embedding => {
                let &[_, width] = b.shape.as_slice() else {
                    return Err(ShapeError::new("embedding: the table must have shape [rows, width]"));
                };
                one(b.with_shape(a.shape.iter().copied().chain([width])))
            }
            Gather::PositionBias { positions } => {
                let &[_, heads] = a.shape.as_slice() else {
                    return Err(ShapeError::new("position_bias: the table must have shape [rows, heads]"));
                };
                if Some(b.elements()) != positions.checked_mul(*positions) {
                    return Err(ShapeError::new(format!("position_bias: {positions}² indices are needed")));
                }
                one(a.with_shape([1, heads, *positions, *positions]))
            }
            Gather::IndexSelect { axis } => {
                let position = axis_position(*axis, a.rank())?;
                let mut shape: Shape = a.shape.clone();
                shape[position] = b.elements();
                one(a.with_shape(shape))
            }
            Gather::Elements { axis } => {
                axis_position(*axis, a.rank())?;
                if a.rank() != b.rank() {
                    return Err(ShapeError::new("gather: indices must have the rank of x"));
                }
                one(a.with_shape(b.shape.iter().copied()))
            }
        }
    }
}
