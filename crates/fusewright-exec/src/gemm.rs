//! Matrix products of operands with any strides.

#![allow(unsafe_code, reason = "the product library takes pointers")]

use gemm_common::Parallelism;

/// Multiply-adds below which a product stays on one thread.
const SERIAL: usize = 1 << 18;

/// A matrix inside a list of floats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) first: usize,
    /// Distance between rows, then between columns; never negative.
    pub(crate) strides: [isize; 2],
}

impl Matrix<'_> {
    /// Every element of `rows` by `columns` is inside the list.
    fn holds(&self, rows: usize, columns: usize) -> bool {
        let reach = |extent: usize, stride: isize| {
            usize::try_from(stride).ok().and_then(|stride| extent.saturating_sub(1).checked_mul(stride))
        };
        let last = reach(rows, self.strides[0])
            .zip(reach(columns, self.strides[1]))
            .and_then(|(a, b)| a.checked_add(b)?.checked_add(self.first));
        rows == 0 || columns == 0 || last.is_some_and(|last| last < self.data.len())
    }
}

/// Where a product goes: row-major rows of `width` columns, `stride` apart.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) data: &'a mut [f32],
    pub(crate) stride: usize,
}

/// `target = a · b`, or `target += a · b`: a is `m × k`, b is `k × n`.
///
/// # Panics
///
/// When an operand does not hold as many elements: callers take extents from shapes that were checked.
pub(crate) fn multiply(
    [m, n, k]: [usize; 3],
    a: Matrix<'_>,
    b: Matrix<'_>,
    target: &mut Target<'_>,
    add: bool,
    threads: bool,
) {
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if !add {
            (0..m).for_each(|row| target.data[row * target.stride..][..n].fill(0.0));
        }
        return;
    }
    assert!(a.holds(m, k) && b.holds(k, n), "operands hold their elements");
    assert!(target.stride >= n && target.data.len() >= (m - 1) * target.stride + n, "the target holds the product");
    let many = threads && m.saturating_mul(n).saturating_mul(k) >= SERIAL;
    let parallelism = if many { Parallelism::Rayon(0) } else { Parallelism::None };
    // SAFETY: the assertions above show that every element which the extents and strides address lies inside the slices;
    // the target is borrowed mutably and so overlaps neither operand; without `add` it is only written.
    unsafe {
        gemm_f32::gemm::f32::get_gemm_fn()(
            m,
            n,
            k,
            target.data.as_mut_ptr(),
            1,
            target.stride.cast_signed(),
            add,
            a.data.as_ptr().add(a.first),
            a.strides[1],
            a.strides[0],
            b.data.as_ptr().add(b.first),
            b.strides[1],
            b.strides[0],
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_operand_and_a_sum() {
        // [1 2; 3 4] · [5 6; 7 8]ᵀ = [17 23; 39 53].
        let (a, b) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]);
        let mut values = [1.0; 4];
        let a = Matrix { data: &a, first: 0, strides: [2, 1] };
        let b = Matrix { data: &b, first: 0, strides: [1, 2] };
        multiply([2, 2, 2], a, b, &mut Target { data: &mut values, stride: 2 }, true, false);
        assert_eq!(values, [18.0, 24.0, 40.0, 54.0]);
    }
}
