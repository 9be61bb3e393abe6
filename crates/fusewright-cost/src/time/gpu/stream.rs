//! Time of passes over memory: bytes at the share of the memory rate that such kernels reach.

use super::coefficients::{ByRow, Coefficients};
use super::machine::Machine;
use super::norm;
use crate::time::{Stream, StreamKind};

/// Row length of the first figure of [`ByRow`], as a power of two; the next is one power up.
const FIRST_POWER: f64 = 10.0;
/// Up to this many elements a row is held by the threads of one warp, whatever its length.
const WARP_ROW: u64 = 1024;
/// Threads of a multiprocessor that work side by side.
const RESIDENT_THREADS: f64 = 1536.0;
/// Time of a thread for one interpolated value, s: four dependent reads. Found on whole models, see
/// `docs/accuracy-models.md`.
const RESAMPLE_STEP_S: f64 = 2.5e-7;
/// Share of the general-purpose rate that element-by-element arithmetic reaches.
const ARITHMETIC_EFFICIENCY: f64 = 0.5;

/// What a pass takes, s.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub(super) compute: f64,
    pub(super) memory: f64,
    pub(super) start: f64,
    pub(super) total: f64,
}

pub(super) fn parts(machine: &Machine, stream: &Stream, coefficients: &Coefficients) -> Parts {
    let set = &coefficients.stream;
    let bytes = stream.bytes as f64;
    let start = machine.floor + set.start_us * 1e-6;
    let arithmetic = stream.flops as f64 / (machine.vector_peak * ARITHMETIC_EFFICIENCY);
    let from_memory = |share: f64| bytes / (machine.bandwidth * share);
    match stream.kind {
        StreamKind::Pointwise | StreamKind::Copy | StreamKind::Reduction | StreamKind::Resample => {
            let memory = from_memory(set.pointwise);
            let walk = if stream.kind == StreamKind::Resample { walk(machine, stream) } else { 0.0 };
            let compute = arithmetic.max(walk);
            let start = machine.floor * set.pointwise_launch + set.start_us * 1e-6;
            Parts { compute, memory, start, total: compute.max(memory) + start }
        }
        StreamKind::Softmax => {
            let half = stream.dtype.bytes(1) < 4;
            let uneven = stream.cols > WARP_ROW && !stream.cols.is_power_of_two();
            let wide = by_row(&set.softmax, stream.cols) * if uneven { set.softmax_uneven } else { 1.0 };
            let memory = from_memory(if half { set.softmax_half } else { wide });
            Parts { compute: arithmetic, memory, start, total: arithmetic.max(memory) + start }
        }
        StreamKind::LayerNorm | StreamKind::BlockNorm | StreamKind::RmsNorm => {
            let memory = norm::bytes(machine, stream, &set.norm) / (machine.bandwidth * set.pointwise);
            let blocks = norm::blocks(machine, stream, &set.norm);
            let total = norm::together(blocks, memory, &set.norm).max(arithmetic) + start;
            Parts { compute: arithmetic.max(blocks), memory, start, total }
        }
    }
}

/// The threads of a resampling pass each walk over all columns; more of them than the device holds take turns.
fn walk(machine: &Machine, stream: &Stream) -> f64 {
    let turns = (stream.rows as f64 / (machine.units * RESIDENT_THREADS)).max(1.0);
    turns * stream.cols as f64 * RESAMPLE_STEP_S
}

/// The figure for rows of this length.
fn by_row(figures: &ByRow, cols: u64) -> f64 {
    let last = figures.len() - 1;
    let place = ((cols.max(1) as f64).log2() - FIRST_POWER).clamp(0.0, last as f64);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the last index")]
    let below = (place as usize).min(last - 1);
    let share = place - below as f64;
    figures[below] * (1.0 - share) + figures[below + 1] * share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_hold_at_their_lengths_and_are_drawn_out_beyond() {
        let figures = [5.0, 4.0, 3.0, 2.0, 1.0];
        for (cols, figure) in [(0, 5.0), (197, 5.0), (1024, 5.0), (4096, 3.0), (16384, 1.0), (u64::MAX, 1.0)] {
            assert!((by_row(&figures, cols) - figure).abs() < 1e-12, "{cols}");
        }
        let between = by_row(&figures, 1448);
        assert!((between - 4.5).abs() < 1e-3, "{between}");
    }
}
