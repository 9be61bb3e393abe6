//! The figures of a GPU that every kernel model needs, in units of one: operations, bytes and seconds.

use fusewright_device::Device;
use fusewright_ir::DType;

use crate::time::contraction_peak;

/// A rate below this is taken for a mistake of a device file; it keeps every quotient finite.
const LEAST_RATE: f64 = 1.0;

/// What the models of time see of a device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine {
    /// Multiprocessors.
    pub(super) units: f64,
    /// Main memory, bytes a second.
    pub(super) bandwidth: f64,
    /// Last cache before that, bytes.
    pub(super) last_level: Option<f64>,
    /// Threads that a multiprocessor holds.
    pub(super) threads: f64,
    /// General-purpose single-precision arithmetic, FLOP/s.
    pub(super) vector_peak: f64,
    /// Shortest kernel of a replayed launch graph, s.
    pub(super) floor: f64,
    /// Clock, Hz.
    pub(super) clock: f64,
    /// What may be spent on work: board power less idle power, W.
    pub(super) work_power: f64,
}

impl Machine {
    pub(super) fn new(device: &Device) -> Self {
        let rate = |value: f64| if value.is_finite() { value.max(LEAST_RATE) } else { LEAST_RATE };
        let peak =
            device.peak.f32.as_ref().map_or_else(|| contraction_peak(device, DType::F16) / 8.0, |it| it.value * 1e12);
        let power = device.power.board_w.value - device.power.idle_w.value;
        Self {
            units: rate(device.units.count.value),
            bandwidth: rate(device.memory.bandwidth_gb_s.value * 1e9),
            last_level: device
                .memory
                .last_level_mib
                .as_ref()
                .map(|it| it.value * f64::from(1 << 20))
                .filter(|it| *it > 0.0),
            threads: device.gpu.as_ref().map_or(2048.0, |it| f64::from(it.threads_per_unit.value)),
            vector_peak: rate(peak),
            floor: device.launch.floor_us.value.max(0.0) * 1e-6,
            clock: rate(device.units.clock_ghz.value * 1e9),
            work_power: if power > 0.0 { power } else { f64::INFINITY },
        }
    }
}

/// (aᵖ + bᵖ)^(1/p): two things that overlap, the longer one nearly whole.
pub(super) fn overlapped(a: f64, b: f64, p: f64) -> f64 {
    let (long, short) = if a > b { (a, b) } else { (b, a) };
    if short <= 0.0 { long } else { long * (1.0 + (short / long).powf(p)).powf(1.0 / p) }
}
