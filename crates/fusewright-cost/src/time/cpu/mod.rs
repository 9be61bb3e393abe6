//! Time of kernels on CPUs.
//!
//! All cores share the arithmetic; vector registers that the last columns do not fill and cores that get no tile are
//! named as terms. Bytes come from main memory or, for what is used again inside a kernel, from the nearest cache that
//! holds it. A kernel that is too small to share runs on one core and saves the parallel region.

mod attention;
mod memory;
mod pass;
mod product;

use fusewright_device::{Cpu, Device, Quantity, Source};
use fusewright_ir::DType;

use super::parts::{Parts, roofline_prediction, whole};
use super::{Convolution, Kernel, Prediction, contraction_peak};

/// A guess, wide on purpose: too few timings were at hand to measure it.
const SPREAD: f64 = 0.35;
/// Share of a peak of a data sheet that large products sustain on all cores.
const PRODUCT_SHARE: f64 = 0.8;
/// Share of the single-precision peak that softmax, norms and activations reach: chains of dependent operations, few of
/// them multiply-accumulates.
const VECTOR_SHARE: f64 = 0.25;
/// Share of the bandwidths of a data sheet that kernels see. Ordinary stores first read the line that they overwrite.
const BANDWIDTH_SHARE: f64 = 0.7;
/// Share of a cache that a working set may take before it falls out of it.
const USABLE_CACHE_SHARE: f64 = 0.75;
/// Cores that it takes to saturate a memory that all cores share.
const CORES_TO_SATURATE: f64 = 4.0;
/// Rows of queries that one core takes at a time, and that keys and values pass once for.
const QUERY_BLOCK: u64 = 64;

/// Where the operands of a kernel lie when it starts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operands {
    InMainMemory,
    InCache,
}

/// Predicts the time of a kernel whose operands come from main memory.
pub(super) fn predict(device: &Device, kernel: &Kernel) -> Prediction {
    best(device, kernel, Operands::InMainMemory)
}

/// Predicts the time of a kernel whose operands were left in the nearest cache that can hold them.
pub(super) fn predict_resident(device: &Device, kernel: &Kernel) -> Prediction {
    best(device, kernel, Operands::InCache)
}

/// On all cores or on one, whichever is faster.
fn best(device: &Device, kernel: &Kernel, operands: Operands) -> Prediction {
    let Some(cpu) = &device.cpu else {
        return roofline_prediction(device, kernel);
    };
    let cores = whole(device.units.count.value);
    let all = on_cores(&Machine { device, cpu, cores, of: cores, operands }, kernel);
    if cores == 1 {
        return all;
    }
    let one = on_cores(&Machine { device, cpu, cores: 1, of: cores, operands }, kernel);
    if one.us < all.us { one } else { all }
}

fn on_cores(machine: &Machine, kernel: &Kernel) -> Prediction {
    let mut parts = Parts::new(machine.device, kernel, SPREAD);
    if machine.operands == Operands::InCache {
        parts.lower_roof(1e6 * product_flops(kernel) / machine.full_peak(kernel));
    }
    if machine.cores > 1 {
        parts.in_series("parallel region", machine.cpu.parallel_us.value);
    }
    match kernel {
        Kernel::Gemm(gemm) | Kernel::Convolution(Convolution { product: gemm, .. }) => {
            product::add(&mut parts, machine, gemm);
        }
        Kernel::Attention(attention) => attention::add(&mut parts, machine, attention),
        Kernel::Stream(stream) => pass::add(&mut parts, machine, stream),
    }
    parts.finish()
}

fn product_flops(kernel: &Kernel) -> f64 {
    if matches!(kernel, Kernel::Stream(_)) { 0.0 } else { kernel.needed_flops() }
}

/// The cores that run a kernel.
struct Machine<'a> {
    device: &'a Device,
    cpu: &'a Cpu,
    /// How many of them.
    cores: u64,
    /// Of how many that the device has.
    of: u64,
    operands: Operands,
}

impl Machine<'_> {
    /// Part of the device's arithmetic.
    fn part(&self) -> f64 {
        self.cores as f64 / self.of as f64
    }

    /// Part of what all cores together draw from a shared memory.
    fn part_of_bandwidth(&self) -> f64 {
        (self.cores as f64 / CORES_TO_SATURATE.min(self.of as f64)).min(1.0)
    }

    fn full_peak(&self, kernel: &Kernel) -> f64 {
        match kernel {
            Kernel::Gemm(gemm) | Kernel::Convolution(Convolution { product: gemm, .. }) => {
                contraction_peak(self.device, gemm.input)
            }
            Kernel::Attention(attention) => contraction_peak(self.device, attention.dtype),
            Kernel::Stream(_) => f64::INFINITY,
        }
    }

    /// Sustained rate of products on these cores, FLOP/s.
    fn product_rate(&self, dtype: DType) -> f64 {
        sustained_product_rate(self.device, dtype) * self.part()
    }

    /// Rate of everything that is not a product, operations a second.
    fn vector_rate(&self) -> f64 {
        contraction_peak(self.device, DType::F32) * VECTOR_SHARE * self.part()
    }

    /// Elements of a type in a vector register; types without arithmetic of their own are widened to single precision.
    fn lanes(&self, dtype: DType) -> u64 {
        let peak = &self.device.peak;
        let native = match dtype {
            DType::F16 => peak.f16.is_some(),
            DType::Bf16 => peak.bf16.is_some(),
            DType::I8 | DType::U8 => peak.i8.is_some(),
            _ => true,
        };
        let bytes = if native { dtype.bytes(1).clamp(1, 8) } else { 4 };
        (u64::from(self.cpu.simd_bits.value) / 8 / bytes).max(1)
    }
}

/// Rate that large products sustain on all cores, FLOP/s. A measured peak is what products attained already. The
/// libraries share work out equally, so that cores of two kinds all run at the pace of the slower one.
pub(crate) fn sustained_product_rate(device: &Device, dtype: DType) -> f64 {
    let measured = device.peak.f32.as_ref().is_some_and(|peak| peak.source == Source::Measured);
    let slowest = device.cpu.as_ref().and_then(|cpu| cpu.slowest_core_share.as_ref()).map_or(1.0, |share| share.value);
    let share = if measured { 1.0 } else { PRODUCT_SHARE * slowest };
    contraction_peak(device, dtype) * share
}

/// A bandwidth as kernels see it, bytes a microsecond.
fn attained(rate: &Quantity) -> f64 {
    let share = if rate.source == Source::Measured { 1.0 } else { BANDWIDTH_SHARE };
    rate.value * 1e3 * share
}

/// Factor by which work in `pieces` takes longer because they do not divide among `takers`.
fn uneven(pieces: u64, takers: u64) -> f64 {
    if pieces == 0 {
        return 1.0;
    }
    pieces.div_ceil(takers).saturating_mul(takers) as f64 / pieces as f64
}
