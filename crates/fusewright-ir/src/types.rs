//! What a value is: a tensor with a dtype and a static shape, or something that lives on the host.

use smallvec::SmallVec;

use crate::DType;

/// The extents of a tensor, outermost first.
pub type Shape = SmallVec<[u64; 4]>;

/// Most elements a tensor may have: 2⁴⁸, a thousand times the largest weight in use. The bound keeps every byte and
/// FLOP count of a node inside `u64`.
pub const MAX_ELEMENTS: u64 = 1 << 48;

/// Product of the extents, or `None` when it exceeds [`MAX_ELEMENTS`].
pub fn checked_elements(shape: &[u64]) -> Option<u64> {
    if shape.contains(&0) {
        return Some(0);
    }
    let mut product = 1_u64;
    for &extent in shape {
        product = product.checked_mul(extent).filter(|&p| p <= MAX_ELEMENTS)?;
    }
    Some(product)
}

/// The strides, in elements, of a row-major tensor without gaps.
pub fn row_major_strides(shape: &[u64]) -> SmallVec<[i64; 4]> {
    let mut strides: SmallVec<[i64; 4]> = SmallVec::from_elem(1, shape.len());
    let mut step = 1_i64;
    for axis in (0..shape.len()).rev() {
        strides[axis] = step;
        step = step.saturating_mul(i64::try_from(shape[axis].max(1)).unwrap_or(i64::MAX));
    }
    strides
}

/// A dense tensor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// Element type.
    pub dtype: DType,
    /// Extents, outermost first.
    pub shape: Shape,
    /// Strides in elements where the source states them; derived from the ops otherwise.
    pub strides: Option<Box<[i64]>>,
}

impl TensorType {
    /// A tensor whose strides follow from the ops.
    pub fn new(dtype: DType, shape: impl IntoIterator<Item = u64>) -> Self {
        Self { dtype, shape: shape.into_iter().collect(), strides: None }
    }

    /// Number of elements. Graphs only hold shapes inside [`MAX_ELEMENTS`].
    pub fn elements(&self) -> u64 {
        self.shape.iter().fold(1, |product, &extent| product.saturating_mul(extent))
    }

    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        self.dtype.bytes(self.elements())
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The same dtype with another shape.
    #[must_use]
    pub fn with_shape(&self, shape: impl IntoIterator<Item = u64>) -> Self {
        Self::new(self.dtype, shape)
    }
}

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Data on the device.
    Tensor(TensorType),
    /// A Python-side number, flag, size or tuple: no device bytes. Carries the integer where it is known.
    Host(Option<i64>),
}

impl Type {
    /// A tensor type.
    pub fn tensor(dtype: DType, shape: impl IntoIterator<Item = u64>) -> Self {
        Type::Tensor(TensorType::new(dtype, shape))
    }

    /// The tensor, if this is one.
    pub fn as_tensor(&self) -> Option<&TensorType> {
        match self {
            Type::Tensor(tensor) => Some(tensor),
            Type::Host(_) => None,
        }
    }

    /// Device bytes: 0 for host values.
    pub fn bytes(&self) -> u64 {
        self.as_tensor().map_or(0, TensorType::bytes)
    }

    /// Same dtype and shape; strides are a refinement and do not count.
    pub fn agrees_with(&self, other: &Type) -> bool {
        match (self, other) {
            (Type::Tensor(a), Type::Tensor(b)) => a.dtype == b.dtype && a.shape == b.shape,
            (Type::Host(a), Type::Host(b)) => a.is_none() || b.is_none() || a == b,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_bounded() {
        assert_eq!(checked_elements(&[2, 3]), Some(6));
        assert_eq!(checked_elements(&[]), Some(1));
        assert_eq!(checked_elements(&[u64::MAX, 0]), Some(0));
        assert_eq!(checked_elements(&[1 << 40, 1 << 40]), None);
    }

    #[test]
    fn strides_of_a_row_major_tensor() {
        assert_eq!(row_major_strides(&[2, 3, 4]).as_slice(), &[12, 4, 1]);
    }
}
