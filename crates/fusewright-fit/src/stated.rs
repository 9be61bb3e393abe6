//! Coefficients that are not fitted: starting points, and what is published about families that the data lack.

use fusewright_cost::time::gpu::{
    AttentionCoefficients, Coefficients, Errors, GemmCoefficients, NormCoefficients, QuantiseCoefficients,
    StreamCoefficients,
};

/// Where every fit starts. Energies of matrix units are 0, which bounds nothing, where no family is known.
pub(crate) const START: Coefficients = Coefficients {
    gemm: GemmCoefficients { pj_per_flop: 0.0, ..MATRIX },
    gemm_vector: GemmCoefficients {
        efficiency: 0.96,
        bandwidth: 0.8,
        start_us: 0.5,
        shape: 0.06,
        overlap: 2.5,
        tail: 0.45,
        fill_steps: 0.0,
        pj_per_flop: 13.0,
    },
    gemm_f8: GemmCoefficients { efficiency: 0.66, bandwidth: 0.72, ..MATRIX },
    quantise: QuantiseCoefficients { start_us: 1.5, bytes_per_element: 6.0 },
    attention_full: ATTENTION,
    attention_causal: AttentionCoefficients { efficiency: 0.6, overlap: 1.4, tail: 0.5, ..ATTENTION },
    sdpa: AttentionCoefficients {
        efficiency: 0.65,
        start_us: 2.7,
        block_us: 1.0,
        bandwidth: 0.85,
        tail: 0.7,
        ..ATTENTION
    },
    stream: StreamCoefficients {
        pointwise: 0.87,
        pointwise_launch: 1.0,
        softmax: [0.85, 0.79, 0.78, 0.77, 0.54],
        softmax_uneven: 0.85,
        softmax_half: 0.6,
        norm: NormCoefficients { row_cycles: 300.0, step_cycles: 200.0, kept: 0.4, lost: 0.9, overlap: 4.0 },
        start_us: 0.5,
    },
    errors: Errors {
        gemm: 0.0,
        gemm_vector: 0.0,
        gemm_f8: 0.0,
        attention: 0.0,
        sdpa: 0.0,
        pointwise: 0.0,
        softmax: 0.0,
        norm: 0.0,
    },
};

const MATRIX: GemmCoefficients = GemmCoefficients {
    efficiency: 0.82,
    bandwidth: 0.83,
    start_us: 0.1,
    shape: 0.2,
    overlap: 2.5,
    tail: 0.4,
    fill_steps: 2.0,
    pj_per_flop: 0.0,
};

const ATTENTION: AttentionCoefficients = AttentionCoefficients {
    efficiency: 0.52,
    bandwidth: 0.5,
    start_us: 5.7,
    block_us: 0.9,
    ragged_us: 2.0,
    overlap: 2.5,
    tail: 0.3,
};

/// Families in the order of the table.
pub(crate) const FAMILIES: [&str; 7] = ["hopper", "ampere", "volta", "turing", "ada", "blackwell", "cdna3"];

/// Puts in what is published about a family: energies of an operation at sustained load, and for two families without
/// measurements of their own the best share of the peak that a search over products found
/// (`stas00/ml-engineering`, compute/accelerator).
pub(crate) fn publish(family: &str, coefficients: &mut Coefficients) {
    // 16-bit: no more than board power less idle power over the best rate that was published or measured.
    let (matrix, vector) = match family {
        "hopper" => (0.6, None),
        "ampere" => (1.0, None),
        "volta" | "turing" => (1.5, None),
        // L4 sustains .29 to .43 of its single-precision peak at 72 W.
        "ada" => (0.6, Some(6.0)),
        "blackwell" => (0.45, Some(6.0)),
        _ => (0.0, None),
    };
    coefficients.gemm.pj_per_flop = matrix;
    coefficients.gemm_f8.pj_per_flop = matrix / 2.0;
    if let Some(vector) = vector {
        coefficients.gemm_vector.pj_per_flop = vector;
    }
    match family {
        "blackwell" => coefficients.gemm.efficiency = 0.776,
        "cdna3" => coefficients.gemm.efficiency = 0.514,
        _ => {}
    }
}
