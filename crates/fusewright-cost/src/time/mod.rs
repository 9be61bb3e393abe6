//! Models of time: how long a kernel takes on a device, and why.

mod cpu;
pub mod gpu;
mod kernel;
mod merge;
mod parts;
mod prediction;
mod roof;
mod systolic;

use fusewright_device::{Class, Device};
use fusewright_ir::DType;

pub use kernel::{Attention, AttentionLibrary, Convolution, Gemm, Kernel, Layout, Stream, StreamKind};
pub use merge::{MergeGain, MergeVerdict, merge_gain};
pub use prediction::{Limiter, Prediction, Term};
pub use roof::{contraction_peak, roofline_us};
pub use systolic::{systolic_cycles, systolic_utilisation};

/// Predicts the time of one kernel on a device, without what an eager framework spends on starting it.
pub fn predict(device: &Device, kernel: &Kernel) -> Prediction {
    match device.class {
        Class::Gpu => gpu::predict(device, kernel),
        Class::Systolic => systolic::predict(device, kernel),
        Class::Cpu => cpu::predict(device, kernel),
    }
}

/// Rate that large products sustain, FLOP/s: what the device's power is spent at.
pub(crate) fn sustained_product_rate(device: &Device, dtype: DType) -> f64 {
    /// Large products reach 0.75 to 0.87 of the peak of a data sheet on every accelerator that was looked at.
    const SUSTAINED: f64 = 0.8;
    match device.class {
        Class::Cpu => cpu::sustained_product_rate(device, dtype),
        Class::Gpu | Class::Systolic => SUSTAINED * contraction_peak(device, dtype),
    }
}

/// Predicts the time of one kernel whose operands a previous kernel left in the nearest cache that can hold them all. Main
/// memory is then no limit, so that the time may be below [`roofline_us`], never below FLOPs / peak. On other devices
/// than CPUs nothing is taken to be left in caches, and this is [`predict`].
pub fn predict_resident(device: &Device, kernel: &Kernel) -> Prediction {
    match device.class {
        Class::Cpu => cpu::predict_resident(device, kernel),
        Class::Gpu | Class::Systolic => predict(device, kernel),
    }
}
