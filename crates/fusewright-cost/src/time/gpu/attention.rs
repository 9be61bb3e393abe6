//! Time of streaming attention: blocks of queries that pass over all keys, scores kept on chip.

use fusewright_device::Device;

use super::coefficients::Coefficients;
use super::machine::{Machine, overlapped};
use crate::time::{Attention, contraction_peak};

/// Query rows of a block.
const ROWS: u64 = 128;
/// Keys of a step.
const STEP: f64 = 64.0;

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
    let set = if attention.causal { &coefficients.attention_causal } else { &coefficients.attention_full };
    let rate = (contraction_peak(device, attention.dtype) * set.efficiency).max(1.0);
    let width = attention.head_dim as f64 + attention.value_dim as f64;
    let flops = if attention.causal { attention.flops() / 2.0 } else { attention.flops() };
    let block = 2.0 * attention.queries.min(ROWS) as f64 * attention.keys as f64 * width;
    let compute = (flops / rate).max(block * machine.units / rate);
    let memory = attention.bytes as f64 / (machine.bandwidth * set.bandwidth);
    let steps = set.step_ns * 1e-9 * attention.keys as f64 / STEP;
    let start = machine.floor + set.start_us * 1e-6 + steps;
    Parts { compute, memory, start, total: overlapped(compute, memory, set.overlap) + start }
}
