//! Devices of each class, written as their files are.

use fusewright_device::{Device, Quantity, Source};

/// A quantity of a device file.
fn q(value: f64) -> String {
    format!("{{ value = {value:?}, source = \"datasheet\" }}")
}

/// A whole number of a device file.
fn count(value: u32) -> String {
    format!("{{ value = {value}, source = \"datasheet\" }}")
}

fn device(class: &str, peaks: &str, bandwidth: f64, units: &str, rest: &str) -> Device {
    let text = format!(
        r#"
id = "test-{class}"
name = "test"
revision = 1
class = "{class}"
family = "test"
references = []
[peak]
{peaks}
[memory]
bandwidth_gb_s = {bandwidth}
[units]
{units}
[power]
board_w = {board}
idle_w = {idle}
dram_pj_per_byte = {dram}
[launch]
floor_us = {floor}
dispatch_us = {dispatch}
{rest}"#,
        bandwidth = q(bandwidth),
        board = q(125.0),
        idle = q(15.0),
        dram = q(100.0),
        floor = q(1.0),
        dispatch = q(5.0),
    );
    toml::from_str(&text).unwrap()
}

/// Like a TPU v5e: four arrays of 128 × 128.
pub(crate) fn systolic(dataflow: &str, double_buffered: bool, arrays: u32, side: u32) -> Device {
    let clock = 1.5;
    let peak = f64::from(arrays) * f64::from(side) * f64::from(side) * 2.0 * clock / 1e3;
    device(
        "systolic",
        &format!("bf16 = {}\ni8 = {}", q(peak), q(2.0 * peak)),
        819.0,
        &format!(
            "count = {}\nclock_ghz = {}\nfma_per_clock = {}\nfma_dtype = \"bf16\"",
            q(f64::from(arrays)),
            q(clock),
            q(f64::from(side * side))
        ),
        &format!(
            "[systolic]\nrows = {cells}\ncolumns = {cells}\ndataflow = \"{dataflow}\"\ndouble_buffered = {double_buffered}\non_chip_mib = {}\nvector_gflop_s = {}",
            q(128.0),
            q(6000.0),
            cells = count(side),
        ),
    )
}

/// Like an i7-12700K with DDR4: twelve cores of two 256-bit ports.
pub(crate) fn desktop() -> Device {
    let mut device =
        cpu(12.0, 1.434, 51.2, 256, [("L1", 512.0, 2868.0), ("L2", 12_288.0, 757.0), ("L3", 25_600.0, 233.0)]);
    // 8 × 2 × 3.6 GHz of a small core against the mean of eight fast and four small ones.
    let share = Quantity { value: 0.482, source: Source::Datasheet, note: None };
    device.cpu.as_mut().unwrap().slowest_core_share = Some(share);
    device
}

/// A CPU with the given cores, single-precision peak (TFLOP/s), main memory (GB/s) and caches (KiB, GB/s).
pub(crate) fn cpu(cores: f64, peak: f64, bandwidth: f64, simd_bits: u32, caches: [(&str, f64, f64); 3]) -> Device {
    let caches = caches
        .iter()
        .map(|&(name, kib, rate)| {
            format!("[[cpu.caches]]\nname = \"{name}\"\nkib = {}\nbandwidth_gb_s = {}\n", q(kib), q(rate))
        })
        .collect::<Vec<_>>()
        .concat();
    device(
        "cpu",
        &format!("f32 = {}", q(peak)),
        bandwidth,
        &format!("count = {}\nclock_ghz = {}\nfma_per_clock = {}\nfma_dtype = \"f32\"", q(cores), q(3.6), q(16.0)),
        &format!(
            "[cpu]\nsimd_bits = {}\nfma_ports = {}\nparallel_us = {}\n{caches}",
            count(simd_bits),
            count(2),
            q(2.0)
        ),
    )
}
