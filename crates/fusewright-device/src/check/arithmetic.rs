//! Rules of peak rates: identities with units and clocks, and how types compare.

use super::{Found, TOLERANCE, agree, cpu, short, sound, sound_count, sound_if_given, systolic};
use crate::Device;

pub(super) fn fma_dtype(device: &Device, found: &mut Found) {
    let name = &device.units.fma_dtype;
    if device.peak.get(name).is_some() {
        return;
    }
    let given = device.peak.by_dtype().into_iter().filter(|(_, rate)| rate.is_some());
    let given: Vec<&str> = given.map(|(name, _)| name).collect();
    let expected = if given.is_empty() { "none; give one".to_owned() } else { given.join(", ") };
    found.add("units.fma_dtype", format!("`{name}` names no rate of [peak]; expected one that is given: {expected}"));
}

/// TFLOP/s that the units do at their clock.
fn rate_of_units(device: &Device) -> Option<f64> {
    let units = &device.units;
    Some(sound(&units.count)? * sound(&units.fma_per_clock)? * 2.0 * sound(&units.clock_ghz)? / 1e3)
}

pub(super) fn peak_identity(device: &Device, found: &mut Found) {
    let dtype = &device.units.fma_dtype;
    let (Some(rate), Some(peak)) = (rate_of_units(device), sound_if_given(device.peak.get(dtype))) else { return };
    if !agree(peak, rate) {
        let text = format!(
            "{} is not count × fma_per_clock × 2 × clock_ghz = {} TFLOP/s; expected within 2 %: is the rate one with \
             structured sparsity, or the count that of another product?",
            short(peak),
            short(rate)
        );
        found.add(format!("peak.{dtype}"), text);
    }
}

/// Pairs of types of which the second is never slower.
const FASTER: &[(&str, &str)] = &[
    ("f64", "f32"),
    ("f32", "tf32"),
    ("f32", "f16"),
    ("f32", "bf16"),
    ("tf32", "f16"),
    ("tf32", "bf16"),
    ("f16", "f8"),
    ("bf16", "f8"),
    ("f32", "i8"),
];

pub(super) fn order(device: &Device, found: &mut Found) {
    for (wide, narrow) in FASTER {
        let rate = |dtype| sound_if_given(device.peak.get(dtype));
        let (Some(slow), Some(fast)) = (rate(wide), rate(narrow)) else { continue };
        if slow > fast * (1.0 + TOLERANCE) {
            let text = format!("{} is less than the {} of {wide}; no wider type is faster", short(fast), short(slow));
            found.add(format!("peak.{narrow}"), text);
        }
    }
}

/// How rates of a family stand to each other.
struct Ratio {
    family: &'static str,
    rate: &'static str,
    to: &'static str,
    /// Products of a family may differ: cards for games sum half precision in single precision at half the rate.
    is_one_of: &'static [f64],
}

const RATIOS: &[Ratio] = &[
    Ratio { family: "volta", rate: "i8", to: "f32", is_one_of: &[4.0] },
    Ratio { family: "turing", rate: "i8", to: "f16", is_one_of: &[2.0] },
    Ratio { family: "ampere", rate: "tf32", to: "bf16", is_one_of: &[0.5] },
    Ratio { family: "ampere", rate: "f16", to: "bf16", is_one_of: &[1.0] },
    Ratio { family: "ampere", rate: "i8", to: "bf16", is_one_of: &[2.0, 4.0] },
    Ratio { family: "ada", rate: "tf32", to: "bf16", is_one_of: &[0.5] },
    Ratio { family: "ada", rate: "f16", to: "bf16", is_one_of: &[1.0] },
    Ratio { family: "ada", rate: "f8", to: "bf16", is_one_of: &[2.0] },
    Ratio { family: "ada", rate: "i8", to: "bf16", is_one_of: &[2.0, 4.0] },
    Ratio { family: "hopper", rate: "tf32", to: "bf16", is_one_of: &[0.5] },
    Ratio { family: "hopper", rate: "f16", to: "bf16", is_one_of: &[1.0] },
    Ratio { family: "hopper", rate: "f8", to: "bf16", is_one_of: &[2.0] },
    Ratio { family: "hopper", rate: "i8", to: "bf16", is_one_of: &[2.0] },
    Ratio { family: "blackwell", rate: "tf32", to: "bf16", is_one_of: &[0.5] },
    Ratio { family: "blackwell", rate: "f16", to: "bf16", is_one_of: &[1.0] },
    Ratio { family: "blackwell", rate: "f8", to: "bf16", is_one_of: &[2.0] },
    Ratio { family: "blackwell", rate: "i8", to: "bf16", is_one_of: &[2.0, 4.0] },
    Ratio { family: "cdna2", rate: "f16", to: "bf16", is_one_of: &[1.0] },
    Ratio { family: "cdna2", rate: "i8", to: "bf16", is_one_of: &[1.0] },
    Ratio { family: "cdna3", rate: "tf32", to: "bf16", is_one_of: &[0.5] },
    Ratio { family: "cdna3", rate: "f16", to: "bf16", is_one_of: &[1.0] },
    Ratio { family: "cdna3", rate: "f8", to: "bf16", is_one_of: &[2.0] },
    Ratio { family: "cdna3", rate: "i8", to: "bf16", is_one_of: &[2.0] },
];

/// A branch of a family has the family's rates: `ada-geforce` those of `ada`.
fn is_of(family: &str, root: &str) -> bool {
    family.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

pub(super) fn ratios(device: &Device, found: &mut Found) {
    for ratio in RATIOS.iter().filter(|ratio| is_of(&device.family, ratio.family)) {
        let rate = |dtype| sound_if_given(device.peak.get(dtype));
        let (Some(value), Some(base)) = (rate(ratio.rate), rate(ratio.to)) else { continue };
        if ratio.is_one_of.iter().any(|factor| agree(value, factor * base)) {
            continue;
        }
        let factors: Vec<String> = ratio.is_one_of.iter().map(ToString::to_string).collect();
        let text = format!(
            "{} is not {} times the {} of {}, as in the family {}; give dense rates of one accumulation type",
            short(value),
            factors.join(" or "),
            short(base),
            ratio.to,
            ratio.family
        );
        found.add(format!("peak.{}", ratio.rate), text);
    }
}

pub(super) fn simd(device: &Device, found: &mut Found) {
    let Some(cpu) = cpu(device) else { return };
    let (Some(bits), Some(ports)) = (sound_count(&cpu.simd_bits), sound_count(&cpu.fma_ports)) else { return };
    if !bits.is_power_of_two() || !(32..=4096).contains(&bits) {
        found.add("cpu.simd_bits", format!("{bits} is no width of a vector; expected a power of two from 32 to 4096"));
        return;
    }
    let units = &device.units;
    let (Some(count), Some(clock), Some(peak)) =
        (sound(&units.count), sound(&units.clock_ghz), sound_if_given(device.peak.f32.as_ref()))
    else {
        return;
    };
    let lanes = f64::from(bits / 32) * f64::from(ports);
    let most = count * clock * lanes * 2.0 / 1e3;
    if peak > most * (1.0 + TOLERANCE) {
        let text = format!(
            "{} is more than the vector units do, count × clock_ghz × simd_bits/32 × fma_ports × 2 = {} TFLOP/s; is it \
             the rate of a turbo clock?",
            short(peak),
            short(most)
        );
        found.add("peak.f32", text);
    }
}

pub(super) fn array(device: &Device, found: &mut Found) {
    let Some(systolic) = systolic(device) else { return };
    let (Some(rows), Some(columns)) = (sound_count(&systolic.rows), sound_count(&systolic.columns)) else { return };
    let Some(fma) = sound(&device.units.fma_per_clock) else { return };
    let cells = f64::from(rows) * f64::from(columns);
    if !agree(fma, cells) {
        let text = format!("{fma} is not systolic.rows × systolic.columns = {cells}; units.count counts the arrays");
        found.add("units.fma_per_clock", text);
    }
}
