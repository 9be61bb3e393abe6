//! What it costs to start something.

use std::hint::black_box;

use rayon::ThreadPool;

use crate::Effort;
use crate::clock::{budget, shortest};
use crate::product::multiply;

/// Repetitions of what is too short to time alone.
const REPETITIONS: u32 = 200;

/// Entering and leaving a region in which every thread does nothing, µs.
pub(crate) fn parallel_us(pool: &ThreadPool, effort: Effort) -> f64 {
    let time = shortest(budget(effort, 1.0), || {
        black_box(pool.broadcast(|context| context.index()));
    });
    time.as_secs_f64() * 1e6
}

/// The smallest product that a library is worth calling for, 8 × 8 × 8 on one core, µs.
pub(crate) fn call_us(effort: Effort) -> f64 {
    const SIZE: usize = 8;
    let (left, right) = ([1.0_f32; SIZE * SIZE], [1.0_f32; SIZE * SIZE]);
    let mut result = [0.0_f32; SIZE * SIZE];
    let time = shortest(budget(effort, 0.5), || {
        for _ in 0..REPETITIONS {
            multiply(SIZE, black_box(&mut result), black_box(&left), black_box(&right), 1.0);
        }
    });
    time.as_secs_f64() * 1e6 / f64::from(REPETITIONS)
}
