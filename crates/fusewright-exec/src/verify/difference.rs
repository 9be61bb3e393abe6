//! How far apart two tensors are, and how far they may be.

use fusewright_ir::DType;

use crate::tensor::{Class, Tensor};

/// How exactly two results agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exactness {
    /// The same bits.
    Bitwise,
    /// The same numbers summed in another order.
    Reassociates,
}

/// The difference of two tensors of as many elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Largest difference of two elements; infinite where NaN, infinity or the number of elements differ.
    pub absolute: f64,
    /// The same over the largest magnitude in the first tensor.
    pub relative: f64,
}

impl Difference {
    const INFINITE: Self = Self { absolute: f64::INFINITY, relative: f64::INFINITY };

    /// Compares element by element.
    pub fn between(a: &Tensor, b: &Tensor) -> Self {
        if a.shape() != b.shape() {
            return Self::INFINITE;
        }
        if a.class() != Class::Float && b.class() != Class::Float {
            let apart = a.ints().iter().zip(b.ints().iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
            return Self { absolute: apart as f64, relative: apart as f64 };
        }
        let (mut absolute, mut largest) = (0.0_f64, 0.0_f64);
        for (&x, &y) in a.floats().iter().zip(b.floats().iter()) {
            if x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan() {
                largest = if x.is_finite() { largest.max(f64::from(x.abs())) } else { largest };
                continue;
            }
            if !x.is_finite() || !y.is_finite() {
                return Self::INFINITE;
            }
            largest = largest.max(f64::from(x.abs()));
            absolute = absolute.max((f64::from(x) - f64::from(y)).abs());
        }
        let relative = if largest > 0.0 { absolute / largest } else { absolute };
        Self { absolute, relative }
    }

    /// How exactly the two agree.
    pub fn exactness(&self) -> Exactness {
        if self.absolute == 0.0 { Exactness::Bitwise } else { Exactness::Reassociates }
    }
}

/// The relative difference that summing in another order may make in results of this type: a few units in the last
/// place per layer.
pub fn tolerance_of(dtype: DType) -> f64 {
    match dtype {
        DType::F64 | DType::F32 => 1e-4,
        DType::F16 => 1e-2,
        DType::Bf16 => 5e-2,
        DType::F8E4M3 | DType::F8E5M2 => 0.25,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(values: &[f32]) -> Tensor {
        Tensor::from_floats(DType::F32, &[values.len()], values.to_vec())
    }

    #[test]
    fn differences_count_nan_infinity_and_shape() {
        let x = floats(&[1.0, -4.0, f32::NAN]);
        assert_eq!(Difference::between(&x, &x).exactness(), Exactness::Bitwise);
        let found = Difference::between(&x, &floats(&[1.5, -4.0, f32::NAN]));
        assert!((found.absolute - 0.5).abs() < 1e-12 && (found.relative - 0.125).abs() < 1e-12);
        assert!(Difference::between(&x, &floats(&[1.0, -4.0, 0.0])).relative.is_infinite());
        assert!(Difference::between(&x, &floats(&[1.0])).relative.is_infinite());
        let ints = |values: &[i64]| Tensor::from_ints(DType::I64, &[values.len()], values.to_vec());
        assert!(Difference::between(&ints(&[1, 2]), &ints(&[1, 3])).relative > tolerance_of(DType::I64));
    }
}
