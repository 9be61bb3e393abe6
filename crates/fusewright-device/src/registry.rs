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
const DEVICES: &[Embedded] = embedded![
    "a10",
    "a100-pcie-40",
    "a100-pcie-80",
    "a100-sxm-40",
    "a100-sxm-80",
    "a40",
    "ampereone-a192-32x",
    "apple-m2-ultra",
    "apple-m3-ultra",
    "b200-sxm",
    "coral-edge-tpu",
    "epyc-9654",
    "generic-systolic",
    "h100-nvl",
    "h100-pcie",
    "h100-sxm",
    "h200-sxm",
    "hailo-8",
    "i7-12700k",
    "i7-12700k-ddr4",
    "jetson-orin-agx",
    "jetson-orin-nano",
    "jetson-orin-nano-super",
    "jetson-orin-nx",
    "jetson-thor",
    "l4",
    "l40s",
    "mi210",
    "mi250",
    "mi300x",
    "rtx-3090",
    "rtx-4090",
    "rtx-5090",
    "rtx-pro-6000",
    "rtx-pro-6000-maxq",
    "t4",
    "tpu-v4",
    "tpu-v5e",
    "tpu-v5p",
    "tpu-v6e",
    "v100-pcie",
    "v100-sxm2",
    "xeon-8490h",
];

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Files are read by the name of the row, so that an id that differs from its file would be found here.
    #[test]
    fn rows_are_sorted_and_named_after_their_files() {
        assert!(DEVICES.is_sorted_by(|a, b| a.id < b.id));
        for row in DEVICES {
            let device = Device::from_toml(row.toml, row.id).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(device.id, row.id);
        }
    }

    #[test]
    fn every_file_of_the_folder_has_its_row() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/devices");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        files.sort_by(|a, b| a.trim_end_matches(".toml").cmp(b.trim_end_matches(".toml")));
        let rows: Vec<String> = ids().map(|id| format!("{id}.toml")).collect();
        assert_eq!(files, rows);
    }

    #[test]
    fn no_two_devices_are_equal() {
        let same = |device: &Device| {
            let mut device = device.clone();
            device.id.clear();
            device.name.clear();
            device
        };
        let devices: Vec<Device> = ids().filter_map(find).collect();
        for (position, device) in devices.iter().enumerate() {
            for other in &devices[..position] {
                assert_ne!(device.name, other.name);
                assert!(same(device) != same(other), "{} and {} are one device", device.id, other.id);
            }
        }
    }
}
