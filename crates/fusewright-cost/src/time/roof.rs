//! The time that no kernel can beat.

use fusewright_device::Device;
use fusewright_ir::DType;

use super::{Convolution, Kernel};

/// Highest rate of contractions in this element type, FLOP/s: of the unit that computes it, else of the next wider type.
pub fn contraction_peak(device: &Device, dtype: DType) -> f64 {
    let peak = &device.peak;
    let order: &[&Option<fusewright_device::Quantity>] = match dtype {
        DType::F64 => &[&peak.f64],
        DType::F16 => &[&peak.f16, &peak.bf16, &peak.f32],
        DType::Bf16 => &[&peak.bf16, &peak.f16, &peak.f32],
        DType::F8E4M3 | DType::F8E5M2 => &[&peak.f8, &peak.f16, &peak.bf16, &peak.f32],
        DType::I8 | DType::U8 | DType::I4 | DType::U4 => &[&peak.i8, &peak.f16, &peak.bf16, &peak.f32],
        _ => &[&peak.f32],
    };
    let known = order.iter().find_map(|rate| rate.as_ref());
    let fallback = || [&peak.f32, &peak.bf16, &peak.f16, &peak.i8].into_iter().find_map(Option::as_ref);
    known.or_else(fallback).map_or(f64::INFINITY, |rate| rate.value * 1e12)
}

/// max(FLOPs / peak, compulsory bytes / bandwidth), µs.
pub fn roofline_us(device: &Device, kernel: &Kernel) -> f64 {
    let peak = match kernel {
        Kernel::Gemm(gemm) | Kernel::Convolution(Convolution { product: gemm, .. }) => {
            contraction_peak(device, gemm.input)
        }
        Kernel::Attention(attention) => contraction_peak(device, attention.dtype),
        Kernel::Stream(_) => f64::INFINITY,
    };
    let compute = kernel.needed_flops() / peak;
    let memory = kernel.bytes() as f64 / (device.memory.bandwidth_gb_s.value * 1e9);
    1e6 * compute.max(memory)
}
