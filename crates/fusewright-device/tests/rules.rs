//! Each rule of the check, broken by itself in a file that is fine.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use fusewright_device::{Device, DeviceError, Problem, RULES, file, ids};

/// A change of a built-in file that breaks one rule only.
struct Break {
    rule: &'static str,
    device: &'static str,
    from: &'static str,
    to: &'static str,
    /// Field that the message names.
    field: &'static str,
}

const fn broken(
    rule: &'static str,
    device: &'static str,
    from: &'static str,
    to: &'static str,
    field: &'static str,
) -> Break {
    Break { rule, device, from, to, field }
}

const BREAKS: &[Break] = &[
    broken("id", "t4", "id = \"t4\"", "id = \"T4\"", "id"),
    broken("id", "t4", "id = \"t4\"", "id = \"t4--16\"", "id"),
    broken("id", "t4", "id = \"t4\"", "id = \"\"", "id"),
    broken("id", "coral-edge-tpu", "family = \"edge-tpu\"", "family = \"Edge TPU\"", "family"),
    broken("id", "t4", "name = \"NVIDIA T4\"", "name = \" \"", "name"),
    broken("revision", "t4", "revision = 1", "revision = 0", "revision"),
    broken("references", "l40s", "references = [", "references = []\n#", "references"),
    broken("range", "h100-sxm", "capacity_gb = { value = 80", "capacity_gb = { value = 0", "memory.capacity_gb"),
    broken("range", "h100-sxm", "capacity_gb = { value = 80", "capacity_gb = { value = -80", "memory.capacity_gb"),
    broken("range", "h100-sxm", "bf16 = { value = 989.4", "bf16 = { value = nan", "peak.bf16"),
    broken("range", "h100-sxm", "clock_ghz = { value = 1.83", "clock_ghz = { value = inf", "units.clock_ghz"),
    broken("range", "h100-sxm", "idle_w = { value = 105", "idle_w = { value = 1e300", "power.idle_w"),
    broken("range", "i7-12700k", "fma_ports = { value = 2", "fma_ports = { value = 0", "cpu.fma_ports"),
    broken("unit-count", "h100-sxm", "count = { value = 132", "count = { value = 132.5", "units.count"),
    broken("fma-dtype", "h100-sxm", "fma_dtype = \"bf16\"", "fma_dtype = \"f4\"", "units.fma_dtype"),
    broken("fma-dtype", "t4", "fma_dtype = \"f16\"", "fma_dtype = \"bf16\"", "units.fma_dtype"),
    broken("peak-identity", "h100-pcie", "count = { value = 114", "count = { value = 132", "peak.bf16"),
    broken("narrower-is-faster", "t4", "f32 = { value = 8.1", "f32 = { value = 81", "peak.f16"),
    broken("narrower-is-faster", "t4", "f64 = { value = 0.253", "f64 = { value = 9", "peak.f32"),
    broken("family-ratio", "h100-sxm", "f8 = { value = 1979", "f8 = { value = 3958", "peak.f8"),
    broken("family-ratio", "h100-sxm", "tf32 = { value = 494.7", "tf32 = { value = 989.4", "peak.tf32"),
    broken("family-ratio", "l4", "i8 = { value = 242", "i8 = { value = 121", "peak.i8"),
    broken("family-ratio", "v100-sxm2", "i8 = { value = 62.8", "i8 = { value = 125", "peak.i8"),
    broken("power", "h100-sxm", "idle_w = { value = 105", "idle_w = { value = 700", "power.board_w"),
    broken(
        "memory-power",
        "h100-sxm",
        "pj_per_byte = { value = 60",
        "pj_per_byte = { value = 480",
        "power.dram_pj_per_byte",
    ),
    broken(
        "energy-order",
        "h100-sxm",
        "on_chip_pj_per_byte = { value = 2",
        "on_chip_pj_per_byte = { value = 20",
        "power.on_chip_pj_per_byte",
    ),
    broken("launch", "h100-sxm", "floor_us = { value = 2.5", "floor_us = { value = 0.0025", "launch.floor_us"),
    broken("launch", "i7-12700k", "floor_us = { value = 1", "floor_us = { value = 1000", "launch.floor_us"),
    broken("launch", "t4", "dispatch_us = { value = 6", "dispatch_us = { value = 60000", "launch.dispatch_us"),
    broken(
        "last-level",
        "h100-sxm",
        "last_level_gb_s = { value = 6700",
        "last_level_gb_s = { value = 670",
        "memory.last_level_gb_s",
    ),
    broken("last-level", "h100-sxm", "last_level_mib =", "#", "memory.last_level_gb_s"),
    broken(
        "block-on-chip",
        "h100-sxm",
        "block_on_chip_kib = { value = 227",
        "block_on_chip_kib = { value = 256",
        "gpu.block_on_chip_kib",
    ),
    broken("block-on-chip", "h100-sxm", "registers_kib =", "#", "units.registers_kib"),
    broken("warp", "h100-sxm", "warp = { value = 32", "warp = { value = 33", "gpu.warp"),
    broken(
        "warp",
        "h100-sxm",
        "threads_per_unit = { value = 2048",
        "threads_per_unit = { value = 2047",
        "gpu.threads_per_unit",
    ),
    broken("compute-capability", "h100-sxm", "\"9.0\"", "\"sm_90\"", "gpu.compute_capability"),
    broken("caches", "i7-12700k", "kib = { value = 12288", "kib = { value = 500", "cpu.caches.L2.kib"),
    broken(
        "caches",
        "i7-12700k",
        "bandwidth_gb_s = { value = 530",
        "bandwidth_gb_s = { value = 53",
        "cpu.caches.L3.bandwidth_gb_s",
    ),
    broken(
        "caches",
        "i7-12700k",
        "last_level_gb_s = { value = 163",
        "last_level_gb_s = { value = 326",
        "cpu.caches.L3.bandwidth_gb_s",
    ),
    broken("simd", "i7-12700k", "fma_ports = { value = 2", "fma_ports = { value = 1", "peak.f32"),
    broken("simd", "i7-12700k", "simd_bits = { value = 256", "simd_bits = { value = 100", "cpu.simd_bits"),
    broken("array", "tpu-v5e", "rows = { value = 128", "rows = { value = 256", "units.fma_per_clock"),
];

fn problems(text: &str) -> Vec<Problem> {
    match Device::from_toml(text, "changed.toml") {
        Ok(_) => Vec::new(),
        Err(DeviceError::Impossible { problems, .. }) => problems,
        Err(error) => panic!("{error}"),
    }
}

fn changed(device: &str, from: &str, to: &str) -> String {
    let text = file(device).unwrap();
    assert!(text.contains(from), "{device} has no `{from}`");
    text.replacen(from, to, 1)
}

#[test]
fn each_rule_is_broken_by_itself() {
    for Break { rule, device, from, to, field } in BREAKS {
        let found = problems(&changed(device, from, to));
        let rules: BTreeSet<&str> = found.iter().map(|problem| problem.rule).collect();
        assert_eq!(rules, BTreeSet::from([*rule]), "{device}: `{to}`: {found:#?}");
        assert!(found.iter().any(|problem| problem.field == *field), "{device}: `{to}`: {found:#?}");
    }
}

#[test]
fn a_clock_in_hertz_is_seen_though_the_peak_fits_no_more() {
    let found = problems(&changed("h100-sxm", "clock_ghz = { value = 1.83", "clock_ghz = { value = 1830"));
    let rules: BTreeSet<&str> = found.iter().map(|problem| problem.rule).collect();
    assert_eq!(rules, BTreeSet::from(["clock", "peak-identity"]));
}

#[test]
fn the_sections_of_other_classes_are_refused() {
    let text = file("tpu-v5e").unwrap();
    let section = &text[text.find("[systolic]").unwrap()..];
    let found = problems(&format!("{}\n{section}", file("i7-12700k").unwrap()));
    assert_eq!(found.iter().map(|problem| problem.field.as_str()).collect::<Vec<_>>(), ["systolic"]);
    assert_eq!(found[0].rule, "class-section");
    let found = problems(text.split("[systolic]").next().unwrap());
    assert_eq!((found[0].rule, found[0].field.as_str(), found.len()), ("class-section", "systolic", 1));
}

#[test]
fn a_cpu_has_caches() {
    let text = file("i7-12700k").unwrap();
    let without = text.split("[[cpu.caches]]").next().unwrap().replace("[cpu]", "[cpu]\ncaches = []");
    let found = problems(&without);
    assert_eq!((found[0].rule, found[0].field.as_str(), found.len()), ("caches", "cpu.caches", 1));
}

#[test]
fn every_rule_is_tested_here() {
    let source = include_str!("rules.rs");
    for rule in RULES {
        assert!(source.contains(&format!("\"{}\"", rule.name)), "no test breaks `{}`", rule.name);
    }
}

/// What a prototype of this program had wrong.
#[test]
fn known_slips_are_refused() {
    for (device, from, to) in [
        ("h100-pcie", "count = { value = 114", "count = { value = 132"),
        ("v100-sxm2", "i8 = { value = 62.8", "i8 = { value = 125"),
        ("tpu-v4", "count = { value = 8", "count = { value = 2"),
        ("jetson-orin-nano", "count = { value = 8", "count = { value = 16"),
        ("jetson-thor", "count = { value = 20", "count = { value = 64"),
        ("l4", "count = { value = 58", "count = { value = 60"),
        ("xeon-8490h", "bf16 = { value = 233", "bf16 = { value = 44.5"),
        ("jetson-orin-agx", "clock_ghz = { value = 1.3", "clock_ghz = { value = 1.35e6"),
    ] {
        assert!(!problems(&changed(device, from, to)).is_empty(), "{device}: {to}");
    }
}

#[test]
fn all_problems_come_at_once() {
    let text = file("h100-sxm").unwrap();
    let text = text.replace("revision = 1", "revision = 0").replace("warp = { value = 32", "warp = { value = 7");
    let text = text.replace("board_w = { value = 700", "board_w = { value = 1");
    let found = problems(&text);
    let rules: BTreeSet<&str> = found.iter().map(|problem| problem.rule).collect();
    assert_eq!(rules, BTreeSet::from(["revision", "warp", "power", "memory-power"]), "{found:#?}");
    let message = Device::from_toml(&text, "changed.toml").unwrap_err().to_string();
    for rule in rules {
        assert!(message.starts_with("changed.toml: ") && message.contains(rule), "{message}");
    }
}

#[test]
fn built_in_devices_pass_and_every_number_is_in_their_figures() {
    assert!(ids().len() >= 36);
    for id in ids() {
        let text = file(id).unwrap();
        let device = Device::from_toml(text, id).unwrap_or_else(|error| panic!("{error}"));
        let numbers = text.matches("value = ").count();
        assert_eq!((device.figures().len(), text.matches("source = ").count()), (numbers, numbers), "{id}");
    }
}

#[test]
fn an_estimate_says_from_what() {
    for id in ids() {
        let device = fusewright_device::find(id).unwrap();
        for figure in device.figures() {
            let estimated = figure.source.name() == "estimated";
            let plain = matches!(figure.field.as_str(), "units.fma_per_clock" | "systolic.rows" | "systolic.columns");
            assert!(!estimated || figure.note.is_some() || plain, "{id}: {} has no note", figure.field);
        }
    }
}

#[test]
fn the_documentation_has_every_rule_and_a_file_as_it_is() {
    let page = include_str!("../../../docs/devices.md");
    for rule in RULES {
        let row = format!("| `{}` | {} |", rule.name, rule.says);
        assert!(page.contains(&row), "docs/devices.md lacks: {row}");
    }
    assert!(page.contains(file("l4").unwrap().trim_end()), "docs/devices.md shows an old l4.toml");
}
