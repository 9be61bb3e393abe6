//! All numbers of a device with their units and sources, in the order of a file.

use crate::{Count, Device, Quantity, Source};

/// A number of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure<'a> {
    /// Where it stands in the file, e.g. `units.clock_ghz`; a cache goes by its name, e.g. `cpu.caches.L2.kib`.
    pub field: String,
    /// Its unit; empty for plain numbers.
    pub unit: &'static str,
    /// The number.
    pub value: f64,
    /// Where it comes from.
    pub source: Source,
    /// What else there is to say.
    pub note: Option<&'a str>,
}

impl Device {
    /// Every number of the device.
    pub fn figures(&self) -> Vec<Figure<'_>> {
        let mut list = List(Vec::new());
        self.common(&mut list);
        if let Some(gpu) = &self.gpu {
            list.add("gpu.block_on_chip_kib", "KiB", &gpu.block_on_chip_kib);
            list.count("gpu.threads_per_unit", &gpu.threads_per_unit);
            list.count("gpu.warp", &gpu.warp);
        }
        if let Some(systolic) = &self.systolic {
            list.count("systolic.rows", &systolic.rows);
            list.count("systolic.columns", &systolic.columns);
            list.add("systolic.on_chip_mib", "MiB", &systolic.on_chip_mib);
            list.add("systolic.vector_gflop_s", "GFLOP/s", &systolic.vector_gflop_s);
        }
        if let Some(cpu) = &self.cpu {
            list.count("cpu.simd_bits", &cpu.simd_bits);
            list.count("cpu.fma_ports", &cpu.fma_ports);
            list.add("cpu.parallel_us", "µs", &cpu.parallel_us);
            list.given("cpu.slowest_core_share", "", cpu.slowest_core_share.as_ref());
            for cache in &cpu.caches {
                list.add(&format!("cpu.caches.{}.kib", cache.name), "KiB", &cache.kib);
                list.add(&format!("cpu.caches.{}.bandwidth_gb_s", cache.name), "GB/s", &cache.bandwidth_gb_s);
            }
        }
        list.0
    }

    fn common<'a>(&'a self, list: &mut List<'a>) {
        let Self { peak, memory, units, power, launch, .. } = self;
        for (dtype, rate) in peak.by_dtype() {
            list.given(&format!("peak.{dtype}"), if dtype == "i8" { "TOP/s" } else { "TFLOP/s" }, rate);
        }
        list.add("memory.bandwidth_gb_s", "GB/s", &memory.bandwidth_gb_s);
        list.given("memory.capacity_gb", "GB", memory.capacity_gb.as_ref());
        list.given("memory.last_level_mib", "MiB", memory.last_level_mib.as_ref());
        list.given("memory.last_level_gb_s", "GB/s", memory.last_level_gb_s.as_ref());
        list.add("units.count", "", &units.count);
        list.add("units.clock_ghz", "GHz", &units.clock_ghz);
        list.add("units.fma_per_clock", "", &units.fma_per_clock);
        list.given("units.on_chip_kib", "KiB", units.on_chip_kib.as_ref());
        list.given("units.registers_kib", "KiB", units.registers_kib.as_ref());
        list.add("power.board_w", "W", &power.board_w);
        list.add("power.idle_w", "W", &power.idle_w);
        list.add("power.dram_pj_per_byte", "pJ/byte", &power.dram_pj_per_byte);
        list.given("power.last_level_pj_per_byte", "pJ/byte", power.last_level_pj_per_byte.as_ref());
        list.given("power.on_chip_pj_per_byte", "pJ/byte", power.on_chip_pj_per_byte.as_ref());
        list.add("launch.floor_us", "µs", &launch.floor_us);
        list.add("launch.dispatch_us", "µs", &launch.dispatch_us);
    }
}

struct List<'a>(Vec<Figure<'a>>);

impl<'a> List<'a> {
    fn add(&mut self, field: &str, unit: &'static str, quantity: &'a Quantity) {
        let Quantity { value, source, note } = quantity;
        self.0.push(Figure { field: field.to_owned(), unit, value: *value, source: *source, note: note.as_deref() });
    }

    fn given(&mut self, field: &str, unit: &'static str, quantity: Option<&'a Quantity>) {
        if let Some(quantity) = quantity {
            self.add(field, unit, quantity);
        }
    }

    fn count(&mut self, field: &str, count: &'a Count) {
        let Count { value, source, note } = count;
        let (value, note) = (f64::from(*value), note.as_deref());
        self.0.push(Figure { field: field.to_owned(), unit: "", value, source: *source, note });
    }
}
