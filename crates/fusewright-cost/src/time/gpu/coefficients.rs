//! What a measurement can say about GPUs that a data sheet cannot: shares of peak rates and start-up times.
//!
//! Every figure is shared by all devices of a family; a family that nothing was measured on gets the shared set. The
//! numbers are in `fitted.rs`, which `cargo run --release -p fusewright-fit` writes.

use super::{fitted, whole_models};

/// Tiled matrix products on one kind of unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GemmCoefficients {
    /// Share of the peak rate that the largest tile reaches in a full wave.
    pub efficiency: f64,
    /// Share of the memory rate.
    pub bandwidth: f64,
    /// Time beyond the launch floor, µs.
    pub start_us: f64,
    /// How fast smaller tiles fall behind: exponent on tm·tn/(tm + tn), which is proportional to the work for a byte of
    /// operands.
    pub shape: f64,
    /// Exponent of the overlap of arithmetic and memory; larger overlaps better.
    pub overlap: f64,
    /// Share of a full wave's time that a wave with a single tile takes.
    pub tail: f64,
    /// Filling and draining of a block, in steps of 64 terms.
    pub fill_steps: f64,
    /// Energy of a floating-point operation, pJ: what board power allows bounds the rate.
    pub pj_per_flop: f64,
}

/// Quantisation of activations before an eight-bit product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantiseCoefficients {
    /// Time of the kernel beyond its bytes, µs.
    pub start_us: f64,
    /// Bytes of memory traffic for each activation, as many as at the full rate of main memory.
    pub bytes_per_element: f64,
}

/// Streaming attention.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionCoefficients {
    /// Share of the peak rate.
    pub efficiency: f64,
    /// Share of the memory rate.
    pub bandwidth: f64,
    /// Time beyond the launch floor, µs.
    pub start_us: f64,
    /// Filling and draining of a block, µs.
    pub block_us: f64,
    /// More of it where the head width is no multiple of 64, µs.
    pub ragged_us: f64,
    /// Exponent of the overlap of arithmetic and memory.
    pub overlap: f64,
    /// Share of a full wave's time that a wave with a single block takes.
    pub tail: f64,
}

/// A figure by length of the row that a kernel folds: at 1024, 2048, 4096, 8192 and 16384 elements, in between by the
/// logarithm.
pub type ByRow = [f64; 5];

/// Norms over rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormCoefficients {
    /// Cycles of a multiprocessor for a row that has a block of threads to itself, however short it is.
    pub row_cycles: f64,
    /// Cycles for each 2 KiB of such a row.
    pub step_cycles: f64,
    /// Share of the last cache that rows under way may take and be found there when they are read again.
    pub kept: f64,
    /// Share from which on main memory is read again for all of them.
    pub lost: f64,
    /// How the blocks overlap with memory: the exponent of their joint norm.
    pub overlap: f64,
}

/// Passes over memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StreamCoefficients {
    /// Share of the memory rate of element-by-element kernels, and of copies.
    pub pointwise: f64,
    /// Share of the launch floor that these take: the floor is that of the smallest product.
    pub pointwise_launch: f64,
    /// Softmax, share of the memory rate.
    pub softmax: ByRow,
    /// What is left of that for rows of more than 1024 elements whose length is no power of two.
    pub softmax_uneven: f64,
    /// Softmax of 16-bit elements, share of the memory rate whatever the length of its rows.
    pub softmax_half: f64,
    /// Norms over rows.
    pub norm: NormCoefficients,
    /// Time beyond the launch floor, µs.
    pub start_us: f64,
}

/// Median errors on rows that were left out of the fit, as shares of the measured time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Errors {
    /// Products on matrix units.
    pub gemm: f64,
    /// Products on general-purpose units.
    pub gemm_vector: f64,
    /// Eight-bit products with quantisation.
    pub gemm_f8: f64,
    /// FlashAttention.
    pub attention: f64,
    /// The attention that PyTorch picks.
    pub sdpa: f64,
    /// Element by element.
    pub pointwise: f64,
    /// Softmax.
    pub softmax: f64,
    /// Norms.
    pub norm: f64,
}

/// All coefficients of a family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coefficients {
    /// Products of 16-bit floats on matrix units.
    pub gemm: GemmCoefficients,
    /// Products of single-precision floats on general-purpose units.
    pub gemm_vector: GemmCoefficients,
    /// Products of eight-bit floats on matrix units.
    pub gemm_f8: GemmCoefficients,
    /// What comes before those.
    pub quantise: QuantiseCoefficients,
    /// FlashAttention in which all queries see all keys.
    pub attention_full: AttentionCoefficients,
    /// Causal FlashAttention.
    pub attention_causal: AttentionCoefficients,
    /// The attention that PyTorch picks, causal or not.
    pub sdpa: AttentionCoefficients,
    /// Passes over memory.
    pub stream: StreamCoefficients,
    /// How well all this holds.
    pub errors: Errors,
}

impl Coefficients {
    /// Those of a family, e.g. `hopper`; the shared set where nothing was fitted for it.
    pub fn of(family: &str) -> &'static Coefficients {
        let own = whole_models::FAMILIES.iter().chain(fitted::FAMILIES).find(|(name, _)| *name == family);
        own.map_or(&fitted::SHARED, |(_, coefficients)| coefficients)
    }
}
