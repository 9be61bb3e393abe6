//! What one wide product takes against the products that it replaces.

use fusewright_device::Device;

use super::{Gemm, Kernel, predict};

/// Differences up to this share are not told from noise: repeating a measurement moves it as much.
const NOISE: f64 = 0.05;

/// Times of products apart and merged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MergeGain {
    /// All parts one after the other, each with its launch, µs.
    pub apart_us: f64,
    /// The merged product, µs.
    pub merged_us: f64,
}

/// What merging comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeVerdict {
    /// Faster by more than noise.
    Gain,
    /// The same within noise.
    NoGain,
    /// Slower by more than noise.
    Loss,
}

impl MergeGain {
    /// apart / merged: above 1 where merging pays.
    pub fn ratio(&self) -> f64 {
        if self.merged_us > 0.0 { self.apart_us / self.merged_us } else { 1.0 }
    }

    /// Gain, loss, or neither within 5 %.
    pub fn verdict(&self) -> MergeVerdict {
        match self.ratio() {
            ratio if ratio > 1.0 + NOISE => MergeVerdict::Gain,
            ratio if ratio < 1.0 - NOISE => MergeVerdict::Loss,
            _ => MergeVerdict::NoGain,
        }
    }
}

/// Prices parallel products that share an operand apart and as one.
pub fn merge_gain(device: &Device, parts: &[Gemm], merged: &Gemm) -> MergeGain {
    let us = |gemm: &Gemm| predict(device, &Kernel::Gemm(gemm.clone())).us;
    MergeGain { apart_us: parts.iter().map(us).sum(), merged_us: us(merged) }
}
