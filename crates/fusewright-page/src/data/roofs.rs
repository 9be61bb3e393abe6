//! The highest rates of a device: the roofs of a roofline.

use fusewright_device::Device;
use serde::Serialize;

/// A rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Roof {
    /// Element type, or what the bytes come from.
    pub name: String,
    /// 10⁹ a second: FLOP, or bytes.
    pub rate: f64,
}

/// The roofs of a device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Roofs {
    /// Rates of arithmetic, 10⁹ FLOP/s, by element type.
    pub peaks: Vec<Roof>,
    /// Rates of memory, 10⁹ bytes/s, slowest first.
    pub memory: Vec<Roof>,
    /// Shortest kernel, µs.
    pub floor_us: f64,
}

impl Roofs {
    pub(super) fn of(device: &Device) -> Self {
        let peaks = device.peak.by_dtype().into_iter();
        let peaks = peaks.filter_map(|(name, rate)| Some(Roof { name: name.to_owned(), rate: rate?.value * 1e3 }));
        let mut memory = vec![Roof { name: "main memory".to_owned(), rate: device.memory.bandwidth_gb_s.value }];
        if let Some(rate) = &device.memory.last_level_gb_s {
            memory.push(Roof { name: "last cache".to_owned(), rate: rate.value });
        }
        Self { peaks: peaks.collect(), memory, floor_us: device.launch.floor_us.value }
    }
}
