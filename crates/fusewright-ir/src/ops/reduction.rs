//! Reductions: axes folded into one value each.

use super::{Results, ShapeError, axis_position, one, tensor};
use crate::{AttributeError, Attributes, DType, Shape, TensorType, Type, Work};

/// How elements are folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReduceKind {
    /// Sum.
    Sum,
    /// Arithmetic mean.
    Mean,
    /// Largest element.
    Max,
    /// Smallest element.
    Min,
    /// Product.
    Prod,
    /// Logical or.
    Any,
    /// Logical and.
    All,
    /// Position of the largest element.
    ArgMax,
    /// Euclidean norm.
    Norm,
}

const NAMES: [(ReduceKind, &str); 9] = [
    (ReduceKind::Sum, "sum"),
    (ReduceKind::Mean, "mean"),
    (ReduceKind::Max, "reduce_max"),
    (ReduceKind::Min, "reduce_min"),
    (ReduceKind::Prod, "prod"),
    (ReduceKind::Any, "any"),
    (ReduceKind::All, "all"),
    (ReduceKind::ArgMax, "argmax"),
    (ReduceKind::Norm, "norm"),
];

/// The reduction ops; operand x.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Folds axes; an empty list means all of them.
    Reduce {
        /// How.
        kind: ReduceKind,
        /// Which axes, counted from the end when negative.
        axes: Vec<i64>,
        /// Folded axes stay with extent 1.
        keep: bool,
    },
    /// Running sum along an axis.
    CumulativeSum {
        /// The axis.
        axis: i64,
    },
}

impl Reduction {
    pub(crate) fn mnemonic(&self) -> &'static str {
        match self {
            Reduction::Reduce { kind, .. } => NAMES[*kind as usize].1,
            Reduction::CumulativeSum { .. } => "cumsum",
        }
    }

    pub(crate) fn write(&self, attributes: &mut Attributes) {
        match self {
            Reduction::Reduce { axes, keep, .. } => {
                attributes.set_ints("axes", axes);
                attributes.set_flag("keep", *keep);
            }
            Reduction::CumulativeSum { axis } => attributes.set_int("axis", *axis),
        }
    }

    pub(crate) fn read(mnemonic: &str, attributes: &mut Attributes) -> Result<Option<Self>, AttributeError> {
        if mnemonic == "cumsum" {
            return Ok(Some(Reduction::CumulativeSum { axis: attributes.int("axis")? }));
        }
        let Some(&(kind, _)) = NAMES.iter().find(|(_, name)| *name == mnemonic) else { return Ok(None) };
        Ok(Some(Reduction::Reduce { kind, axes: attributes.ints("axes")?, keep: attributes.flag("keep")? }))
    }

    pub(crate) fn infer(&self, inputs: &[&Type]) -> Result<Results, ShapeError> {
        let x = tensor(inputs, 0)?;
        let (kind, axes, keep) = match self {
            Reduction::Reduce { kind, axes, keep } => (*kind, axes, *keep),
            Reduction::CumulativeSum { axis } => {
                axis_position(*axis, x.rank().max(1))?;
                let dtype = if is_narrow(x.dtype) { DType::I64 } else { x.dtype };
                return one(TensorType::new(dtype, x.shape.iter().copied()));
            }
        };
        let mut folded = vec![axes.is_empty(); x.rank()];
        for &axis in axes {
            folded[axis_position(axis, x.rank())?] = true;
        }
        let extents = x.shape.iter().zip(&folded);
        let shape: Shape = extents.filter(|&(_, &f)| keep || !f).map(|(&e, &f)| if f { 1 } else { e }).collect();
        let dtype = match kind {
            ReduceKind::Any | ReduceKind::All => DType::Bool,
            ReduceKind::ArgMax => DType::I64,
            ReduceKind::Sum | ReduceKind::Prod if is_narrow(x.dtype) => DType::I64,
            _ => x.dtype,
        };
        one(TensorType::new(dtype, shape))
    }

    pub(crate) fn work(&self, inputs: &[&Type], _outputs: &[&Type]) -> Work {
        let elements = inputs.first().and_then(|ty| ty.as_tensor()).map_or(0, TensorType::elements);
        let per_element = if matches!(self, Reduction::Reduce { kind: ReduceKind::Norm, .. }) { 2 } else { 1 };
        Work::new(0, elements.saturating_mul(per_element))
    }
}

/// Truth values and integers whose sums are taken in 64 bits.
fn is_narrow(dtype: DType) -> bool {
    matches!(dtype, DType::Bool | DType::I32 | DType::I16 | DType::I8 | DType::U8)
}
