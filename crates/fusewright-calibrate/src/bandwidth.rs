//! Bandwidth of a memory level: the sum of two vectors, as the cost model counts its bytes.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use rayon::ThreadPool;

use crate::Effort;
use crate::clock::budget;

/// Arrays of a thread: two operands and the sum.
const ARRAYS: usize = 3;
/// Bytes of an element of each.
const ELEMENT: usize = size_of::<f32>();
/// Bytes that one timed stretch touches in a thread: long enough for the clock, short enough that most stretches are not
/// interrupted by other programs.
const STRETCH: usize = 1 << 20;

/// Rate of all threads together, 10⁹ bytes a second, over a working set of `bytes` in all. A store counts once, as the
/// model counts it, although ordinary stores read the line first: what is measured is what kernels get.
pub(crate) fn gb_s(pool: &ThreadPool, bytes: u64, effort: Effort) -> f64 {
    let threads = pool.current_num_threads();
    let share = usize::try_from(bytes).unwrap_or(usize::MAX) / threads.max(1);
    let length = (share / (ARRAYS * ELEMENT)).max(64);
    let stretch = length.min(STRETCH / (ARRAYS * ELEMENT));
    let passes = (STRETCH / (stretch * ARRAYS * ELEMENT)).max(1);
    let together = Barrier::new(threads);
    let rates = pool.broadcast(|_| {
        let (a, b) = (vec![1.0_f32; length], vec![2.0_f32; length]);
        let mut sum = vec![0.0_f32; length];
        add(&a, &b, &mut sum);
        together.wait();
        let started = Instant::now();
        let mut times = Vec::new();
        while times.is_empty() || started.elapsed() < budget(effort, 1.5) {
            let parts = sum.chunks_exact_mut(stretch).zip(a.chunks_exact(stretch)).zip(b.chunks_exact(stretch));
            for ((sum, a), b) in parts {
                let before = Instant::now();
                for _ in 0..passes {
                    add(black_box(a), black_box(b), black_box(&mut *sum));
                }
                times.push(before.elapsed());
            }
        }
        times.sort_unstable();
        let median = times[times.len() / 2].max(Duration::from_nanos(1));
        (passes * stretch * ARRAYS * ELEMENT) as f64 / median.as_secs_f64() / 1e9
    });
    rates.iter().sum()
}

/// The sum of two vectors with the widest registers that the processor has.
fn add(a: &[f32], b: &[f32], sum: &mut [f32]) {
    pulp::Arch::new().dispatch(|| {
        for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
            *sum = a + b;
        }
    });
}
