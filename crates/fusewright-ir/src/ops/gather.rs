//! Gathers: elements or rows picked by an index tensor. They read the picked rows, not the table.

use super::{Results, ShapeError, axis_position, broadcast, one, tensor};
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
    /// Elements picked along several axes at once by index tensors that broadcast together; operands x, one index
    /// tensor per axis. The picked axes are replaced by those of the indices, at the first picked axis where the picked
    /// axes are adjacent, else at the front.
    Indexed {
        /// The picked axes, ascending.
        axes: Vec<u32>,
    },
    /// Slices picked by index vectors; operands x, indices `[.., n]` whose last axis addresses the `n` axes after the
    /// first `batch` (ONNX `GatherND`).
    Nd {
        /// Leading axes that x and the indices share.
        batch: u64,
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
            Gather::Indexed { .. } => "gather_indexed",
            Gather::Nd { .. } => "gather_nd",
            Gather::Elements { .. } => "gather",
        }
    }

    pub(crate) fn write(&self, attributes: &mut Attributes) {
        match self {
            Gather::Embedding => {}
            Gather::PositionBias { positions } => {
                attributes.set_int("positions", i64::try_from(*positions).unwrap_or(i64::MAX));
            }
            Gather::Indexed { axes } => attributes.set_ints("axes", axes),
            Gather::Nd { batch } => attributes.set_int("batch", i64::try_from(*batch).unwrap_or(i64::MAX)),
            Gather::IndexSelect { axis } | Gather::Elements { axis } => attributes.set_int("axis", *axis),
        }
    }

    pub(crate) fn read(mnemonic: &str, attributes: &mut Attributes) -> Result<Option<Self>, AttributeError> {
        Ok(Some(match mnemonic {
            "embedding" => Gather::Embedding,
            "position_bias" => Gather::PositionBias { positions: attributes.size("positions")? },
            "index_select" => Gather::IndexSelect { axis: attributes.int("axis")? },
            "gather_indexed" => Gather::Indexed { axes: attributes.ints("axes")? },
            "gather_nd" => Gather::Nd { batch: attributes.size("batch")? },
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
            Gather::Indexed { axes } => indexed(inputs, axes),
            Gather::Nd { batch } => {
                let batch = usize::try_from(*batch).unwrap_or(usize::MAX);
                let [outer @ .., picked] = b.shape.as_slice() else {
                    return Err(ShapeError::new("gather_nd: the indices need an axis"));
                };
                let addressed = usize::try_from(*picked).ok().and_then(|picked| picked.checked_add(batch));
                let kept = addressed.and_then(|addressed| a.shape.get(addressed..));
                match kept {
                    Some(kept) if outer.get(..batch) == a.shape.get(..batch) => {
                        one(a.with_shape(outer.iter().chain(kept).copied()))
                    }
                    _ => Err(ShapeError::new(format!("gather_nd: {:?} does not address {:?}", b.shape, a.shape))),
                }
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

fn indexed(inputs: &[&Type], axes: &[u32]) -> Result<Results, ShapeError> {
    let x = tensor(inputs, 0)?;
    let rank = u32::try_from(x.rank()).unwrap_or(u32::MAX);
    let (Some(&first), true) = (axes.first(), axes.is_sorted_by(|a, b| a < b)) else {
        return Err(ShapeError::new("gather_indexed: the axes must ascend"));
    };
    if axes.iter().any(|&axis| axis >= rank) || inputs.len() != axes.len() + 1 {
        return Err(ShapeError::new(format!("gather_indexed: one index tensor per axis of {:?}", x.shape)));
    }
    let indices = (1..inputs.len()).map(|index| tensor(inputs, index)).collect::<Result<Vec<_>, _>>()?;
    let picked = broadcast(indices.iter().map(|index| index.shape.as_slice()))?;
    let adjacent = axes.windows(2).all(|pair| pair[1] == pair[0] + 1);
    let place = if adjacent { first as usize } else { 0 };
    let kept = (0..rank).zip(&x.shape).filter(|(axis, _)| !axes.contains(axis)).map(|(_, &extent)| extent);
    let mut shape: Shape = kept.collect();
    shape.insert_many(place, picked);
    one(x.with_shape(shape))
}
