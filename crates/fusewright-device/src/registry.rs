//! The devices that everybody gets: their files are part of the program and are parsed when they are asked for.

use crate::Device;

/// A file of this crate.
struct Embedded {
    id: &'static str,
    toml: &'static str,
}

macro_rules! embedded {
    ($($id:literal),+ $(,)?) => {
        &[$(Embedded { id: $id, toml: include_str!(concat!("../devices/", $id, ".toml")) }),+]
    };
}

/// One row a device, sorted.
const DEVICES: &[Embedded] = embedded!["h100-sxm"];

/// Ids of the built-in devices, sorted.
pub fn ids() -> impl ExactSizeIterator<Item = &'static str> {
    DEVICES.iter().map(|device| device.id)
}

/// The text of the file of a built-in device.
pub fn file(id: &str) -> Option<&'static str> {
    DEVICES.iter().find(|device| device.id == id).map(|device| device.toml)
}

/// The built-in device of this id.
pub fn find(id: &str) -> Option<Device> {
    // A test reads every embedded file, so that only an unknown id gives nothing.
    Device::from_toml(file(id)?, id).ok()
}
