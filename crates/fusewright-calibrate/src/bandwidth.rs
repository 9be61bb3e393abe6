//! Bandwidth of a memory level: the sum of two vectors, as the cost model counts its bytes.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::Duration;

use rayon::ThreadPool;

use crate::Effort;
use crate::clock::{budget, shortest};

/// Arrays of a thread: two operands and the sum.
const ARRAYS: usize = 3;
/// Bytes of an element of each.
const ELEMENT: usize = size_of::<f32>();
/// Bytes that one timed run touches in a thread at least, so that the clock's steps do not show.
const RUN: usize = 1 << 22;

/// Rate of all threads together, 10⁹ bytes a second, over a working set of `bytes` in all. A store counts once, as the
/// model counts it, although ordinary stores read the line first: what is measured is what kernels get.
pub(crate) fn gb_s(pool: &ThreadPool, bytes: u64, effort: Effort) -> f64 {
    let threads = pool.current_num_threads();
    let share = usize::try_from(bytes).unwrap_or(usize::MAX) / threads.max(1);
    let length = (share / (ARRAYS * ELEMENT)).max(64);
    let passes = RUN.div_ceil(length * ARRAYS * ELEMENT);
    let together = Barrier::new(threads);
    let rates = pool.broadcast(|_| {
        let (a, b) = (vec![1.0_f32; length], vec![2.0_f32; length]);
        let mut sum = vec![0.0_f32; length];
        add(&a, &b, &mut sum);
        together.wait();
        let time = shortest(budget(effort, 1.5), || {
            for _ in 0..passes {
                add(black_box(&a), black_box(&b), black_box(&mut sum));
            }
        });
        rate(passes * length * ARRAYS * ELEMENT, time)
    });
    rates.iter().sum()
}

fn rate(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / time.as_secs_f64() / 1e9
}

/// The sum of two vectors with the widest registers that the processor has.
fn add(a: &[f32], b: &[f32], sum: &mut [f32]) {
    pulp::Arch::new().dispatch(|| {
        for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
            *sum = a + b;
        }
    });
}
