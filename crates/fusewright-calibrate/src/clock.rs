//! The clock of a core, and how things are timed.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::Effort;

/// Shortest time of one call, over calls that together take about `budget`; at least three.
pub(crate) fn shortest(budget: Duration, mut call: impl FnMut()) -> Duration {
    let started = Instant::now();
    let mut best = Duration::MAX;
    let mut calls = 0;
    while calls < 3 || started.elapsed() < budget {
        let before = Instant::now();
        call();
        best = best.min(before.elapsed());
        calls += 1;
    }
    best.max(Duration::from_nanos(1))
}

/// Part of the full budget of a step.
pub(crate) fn budget(effort: Effort, seconds: f64) -> Duration {
    let part = match effort {
        Effort::Full => 1.0,
        Effort::Quick => 0.02,
    };
    Duration::from_secs_f64(seconds * part)
}

/// Clock of a busy core, GHz: a chain of rotations and additions, each of which takes one cycle and needs the one before.
pub(crate) fn ghz(effort: Effort) -> f64 {
    const STEPS: u32 = 2_000_000;
    let step = black_box(0x9e37_79b9_7f4a_7c15_u64);
    let mut state = black_box(1_u64);
    let time = shortest(budget(effort, 1.0), || {
        for _ in 0..STEPS / 8 {
            for _ in 0..8 {
                state = state.rotate_left(7).wrapping_add(step);
            }
        }
        state = black_box(state);
    });
    2.0 * f64::from(STEPS) / time.as_secs_f64() / 1e9
}
