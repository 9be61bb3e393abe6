//! What is in a small tensor: the numbers that shapes, masks and scales are computed from.

use std::sync::Arc;

use fusewright_ir::{DType, Shape, TensorType};

/// Most elements of a tensor whose content is kept.
pub(crate) const LIMIT: u64 = 4096;

/// The elements, row-major. Truth values are integers 0 and 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Elements {
    Ints(Vec<i64>),
    Floats(Vec<f64>),
}

impl Elements {
    pub(crate) fn len(&self) -> usize {
        match self {
            Elements::Ints(values) => values.len(),
            Elements::Floats(values) => values.len(),
        }
    }

    /// The elements at these positions; `None` when one is outside.
    pub(crate) fn pick(&self, positions: impl Iterator<Item = usize>) -> Option<Elements> {
        Some(match self {
            Elements::Ints(values) => {
                Elements::Ints(positions.map(|at| values.get(at).copied()).collect::<Option<_>>()?)
            }
            Elements::Floats(values) => {
                Elements::Floats(positions.map(|at| values.get(at).copied()).collect::<Option<_>>()?)
            }
        })
    }
}

/// A tensor whose elements are known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content {
    pub(crate) ty: TensorType,
    pub(crate) elements: Elements,
}

/// Contents are shared between the names that hold them.
pub(crate) type Known = Arc<Content>;

impl Content {
    /// A tensor of these elements; `None` when they are too many, not as many as the shape says, or when the type is
    /// one whose numbers are not computed with.
    pub(crate) fn new(dtype: DType, shape: impl IntoIterator<Item = u64>, elements: Elements) -> Option<Self> {
        let ty = TensorType::new(dtype, shape);
        let fits = fusewright_ir::checked_elements(&ty.shape)
            .is_some_and(|count| count <= LIMIT && count == elements.len() as u64);
        let kind = match &elements {
            Elements::Ints(_) => is_integer(dtype),
            Elements::Floats(_) => dtype.is_float(),
        };
        (fits && kind).then_some(Self { ty, elements })
    }

    /// A list of 64-bit integers.
    pub(crate) fn ints(values: Vec<i64>) -> Option<Self> {
        Self::new(DType::I64, [values.len() as u64], Elements::Ints(values))
    }

    pub(crate) fn shape(&self) -> &Shape {
        &self.ty.shape
    }

    pub(crate) fn dtype(&self) -> DType {
        self.ty.dtype
    }

    /// The integers, if these are integers.
    pub(crate) fn as_ints(&self) -> Option<&[i64]> {
        match &self.elements {
            Elements::Ints(values) => Some(values),
            Elements::Floats(_) => None,
        }
    }

    /// The elements as floating-point numbers.
    pub(crate) fn to_floats(&self) -> Vec<f64> {
        match &self.elements {
            Elements::Ints(values) => values.iter().map(|&value| as_float(value)).collect(),
            Elements::Floats(values) => values.clone(),
        }
    }

    /// The only element as a number.
    pub(crate) fn scalar(&self) -> Option<f64> {
        match &self.elements {
            Elements::Ints(values) => <[i64; 1]>::try_from(values.as_slice()).ok().map(|[value]| as_float(value)),
            Elements::Floats(values) => <[f64; 1]>::try_from(values.as_slice()).ok().map(|[value]| value),
        }
    }
}

/// Integers and truth values.
pub(crate) fn is_integer(dtype: DType) -> bool {
    !dtype.is_float() && !matches!(dtype, DType::C64 | DType::C128)
}

/// The nearest floating-point number.
#[allow(clippy::cast_precision_loss, reason = "sizes and counts are far below 2^53")]
pub(crate) fn as_float(value: i64) -> f64 {
    value as f64
}

/// The number without its fraction, held inside the range of integers.
#[allow(clippy::cast_possible_truncation, reason = "conversion saturates, which is what is wanted")]
pub(crate) fn as_int(value: f64) -> i64 {
    value as i64
}
