//! Coefficients by family. Written by `cargo run --release -p fusewright-fit`: do not edit by hand.

use super::coefficients::{
    AttentionCoefficients, Coefficients, Errors, GemmCoefficients, QuantiseCoefficients, StreamCoefficients,
};

/// What families get that nothing was measured on.
pub(super) const SHARED: Coefficients = Coefficients {
    gemm: GemmCoefficients {
        efficiency: 0.807,
        bandwidth: 0.831,
        start_us: 0.465,
        shape: 0.271,
        overlap: 2.309,
        tail: 0.367,
        fill_steps: 1.5,
        pj_per_flop: 0.7,
    },
    gemm_vector: GemmCoefficients {
        efficiency: 0.95,
        bandwidth: 0.87,
        start_us: 0.5,
        shape: 0.056,
        overlap: 2.5,
        tail: 0.446,
        fill_steps: 1.5,
        pj_per_flop: 13.0,
    },
    gemm_f8: GemmCoefficients {
        efficiency: 0.64,
        bandwidth: 0.72,
        start_us: 1.5,
        shape: 0.51,
        overlap: 2.86,
        tail: 0.06,
        fill_steps: 1.5,
        pj_per_flop: 0.35,
    },
    quantise: QuantiseCoefficients { start_us: 1.4, bytes_per_element: 6.0 },
    attention_full: AttentionCoefficients {
        efficiency: 0.5,
        bandwidth: 0.498,
        start_us: 8.45,
        block_us: 0.8,
        ragged_us: 0.5,
        overlap: 1.4,
        tail: 0.2,
    },
    attention_causal: AttentionCoefficients {
        efficiency: 0.595,
        bandwidth: 0.467,
        start_us: 7.25,
        block_us: 0.8,
        ragged_us: 0.5,
        overlap: 1.4,
        tail: 0.2,
    },
    stream: StreamCoefficients {
        pointwise: 0.85,
        softmax: [0.85, 0.79, 0.67, 0.75, 0.54],
        norm: [0.77, 0.8, 0.72, 0.56, 0.55],
        start_us: 0.5,
    },
    errors: Errors {
        gemm: 0.1,
        gemm_vector: 0.1,
        gemm_f8: 0.1,
        attention: 0.1,
        pointwise: 0.05,
        softmax: 0.1,
        norm: 0.1,
    },
};

/// Families that something was measured on.
pub(super) const FAMILIES: &[(&str, Coefficients)] = &[];
