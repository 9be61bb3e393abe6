//! Rules of sizes, counts and power.

use super::{Found, RANGE, gpu, short, sound, sound_count, sound_if_given};
use crate::Device;

pub(super) fn range(device: &Device, found: &mut Found) {
    for figure in device.figures() {
        if !RANGE.contains(&figure.value) {
            let text = format!("{:?} is out of range; expected a number from 1e-6 to 1e9", figure.value);
            found.add(figure.field, text);
        }
    }
}

pub(super) fn unit_count(device: &Device, found: &mut Found) {
    let Some(count) = sound(&device.units.count) else { return };
    if count.fract() != 0.0 {
        found.add("units.count", format!("{count} is not whole; put what differs between units into fma_per_clock"));
    }
}

pub(super) fn clock(device: &Device, found: &mut Found) {
    let Some(clock) = sound(&device.units.clock_ghz) else { return };
    if !(0.05..=10.0).contains(&clock) {
        found.add("units.clock_ghz", format!("{clock} GHz is no clock; expected 0.05 to 10: is it in MHz or Hz?"));
    }
}

pub(super) fn power(device: &Device, found: &mut Found) {
    let (Some(board), Some(idle)) = (sound(&device.power.board_w), sound(&device.power.idle_w)) else { return };
    if board <= idle {
        let text = format!("{board} W is not more than the {idle} W of power.idle_w; nothing would be left for work");
        found.add("power.board_w", text);
    }
}

pub(super) fn memory_power(device: &Device, found: &mut Found) {
    // An accelerator without memory of its own uses that of its host, whose power is not on its board.
    if device.memory.capacity_gb.is_none() {
        return;
    }
    let (Some(board), Some(energy), Some(rate)) =
        (sound(&device.power.board_w), sound(&device.power.dram_pj_per_byte), sound(&device.memory.bandwidth_gb_s))
    else {
        return;
    };
    let watts = energy * rate / 1e3;
    if watts > board {
        let text = format!(
            "{energy} pJ a byte at {rate} GB/s are {} W, more than the {board} W of power.board_w; expected pJ a byte, \
             not a bit or an access",
            short(watts)
        );
        found.add("power.dram_pj_per_byte", text);
    }
}

pub(super) fn energy_order(device: &Device, found: &mut Found) {
    let power = &device.power;
    let levels = [
        ("power.on_chip_pj_per_byte", sound_if_given(power.on_chip_pj_per_byte.as_ref())),
        ("power.last_level_pj_per_byte", sound_if_given(power.last_level_pj_per_byte.as_ref())),
        ("power.dram_pj_per_byte", sound(&power.dram_pj_per_byte)),
    ];
    let levels: Vec<(&str, f64)> = levels.into_iter().filter_map(|(field, energy)| Some((field, energy?))).collect();
    for pair in levels.windows(2) {
        let [(near, cheap), (far, dear)] = pair else { continue };
        if cheap > dear {
            found.add(*near, format!("{cheap} pJ a byte is more than the {dear} of {far}, which is farther away"));
        }
    }
}

pub(super) fn block_on_chip(device: &Device, found: &mut Found) {
    let Some(gpu) = gpu(device) else { return };
    let given = [("on_chip_kib", &device.units.on_chip_kib), ("registers_kib", &device.units.registers_kib)];
    for (field, _) in given.iter().filter(|(_, quantity)| quantity.is_none()) {
        found.add(format!("units.{field}"), "it is missing; blocks of a GPU share it, so that occupancy needs it");
    }
    let (Some(block), Some(unit)) = (sound(&gpu.block_on_chip_kib), sound_if_given(device.units.on_chip_kib.as_ref()))
    else {
        return;
    };
    if block > unit {
        let text = format!("{block} KiB is more than the {unit} KiB of units.on_chip_kib, which all blocks share");
        found.add("gpu.block_on_chip_kib", text);
    }
}

pub(super) fn warp(device: &Device, found: &mut Found) {
    let Some(gpu) = gpu(device) else { return };
    let (Some(warp), Some(threads)) = (sound_count(&gpu.warp), sound_count(&gpu.threads_per_unit)) else { return };
    if !warp.is_power_of_two() || warp > 128 {
        found.add("gpu.warp", format!("{warp} is no width of a warp; expected a power of two up to 128"));
    } else if threads % warp != 0 {
        found.add("gpu.threads_per_unit", format!("{threads} is not a multiple of the {warp} of gpu.warp"));
    }
}

pub(super) fn compute_capability(device: &Device, found: &mut Found) {
    let Some(text) = gpu(device).and_then(|gpu| gpu.compute_capability.as_deref()) else { return };
    let digits = |part: &str| (1..=2).contains(&part.len()) && part.chars().all(|digit| digit.is_ascii_digit());
    if !text.split_once('.').is_some_and(|(major, minor)| digits(major) && digits(minor)) {
        let expected = "expected two numbers with a point, e.g. \"9.0\", or nothing where CUDA does not run";
        found.add("gpu.compute_capability", format!("`{text}` is none; {expected}"));
    }
}
