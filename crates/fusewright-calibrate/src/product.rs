//! Rate of large matrix products on all cores.

#![allow(unsafe_code, reason = "the product library takes pointers")]

use std::sync::Barrier;

use gemm_common::Parallelism;
use rayon::ThreadPool;

use crate::Effort;
use crate::clock::{budget, shortest};

/// A product of the library: extents, then pointers with the strides of their columns and rows, then factors.
type Product<T> = unsafe fn(
    usize,
    usize,
    usize,
    *mut T,
    isize,
    isize,
    bool,
    *const T,
    isize,
    isize,
    *const T,
    isize,
    isize,
    T,
    T,
    bool,
    bool,
    bool,
    Parallelism,
);

/// An element type that the library multiplies.
pub(crate) trait Element: Copy + Send + Sync + 'static {
    /// The product for the widest registers that the processor has.
    fn product() -> Product<Self>;
}

impl Element for f32 {
    fn product() -> Product<Self> {
        gemm_f32::gemm::f32::get_gemm_fn()
    }
}

impl Element for f64 {
    fn product() -> Product<Self> {
        gemm_f64::gemm::f64::get_gemm_fn()
    }
}

/// Sizes that are tried: libraries have favourites.
const SIZES: [usize; 3] = [384, 768, 1536];
/// Size of quick runs.
const SMALL: [usize; 1] = [256];

/// Best rate over a few sizes, TFLOP/s, all threads of the pool busy with products of their own: what the cores do, not
/// what a library loses by sharing one product among them. A thread's shortest time counts, so that other programs that
/// run now and then do not show.
pub(crate) fn tflops<T: Element>(pool: &ThreadPool, one: T, effort: Effort) -> f64 {
    let sizes: &[usize] = if effort == Effort::Full { &SIZES } else { &SMALL };
    let together = Barrier::new(pool.current_num_threads());
    let rates = sizes.iter().map(|&size| {
        let flops = 2.0 * (size as f64).powi(3);
        let of_threads = pool.broadcast(|_| {
            let (left, right) = (vec![one; size * size], vec![one; size * size]);
            let mut result = vec![one; size * size];
            together.wait();
            let time = shortest(budget(effort, 2.5), || multiply(size, &mut result, &left, &right, one));
            flops / time.as_secs_f64() / 1e12
        });
        of_threads.iter().sum()
    });
    rates.fold(0.0, f64::max)
}

/// result = left · right for square row-major matrices, on the thread that calls.
pub(crate) fn multiply<T: Element>(size: usize, result: &mut [T], left: &[T], right: &[T], one: T) {
    assert!([result.len(), left.len(), right.len()] == [size * size; 3], "all three are size × size");
    let row = isize::try_from(size).expect("a size that memory holds fits a pointer offset");
    // SAFETY: each pointer is valid for size × size elements, as asserted, and the strides stay inside them; the result is
    // borrowed mutably, so it overlaps neither operand, and it is written only.
    unsafe {
        T::product()(
            size,
            size,
            size,
            result.as_mut_ptr(),
            1,
            row,
            false,
            left.as_ptr(),
            1,
            row,
            right.as_ptr(),
            1,
            row,
            one,
            one,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_products() {
        let mut result = vec![0.0_f32; 4];
        multiply(2, &mut result, &[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0], 1.0);
        assert_eq!(result, [19.0, 22.0, 43.0, 50.0]);
    }
}
