//! Coefficients of families of which only whole models were measured.
//!
//! Sums over hundreds of kernels say little of a single one: only what dominates such sums is set here, the rest is that
//! of the shared set. How they were found, and on which half of the models: `docs/accuracy-models.md`.

use super::coefficients::{AttentionCoefficients, Coefficients, GemmCoefficients, StreamCoefficients};
use super::fitted::SHARED;

/// Cards for games boost above the clock of their data sheet, and their last cache still holds part of what the kernel
/// before has written: sums of kernels take hardly longer than the sums of their rooflines. Cards for servers with the
/// same chips have less power and no such clock; they keep the family's set.
const ADA_GEFORCE: Coefficients = Coefficients {
    gemm: GemmCoefficients {
        efficiency: 0.99,
        bandwidth: 0.95,
        shape: 0.0,
        overlap: 8.0,
        fill_steps: 0.0,
        ..SHARED.gemm
    },
    sdpa: AttentionCoefficients { efficiency: 0.95, bandwidth: 1.0, block_us: 0.5, ..SHARED.sdpa },
    stream: StreamCoefficients { pointwise: 0.9, softmax: [1.0; 5], softmax_half: 1.0, ..SHARED.stream },
    ..SHARED
};

/// Those families.
pub(super) const FAMILIES: &[(&str, Coefficients)] = &[("ada-geforce", ADA_GEFORCE)];
