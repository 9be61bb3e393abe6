//! Models of time: how long a kernel takes on a device, and why.

mod cpu;
pub mod gpu;
mod kernel;
mod prediction;
mod roof;
mod systolic;

use fusewright_device::{Class, Device};

pub use kernel::{Attention, Gemm, Kernel, Stream, StreamKind};
pub use prediction::{Limiter, Prediction, Term};
pub use roof::{contraction_peak, roofline_us};

/// Predicts the time of one kernel on a device, without what an eager framework spends on starting it.
pub fn predict(device: &Device, kernel: &Kernel) -> Prediction {
    match device.class {
        Class::Gpu => gpu::predict(device, kernel),
        Class::Systolic => systolic::predict(device, kernel),
        Class::Cpu => cpu::predict(device, kernel),
    }
}
