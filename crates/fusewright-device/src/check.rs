//! What has to hold for every device.

use crate::{Device, Problem};

/// Everything about a device that cannot be true, all at once.
pub fn check(_device: &Device) -> Vec<Problem> {
    Vec::new()
}
