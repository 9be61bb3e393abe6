//! Time of passes over memory: bytes at the share of the memory rate that such kernels reach.

use super::coefficients::{ByRow, Coefficients, StreamCoefficients};
use super::machine::Machine;
use crate::time::{Stream, StreamKind};

/// Longest rows of the classes of [`ByRow`], elements.
const ROW_CLASSES: [u64; 4] = [1024, 2048, 4096, 8192];
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
    let compute = stream.flops as f64 / (machine.vector_peak * ARITHMETIC_EFFICIENCY);
    let memory = stream.bytes as f64 / (machine.bandwidth * share(set, stream));
    let start = machine.floor + set.start_us * 1e-6;
    Parts { compute, memory, start, total: compute.max(memory) + start }
}

fn share(set: &StreamCoefficients, stream: &Stream) -> f64 {
    match stream.kind {
        StreamKind::Pointwise | StreamKind::Copy | StreamKind::Reduction => set.pointwise,
        StreamKind::Softmax if stream.dtype.bytes(1) < 4 => set.softmax_half,
        StreamKind::Softmax => {
            let uneven = stream.cols > ROW_CLASSES[0] && !stream.cols.is_power_of_two();
            by_row(&set.softmax, stream.cols) * if uneven { set.softmax_uneven } else { 1.0 }
        }
        StreamKind::LayerNorm | StreamKind::RmsNorm => by_row(&set.norm, stream.cols),
    }
}

fn by_row(shares: &ByRow, cols: u64) -> f64 {
    let class = ROW_CLASSES.iter().filter(|longest| cols > **longest).count();
    shares[class]
}
