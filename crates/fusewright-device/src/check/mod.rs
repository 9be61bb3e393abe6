//! What has to hold for every device.
//!
//! Data sheets state rates with structured sparsity, boost clocks that no product reaches, units of two dies or of one.
//! A rule here is an identity or an order that such a figure breaks. A rule looks only at values that are in range, so
//! that one slip is one problem.

mod arithmetic;
mod identity;
mod parts;
mod speed;

use crate::{Class, Count, Cpu, Device, Gpu, Problem, Quantity, Systolic};

/// Something that has to hold.
pub struct Rule {
    /// Name, as messages show it.
    pub name: &'static str,
    /// What has to hold.
    pub says: &'static str,
    find: fn(&Device, &mut Found),
}

/// All rules, in the order in which they are checked.
pub const RULES: &[Rule] = &[
    Rule { name: "id", says: "id and family are in kebab-case, the name is not empty", find: identity::id },
    Rule { name: "revision", says: "revisions count from 1", find: identity::revision },
    Rule { name: "references", says: "at least one reference is named", find: identity::references },
    Rule { name: "class-section", says: "a device has the section of its class and no other", find: identity::section },
    Rule { name: "range", says: "numbers are finite and from 1e-6 to 1e9", find: parts::range },
    Rule { name: "unit-count", says: "units are counted in whole numbers", find: parts::unit_count },
    Rule { name: "clock", says: "clocks lie between 0.05 and 10 GHz", find: parts::clock },
    Rule { name: "fma-dtype", says: "units.fma_dtype names a rate that is given", find: arithmetic::fma_dtype },
    Rule {
        name: "peak-identity",
        says: "count × fma_per_clock × 2 × clock is the peak of fma_dtype, within 2 %",
        find: arithmetic::peak_identity,
    },
    Rule { name: "narrower-is-faster", says: "no wider type is faster", find: arithmetic::order },
    Rule { name: "family-ratio", says: "rates stand in the ratios of their family", find: arithmetic::ratios },
    Rule { name: "power", says: "the board takes more than it takes idle", find: parts::power },
    Rule {
        name: "memory-power",
        says: "main memory at full rate takes less than the board",
        find: parts::memory_power,
    },
    Rule { name: "energy-order", says: "a nearer byte costs no more energy", find: parts::energy_order },
    Rule { name: "launch", says: "a kernel's floor is plausible for its class", find: speed::launch },
    Rule {
        name: "last-level",
        says: "the last level has a size if it has a rate, and is no slower than main memory",
        find: speed::last_level,
    },
    Rule {
        name: "block-on-chip",
        says: "a GPU gives on-chip memory and registers, and a block has no more than its unit",
        find: parts::block_on_chip,
    },
    Rule { name: "warp", says: "warps are powers of two that fill a unit", find: parts::warp },
    Rule {
        name: "compute-capability",
        says: "compute capabilities are two numbers with a point",
        find: parts::compute_capability,
    },
    Rule { name: "caches", says: "caches grow and slow down, down to main memory", find: speed::caches },
    Rule { name: "simd", says: "f32 is no faster than count × clock × lanes × ports × 2", find: arithmetic::simd },
    Rule { name: "array", says: "rows × columns is fma_per_clock", find: arithmetic::array },
];

/// Everything about a device that cannot be true, all at once.
pub fn check(device: &Device) -> Vec<Problem> {
    let mut problems = Vec::new();
    for rule in RULES {
        let mut found = Found { rule: rule.name, problems: &mut problems };
        (rule.find)(device, &mut found);
    }
    problems
}

/// What one rule finds.
struct Found<'a> {
    rule: &'static str,
    problems: &'a mut Vec<Problem>,
}

impl Found<'_> {
    fn add(&mut self, field: impl Into<String>, text: impl Into<String>) {
        self.problems.push(Problem { rule: self.rule, field: field.into(), text: text.into() });
    }
}

/// Least and largest value of any number of a device.
const RANGE: std::ops::RangeInclusive<f64> = 1e-6..=1e9;

/// How far figures that should agree may lie apart: data sheets round to three digits.
const TOLERANCE: f64 = 0.02;

/// The section, unless the class has none: that is a problem of its own.
fn gpu(device: &Device) -> Option<&Gpu> {
    device.gpu.as_ref().filter(|_| device.class == Class::Gpu)
}

fn systolic(device: &Device) -> Option<&Systolic> {
    device.systolic.as_ref().filter(|_| device.class == Class::Systolic)
}

fn cpu(device: &Device) -> Option<&Cpu> {
    device.cpu.as_ref().filter(|_| device.class == Class::Cpu)
}

/// The value, unless it is out of range and a problem of its own.
fn sound(quantity: &Quantity) -> Option<f64> {
    RANGE.contains(&quantity.value).then_some(quantity.value)
}

fn sound_if_given(quantity: Option<&Quantity>) -> Option<f64> {
    quantity.and_then(sound)
}

/// The number, unless it is 0 and out of range.
fn sound_count(count: &Count) -> Option<u32> {
    Some(count.value).filter(|&value| value > 0)
}

fn agree(value: f64, expected: f64) -> bool {
    (value - expected).abs() <= TOLERANCE * expected.abs()
}

/// Three significant digits, which is what data sheets have.
fn short(value: f64) -> String {
    let rounded = format!("{value:.2e}").parse().unwrap_or(value);
    format!("{rounded}")
}
