//! Devices: the list of them, and one with every number.

mod page;

use fusewright_device::{Device, Figure, Quantity};
use serde::Serialize;

use crate::json::indented;

pub use page::{device_page, device_table};

/// A device in the list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceRow {
    /// Id, as given to `--hw`.
    pub name: String,
    /// Full name.
    pub title: String,
    /// Which models of time it gets: `gpu`, `systolic` or `cpu`.
    pub class: &'static str,
    /// Architecture, e.g. `hopper`.
    pub family: String,
    /// Counts changes of its numbers.
    pub revision: u32,
    /// Multiprocessors, compute units, cores or arrays.
    pub units: f64,
    /// Clock under load, GHz.
    pub clock_ghz: f64,
    /// Main memory, 10⁹ bytes; `null` where the device has none, or as much as was bought.
    pub memory_gb: Option<f64>,
    /// Rate of main memory, or of the link to that of the host, 10⁹ bytes a second.
    pub bandwidth_gb_s: f64,
    /// Last cache or scratch memory that all units share, MiB.
    pub last_level_mib: Option<f64>,
    /// Highest dense rates.
    pub peak: DevicePeaks,
    /// Most that it takes for long, W.
    pub board_w: f64,
    /// Shortest kernel, µs.
    pub floor_us: f64,
}

/// Dense rates, 10¹² operations a second, a multiply-accumulate being two; `null` where there is no unit for the type.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DevicePeaks {
    /// Double precision.
    pub f64: Option<f64>,
    /// Single precision.
    pub f32: Option<f64>,
    /// Single precision with mantissas of 10 bits.
    pub tf32: Option<f64>,
    /// Half precision, sums in single precision.
    pub f16: Option<f64>,
    /// Brain float, sums in single precision.
    pub bf16: Option<f64>,
    /// Floats of eight bits.
    pub f8: Option<f64>,
    /// Integers of eight bits.
    pub i8: Option<f64>,
}

/// A device with every number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceDetails {
    /// What the list says of it.
    #[serde(flatten)]
    pub row: DeviceRow,
    /// Element type that `units.fma_per_clock` and the clock give the peak of.
    pub fma_dtype: String,
    /// Compute capability, where CUDA runs.
    pub compute_capability: Option<String>,
    /// Streaming attention kernels of the common libraries run here; `null` for what is no GPU.
    pub streaming_attention: Option<bool>,
    /// What stays in a systolic array: `output-stationary`, `weight-stationary` or `input-stationary`.
    pub dataflow: Option<&'static str>,
    /// The next weights are loaded into an array while the present ones are in use.
    pub double_buffered: Option<bool>,
    /// Publications that the numbers were read in.
    pub references: Vec<String>,
    /// Every number, in the order of the file.
    pub figures: Vec<DeviceFigure>,
}

/// A number of a device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceFigure {
    /// Where it stands in the file, e.g. `units.clock_ghz`.
    pub field: String,
    /// The number.
    pub value: f64,
    /// Its unit; `null` for plain numbers.
    pub unit: Option<&'static str>,
    /// `datasheet`, `measured` or `estimated`.
    pub source: &'static str,
    /// What else there is to say.
    pub note: Option<String>,
}

impl DeviceRow {
    /// The row of a device.
    pub fn of(device: &Device) -> Self {
        let given = |quantity: &Option<Quantity>| quantity.as_ref().map(|quantity| quantity.value);
        let (memory, peak) = (&device.memory, &device.peak);
        Self {
            name: device.id.clone(),
            title: device.name.clone(),
            class: device.class.name(),
            family: device.family.clone(),
            revision: device.revision,
            units: device.units.count.value,
            clock_ghz: device.units.clock_ghz.value,
            memory_gb: given(&memory.capacity_gb),
            bandwidth_gb_s: memory.bandwidth_gb_s.value,
            last_level_mib: given(&memory.last_level_mib),
            peak: DevicePeaks {
                f64: given(&peak.f64),
                f32: given(&peak.f32),
                tf32: given(&peak.tf32),
                f16: given(&peak.f16),
                bf16: given(&peak.bf16),
                f8: given(&peak.f8),
                i8: given(&peak.i8),
            },
            board_w: device.power.board_w.value,
            floor_us: device.launch.floor_us.value,
        }
    }
}

impl DeviceDetails {
    /// Everything about a device.
    pub fn of(device: &Device) -> Self {
        let (gpu, systolic) = (device.gpu.as_ref(), device.systolic.as_ref());
        Self {
            row: DeviceRow::of(device),
            fma_dtype: device.units.fma_dtype.clone(),
            compute_capability: gpu.and_then(|gpu| gpu.compute_capability.clone()),
            streaming_attention: gpu.map(|gpu| gpu.streaming_attention),
            dataflow: systolic.map(|systolic| systolic.dataflow.name()),
            double_buffered: systolic.map(|systolic| systolic.double_buffered),
            references: device.references.clone(),
            figures: device.figures().into_iter().map(DeviceFigure::from).collect(),
        }
    }
}

impl From<Figure<'_>> for DeviceFigure {
    fn from(figure: Figure) -> Self {
        Self {
            field: figure.field,
            value: figure.value,
            unit: Some(figure.unit).filter(|unit| !unit.is_empty()),
            source: figure.source.name(),
            note: figure.note.map(ToOwned::to_owned),
        }
    }
}

/// The list as JSON: an array of [`DeviceRow`].
pub fn device_list_json(devices: &[Device]) -> String {
    indented(&devices.iter().map(DeviceRow::of).collect::<Vec<_>>())
}

/// One device as JSON: a [`DeviceDetails`].
pub fn device_json(device: &Device) -> String {
    indented(&DeviceDetails::of(device))
}
