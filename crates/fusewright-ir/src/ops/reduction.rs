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
    /// Position of the smallest element.
    ArgMin,
    /// Variance.
    Var,
    /// Standard deviation.
    Std,
    /// Logarithm of the sum of exponentials.
    LogSumExp,
}

const NAMES: [(ReduceKind, &str); 13] = [
    (ReduceKind::Sum, "sum"),
    (ReduceKind::Mean, "mean"),
    (ReduceKind::Max, "reduce_max"),
    (ReduceKind::Min, "reduce_min"),
    (ReduceKind::Prod, "prod"),
    (ReduceKind::Any, "any"),
    (ReduceKind::All, "all"),
    (ReduceKind::ArgMax, "argmax"),
    (ReduceKind::Norm, "norm"),
    (ReduceKind::ArgMin, "argmin"),
    (ReduceKind::Var, "var"),
    (ReduceKind::Std, "std"),
    (ReduceKind::LogSumExp, "logsumexp"),
];

/// The reduction ops; operand x.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// The largest elements along an axis and their positions; two results.
    TopK {
        /// How many.
        k: u64,
        /// Along which axis.
        axis: i64,
    },
    /// The elements along an axis in order, and where they were; two results.
    Sort {
        /// Along which axis.
        axis: i64,
    },
    /// The largest or smallest element along an axis and its position; two results.
    Extreme {
        /// Largest, not smallest.
        largest: bool,
        /// Along which axis.
        axis: i64,
        /// The axis stays with extent 1.
        keep: bool,
    },
    /// Folds axes; an empty list means all of them.
    Reduce {
        /// How.
        kind: ReduceKind,
        /// Which axes, counted from the end when negative.
        axes: Vec<i64>,
        /// Folded axes stay with extent 1.
        keep: bool,
    },
    /// Variance and mean over some axes; two results.
    VarMean {
        /// Which axes, counted from the end when negative; an empty list means all of them.
        axes: Vec<i64>,
        /// Folded axes stay with extent 1.
        keep: bool,
    },
    /// How many elements fall into each of some intervals of equal width.
    Histogram {
        /// Number of intervals.
        bins: u64,
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
            Reduction::VarMean { .. } => "var_mean",
            Reduction::Histogram { .. } => "histogram",
            Reduction::TopK { .. } => "topk",
            Reduction::Sort { .. } => "sort",
            Reduction::Extreme { .. } => "extreme",
        }
    }

    pub(crate) fn write(&self, attributes: &mut Attributes) {
        match self {
            Reduction::Histogram { bins } => attributes.set_int("bins", i64::try_from(*bins).unwrap_or(i64::MAX)),
            Reduction::Reduce { axes, keep, .. } | Reduction::VarMean { axes, keep } => {
                attributes.set_ints("axes", axes);
                attributes.set_flag("keep", *keep);
            }
            Reduction::CumulativeSum { axis } | Reduction::Sort { axis } => attributes.set_int("axis", *axis),
            Reduction::TopK { k, axis } => {
                attributes.set_int("k", i64::try_from(*k).unwrap_or(i64::MAX));
                attributes.set_int("axis", *axis);
            }
            Reduction::Extreme { largest, axis, keep } => {
                attributes.set_flag("largest", *largest);
                attributes.set_int("axis", *axis);
                attributes.set_flag("keep", *keep);
            }
        }
    }

    pub(crate) fn read(mnemonic: &str, attributes: &mut Attributes) -> Result<Option<Self>, AttributeError> {
        if mnemonic == "cumsum" {
            return Ok(Some(Reduction::CumulativeSum { axis: attributes.int("axis")? }));
        }
        match mnemonic {
            "topk" => return Ok(Some(Reduction::TopK { k: attributes.size("k")?, axis: attributes.int("axis")? })),
            "histogram" => return Ok(Some(Reduction::Histogram { bins: attributes.size("bins")? })),
            "var_mean" => {
                return Ok(Some(Reduction::VarMean { axes: attributes.ints("axes")?, keep: attributes.flag("keep")? }));
            }
            "sort" => return Ok(Some(Reduction::Sort { axis: attributes.int("axis")? })),
            "extreme" => {
                let (largest, keep) = (attributes.flag("largest")?, attributes.flag("keep")?);
                return Ok(Some(Reduction::Extreme { largest, axis: attributes.int("axis")?, keep }));
            }
            _ => {}
        }
        let Some(&(kind, _)) = NAMES.iter().find(|(_, name)| *name == mnemonic) else { return Ok(None) };
        Ok(Some(Reduction::Reduce { kind, axes: attributes.ints("axes")?, keep: attributes.flag("keep")? }))
    }

    pub(crate) fn infer(&self, inputs: &[&Type]) -> Result<Results, ShapeError> {
        let x = tensor(inputs, 0)?;
        let (kind, axes, keep) = match self {
            Reduction::Reduce { kind, axes, keep } => (*kind, axes, *keep),
            Reduction::VarMean { axes, keep } => {
                let fold = Reduction::Reduce { kind: ReduceKind::Mean, axes: axes.clone(), keep: *keep };
                let mut results = fold.infer(inputs)?;
                results.extend(results.first().cloned());
                return Ok(results);
            }
            Reduction::Histogram { bins } => return one(x.with_shape([*bins])),
            Reduction::TopK { axis, .. } | Reduction::Sort { axis } | Reduction::Extreme { axis, .. } => {
                return self.with_positions(x, *axis);
            }
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
            ReduceKind::ArgMax | ReduceKind::ArgMin => DType::I64,
            ReduceKind::Sum | ReduceKind::Prod if is_narrow(x.dtype) => DType::I64,
            _ => x.dtype,
        };
        one(TensorType::new(dtype, shape))
    }

    /// Values and positions along an axis; a scalar counts as one element.
    fn with_positions(&self, x: &TensorType, axis: i64) -> Result<Results, ShapeError> {
        let position = axis_position(axis, x.rank().max(1))?;
        let mut shape = x.shape.clone();
        match self {
            Reduction::TopK { k, .. } if shape.get(position).is_some_and(|extent| k > extent) => {
                return Err(ShapeError::new(format!("topk: {k} of {} elements", shape[position])));
            }
            Reduction::TopK { k, .. } if position < shape.len() => shape[position] = *k,
            Reduction::Extreme { keep: true, .. } if position < shape.len() => shape[position] = 1,
            Reduction::Extreme { keep: false, .. } if position < shape.len() => {
                shape.remove(position);
            }
            _ => {}
        }
        let mut results = one(x.with_shape(shape.iter().copied()))?;
        results.push(Type::Tensor(TensorType::new(DType::I64, shape)));
        Ok(results)
    }

    pub(crate) fn work(&self, inputs: &[&Type], _outputs: &[&Type]) -> Work {
        let elements = inputs.first().and_then(|ty| ty.as_tensor()).map_or(0, TensorType::elements);
        let per_element = match self {
            Reduction::Reduce { kind: ReduceKind::Norm | ReduceKind::LogSumExp, .. } | Reduction::Histogram { .. } => 2,
            Reduction::Reduce { kind: ReduceKind::Var | ReduceKind::Std, .. } | Reduction::VarMean { .. } => 4,
            _ => 1,
        };
        Work::new(0, elements.saturating_mul(per_element))
    }
}

/// Truth values and integers whose sums are taken in 64 bits.
fn is_narrow(dtype: DType) -> bool {
    matches!(dtype, DType::Bool | DType::I32 | DType::I16 | DType::I8 | DType::U8)
}
