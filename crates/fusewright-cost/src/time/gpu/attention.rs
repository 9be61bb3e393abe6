//! Time of streaming attention: blocks of query rows that pass over the keys in steps, scores kept on chip.
//!
//! Query heads that share keys and values are packed into one block where that fills it better. Kernels that read a
//! cache of keys split them among blocks when there are too few queries to fill the device, and add up the parts in a
//! second launch.

use fusewright_device::Device;

use super::coefficients::{AttentionCoefficients, Coefficients};
use super::gemm::waves;
use super::machine::{Machine, overlapped};
use crate::time::{Attention, AttentionLibrary, contraction_peak};

/// Query rows of a block, and keys of a step.
const SIDE: u64 = 128;
/// Head widths are padded to multiples of the terms that a matrix instruction sums.
const INSTRUCTION_TERMS: u64 = 16;
/// Widths that are no multiple of this are not loaded in whole lines of cache.
const LINE_WIDTH: u64 = 64;
/// Parts that the keys may be split into.
const SPLITS: [u32; 6] = [1, 2, 4, 8, 16, 32];

/// What attention takes, s.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub(super) compute: f64,
    pub(super) memory: f64,
    pub(super) start: f64,
    pub(super) total: f64,
}

pub(super) fn parts(device: &Device, attention: &Attention, coefficients: &Coefficients) -> Parts {
    let machine = Machine::new(device);
    let set = match (attention.library, attention.causal) {
        (AttentionLibrary::PyTorch, _) => &coefficients.sdpa,
        (AttentionLibrary::FlashAttention, true) => &coefficients.attention_causal,
        (AttentionLibrary::FlashAttention, false) => &coefficients.attention_full,
    };
    let memory = attention.bytes as f64 / (machine.bandwidth * set.bandwidth);
    let splits = attention.causal || attention.queries < attention.keys;
    let priced = SPLITS[..if splits { SPLITS.len() } else { 1 }].iter().map(|&split| {
        let compute = compute(device, &machine, attention, set, split);
        let reduction = if split > 1 { machine.floor } else { 0.0 };
        let start = machine.floor + set.start_us * 1e-6 + reduction;
        Parts { compute, memory, start, total: overlapped(compute, memory, set.overlap) + start }
    });
    let nothing = Parts { compute: 0.0, memory, start: machine.floor, total: memory + machine.floor };
    priced.min_by(|a, b| a.total.total_cmp(&b.total)).unwrap_or(nothing)
}

fn compute(device: &Device, machine: &Machine, attention: &Attention, set: &AttentionCoefficients, split: u32) -> f64 {
    let rate = (contraction_peak(device, attention.dtype) * set.efficiency / machine.units).max(1.0);
    let padded = |width: u64| width.div_ceil(INSTRUCTION_TERMS) as f64 * INSTRUCTION_TERMS as f64;
    let width = padded(attention.head_dim) + padded(attention.value_dim);
    let step = 2.0 * (SIDE * SIDE) as f64 * width / rate;
    let ragged = !attention.head_dim.is_multiple_of(LINE_WIDTH);
    let block = 1e-6 * (set.block_us + if ragged { set.ragged_us } else { 0.0 });

    let rows = attention.queries.div_ceil(SIDE) as f64;
    let steps = attention.keys.div_ceil(SIDE) as f64;
    let blocks = blocks(attention) * f64::from(split);
    let longest = block + step * (steps / f64::from(split)).ceil();
    if attention.causal {
        // Blocks of unlike length are dealt out longest first, so that only the longest one can stick out.
        let mean = (steps - (rows - 1.0) / 2.0).max(0.5) / f64::from(split);
        (blocks * (block + step * mean) / machine.units).max(if blocks > 0.0 { longest } else { 0.0 })
    } else {
        waves(blocks, machine.units, set.tail) * longest
    }
}

/// Blocks of queries, heads that share keys packed into one where that takes fewer.
fn blocks(attention: &Attention) -> f64 {
    let sequences = attention.batch as f64;
    let shared = attention.heads.div_ceil(attention.kv_heads.max(1));
    let packed_rows = attention.queries.saturating_mul(shared).div_ceil(SIDE) as f64;
    let packed = sequences * attention.kv_heads as f64 * packed_rows;
    let plain = sequences * attention.heads as f64 * attention.queries.div_ceil(SIDE) as f64;
    packed.min(plain)
}
