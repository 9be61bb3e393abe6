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

pub use kernel::{Attention, Gemm, Kernel, Stream, StreamKind};
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

/// Predicts the time of one kernel whose operands a previous kernel left in the nearest cache that can hold them all. Main
/// memory is then no limit, so that the time may be below [`roofline_us`], never below FLOPs / peak. On other devices
/// than CPUs nothing is taken to be left in caches, and this is [`predict`].
pub fn predict_resident(device: &Device, kernel: &Kernel) -> Prediction {
    match device.class {
        Class::Cpu => cpu::predict_resident(device, kernel),
        Class::Gpu | Class::Systolic => predict(device, kernel),
    }
}
