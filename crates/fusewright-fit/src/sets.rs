//! Which coefficients are fitted together, to which kernels, and within which bounds.

use fusewright_cost::time::gpu::Coefficients;

use crate::data::Class;

/// Coefficients that are fitted together.
pub(crate) struct Set {
    /// Kernels that they are fitted to.
    pub(crate) classes: &'static [Class],
    /// Families that get values of their own.
    pub(crate) families: &'static [&'static str],
    /// Lowest and highest value of each coefficient.
    pub(crate) bounds: &'static [(f64, f64)],
    /// The coefficients, in the order of the bounds.
    pub(crate) fields: fn(&mut Coefficients) -> Vec<&mut f64>,
}

pub(crate) const SETS: &[Set] = &[
    Set {
        // Products on matrix units.
        classes: &[Class::Gemm],
        families: &["hopper", "ampere"],
        bounds: &[(0.3, 1.0), (0.5, 1.0), (0.0, 3.0), (0.0, 0.6), (1.0, 4.0), (0.0, 1.0), (0.0, 4.0)],
        fields: |it| {
            let set = &mut it.gemm;
            vec![
                &mut set.efficiency,
                &mut set.bandwidth,
                &mut set.start_us,
                &mut set.shape,
                &mut set.overlap,
                &mut set.tail,
                &mut set.fill_steps,
            ]
        },
    },
    Set {
        // Eight-bit products.
        classes: &[Class::GemmF8],
        families: &["hopper"],
        bounds: &[
            (0.3, 1.0),
            (0.5, 1.0),
            (0.0, 3.0),
            (0.0, 0.6),
            (1.0, 4.0),
            (0.0, 1.0),
            (0.0, 4.0),
            (0.0, 4.0),
            (2.0, 8.0),
        ],
        fields: |it| {
            let (set, quantise) = (&mut it.gemm_f8, &mut it.quantise);
            vec![
                &mut set.efficiency,
                &mut set.bandwidth,
                &mut set.start_us,
                &mut set.shape,
                &mut set.overlap,
                &mut set.tail,
                &mut set.fill_steps,
                &mut quantise.start_us,
                &mut quantise.bytes_per_element,
            ]
        },
    },
    Set {
        // Products on general-purpose units.
        classes: &[Class::Linear, Class::Bmm],
        families: &["hopper", "ampere", "volta"],
        bounds: &[(0.6, 1.0), (0.6, 1.0), (0.0, 0.4), (1.0, 4.0), (0.0, 1.0), (4.0, 20.0)],
        fields: |it| {
            let set = &mut it.gemm_vector;
            vec![
                &mut set.efficiency,
                &mut set.bandwidth,
                &mut set.shape,
                &mut set.overlap,
                &mut set.tail,
                &mut set.pj_per_flop,
            ]
        },
    },
    Set {
        // Causal attention.
        classes: &[Class::AttentionCausal],
        families: &["hopper"],
        bounds: ATTENTION,
        fields: |it| attention(&mut it.attention_causal),
    },
    Set {
        // Full attention.
        classes: &[Class::AttentionFull],
        families: &["hopper"],
        bounds: ATTENTION,
        fields: |it| attention(&mut it.attention_full),
    },
    Set {
        // Element by element.
        classes: &[Class::Elementwise],
        families: &["ampere", "volta"],
        bounds: &[(0.3, 1.0)],
        fields: |it| vec![&mut it.stream.pointwise],
    },
    Set {
        // Softmax.
        classes: &[Class::Softmax],
        families: &["ampere", "volta"],
        bounds: &[(0.3, 0.95); 6],
        fields: |it| it.stream.softmax.iter_mut().chain([&mut it.stream.softmax_uneven]).collect(),
    },
    Set {
        // Softmax of 16-bit elements, as part of unfused attention.
        classes: &[Class::UnfusedFull],
        families: &["hopper"],
        bounds: &[(0.3, 1.0)],
        fields: |it| vec![&mut it.stream.softmax_half],
    },
    Set {
        // Norms.
        classes: &[Class::LayerNorm],
        families: &["ampere", "volta"],
        bounds: &[(200.0, 500.0), (50.0, 400.0), (0.2, 0.6), (0.61, 1.5), (1.0, 8.0)],
        fields: |it| {
            let set = &mut it.stream.norm;
            vec![&mut set.row_cycles, &mut set.step_cycles, &mut set.kept, &mut set.lost, &mut set.overlap]
        },
    },
    Set {
        // Element by element in a launch graph, where the host has no part in the time.
        classes: &[Class::Pass],
        families: &["hopper"],
        bounds: &[(0.3, 1.0), (0.1, 1.0)],
        fields: |it| vec![&mut it.stream.pointwise, &mut it.stream.pointwise_launch],
    },
    Set {
        // Attention as PyTorch picks it. No width among the rows is ragged.
        classes: &[Class::Sdpa],
        families: &["hopper"],
        bounds: &[(0.2, 1.0), (0.3, 1.0), (0.0, 12.0), (0.0, 6.0), (1.0, 6.0), (0.0, 1.0)],
        fields: |it| {
            let set = &mut it.sdpa;
            vec![
                &mut set.efficiency,
                &mut set.bandwidth,
                &mut set.start_us,
                &mut set.block_us,
                &mut set.overlap,
                &mut set.tail,
            ]
        },
    },
];

const ATTENTION: &[(f64, f64)] = &[(0.2, 1.0), (0.3, 1.0), (0.0, 12.0), (0.0, 6.0), (0.0, 6.0), (1.0, 4.0), (0.0, 1.0)];

fn attention(set: &mut fusewright_cost::time::gpu::AttentionCoefficients) -> Vec<&mut f64> {
    vec![
        &mut set.efficiency,
        &mut set.bandwidth,
        &mut set.start_us,
        &mut set.block_us,
        &mut set.ragged_us,
        &mut set.overlap,
        &mut set.tail,
    ]
}
