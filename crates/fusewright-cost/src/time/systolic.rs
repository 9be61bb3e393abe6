//! Time of kernels on systolic arrays.

use fusewright_device::Device;

use super::{Kernel, Limiter, Prediction, Term, roofline_us};

/// Predicts the time of a kernel.
pub(super) fn predict(device: &Device, kernel: &Kernel) -> Prediction {
    let roof = roofline_us(device, kernel);
    let floor = device.launch.floor_us.value;
    let terms = vec![Term { name: "roofline", us: roof }, Term { name: "launch", us: floor }];
    Prediction { us: roof + floor, spread: 0.5, terms, limiter: Limiter::Memory }
}
