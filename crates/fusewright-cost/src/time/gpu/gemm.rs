//! Time of matrix products: the best tile and split of the sum, priced by waves of blocks against memory.

use fusewright_device::Device;
use fusewright_ir::DType;

use super::coefficients::{Coefficients, GemmCoefficients};
use super::machine::{Machine, overlapped};
use super::occupancy::{Occupancy, occupancy};
use super::tiles::{LARGEST, LEAST_SPLIT_TERMS, MATRIX, SPLITS, STEP, Tile, VECTOR};
use crate::time::{Gemm, contraction_peak};

/// Share of the general-purpose rate that products reach without tiles, one dot product a thread or warp: what is left
/// for depthwise convolutions and single rows.
const UNTILED_EFFICIENCY: f64 = 0.25;
/// Columns or rows up to which such kernels exist.
const UNTILED_WIDTH: u64 = 8;

/// How a product is cut and what that takes, s.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// Block shape; none where the product is computed without tiles.
    pub(super) tile: Option<Tile>,
    /// Parts of the sum.
    pub(super) split: u32,
    /// Blocks for each multiprocessor, the last wave weighted by what it costs.
    pub(super) waves: f64,
    /// Arithmetic.
    pub(super) compute: f64,
    /// Main memory.
    pub(super) memory: f64,
    /// Quantisation of activations, a kernel of its own.
    pub(super) quantise: f64,
    /// Launch and start-up.
    pub(super) start: f64,
    /// All of it.
    pub(super) total: f64,
}

/// Which unit multiplies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Matrix,
    MatrixEightBit,
    Vector,
}

pub(super) fn unit(device: &Device, dtype: DType) -> Unit {
    match dtype {
        DType::F16 | DType::Bf16 if device.peak.f16.is_some() || device.peak.bf16.is_some() => Unit::Matrix,
        DType::I8 | DType::U8 | DType::I4 | DType::U4 => Unit::Matrix,
        DType::F8E4M3 | DType::F8E5M2 => Unit::MatrixEightBit,
        _ => Unit::Vector,
    }
}

/// The cheapest way to cut the product of matrices whose rows start anywhere.
pub(super) fn cut(device: &Device, gemm: &Gemm, coefficients: &Coefficients) -> Cut {
    let share = access_share(gemm);
    let set = GemmCoefficients {
        efficiency: coefficients.gemm.efficiency * share,
        bandwidth: coefficients.gemm.bandwidth * share,
        ..coefficients.gemm
    };
    cut_aligned(device, gemm, &Coefficients { gemm: set, ..*coefficients })
}

/// The cheapest way to cut the product of matrices whose rows start where the widest access may.
pub(super) fn cut_aligned(device: &Device, gemm: &Gemm, coefficients: &Coefficients) -> Cut {
    let machine = Machine::new(device);
    let unit = unit(device, gemm.input);
    let set = match unit {
        Unit::Matrix => &coefficients.gemm,
        Unit::MatrixEightBit => &coefficients.gemm_f8,
        Unit::Vector => &coefficients.gemm_vector,
    };
    let mut best = tiled(device, &machine, gemm, set, unit);
    // Matrix units have no such kernels for few rows; groups of few features are convolved on the general-purpose units.
    let narrow = if unit == Unit::Vector { gemm.n.min(gemm.m) } else { gemm.n };
    if narrow <= UNTILED_WIDTH {
        let other = untiled(&machine, gemm, set);
        if other.total < best.total {
            best = other;
        }
    }
    if unit == Unit::MatrixEightBit {
        let activations = gemm.batch as f64 * gemm.m as f64 * gemm.k as f64;
        let bytes = coefficients.quantise.bytes_per_element * activations;
        best.quantise = bytes / machine.bandwidth + coefficients.quantise.start_us * 1e-6;
        best.total += best.quantise;
    }
    best
}

/// Share of its rates that a product on matrix units keeps where its rows are no multiples of [`ACCESS`]: kernels for
/// narrower accesses are slower. Read off the products of `python/accuracy/measured/h100-sxm/timm-ops.csv`, which took
/// 1.5 to 2.4 times as long, and off whole models.
const NARROW_SHARE: f64 = 0.6;
/// Bytes of the widest access to memory (NVIDIA, "Matrix Multiplication Background": dimensions should be multiples of it).
const ACCESS: u64 = 16;

fn access_share(gemm: &Gemm) -> f64 {
    let is_wide = |row: u64| row == 1 || is_wide(gemm.input, row);
    if is_wide(gemm.n) && is_wide(gemm.k) { 1.0 } else { NARROW_SHARE }
}

/// Rows of so many elements start where the widest access may.
pub(super) fn is_wide(dtype: DType, row: u64) -> bool {
    dtype.bytes(row).is_multiple_of(ACCESS)
}

fn tiled(device: &Device, machine: &Machine, gemm: &Gemm, set: &GemmCoefficients, unit: Unit) -> Cut {
    let tiles: &[Tile] = if unit == Unit::Vector { &VECTOR } else { &MATRIX };
    let rate = rate(device, machine, gemm.input, set) / machine.units;
    let start = machine.floor + set.start_us * 1e-6;
    let results = gemm.batch as f64 * gemm.m as f64 * gemm.n as f64;
    let mut best: Option<Cut> = None;
    let element = u32::try_from(gemm.input.bytes(1)).unwrap_or(8);
    for &tile in tiles {
        if occupancy(device, tile, element).blocks == 0 {
            continue;
        }
        let blocks = gemm.batch as f64 * parts(gemm.m, tile.rows) * parts(gemm.n, tile.cols);
        let block_rate = rate * (tile.reuse() / LARGEST.reuse()).powf(set.shape);
        for split in SPLITS {
            if split > 1 && gemm.k / u64::from(split) < LEAST_SPLIT_TERMS {
                break;
            }
            let waves = waves(blocks * f64::from(split), machine.units, set.tail);
            let terms = (parts(gemm.k, STEP * split) + set.fill_steps) * f64::from(STEP);
            let compute = waves * 2.0 * tile.area() * terms / block_rate;
            let sums = if split > 1 { 4.0 * f64::from(split) * results } else { 0.0 };
            let memory = (gemm.bytes as f64 + sums) / (machine.bandwidth * set.bandwidth);
            // The parts of a split sum are added up by a second launch.
            let start = if split > 1 { start + machine.floor } else { start };
            // What overlaps takes at least as long as its longer part.
            if best.is_some_and(|best| compute.max(memory) + start >= best.total) {
                continue;
            }
            let total = overlapped(compute, memory, set.overlap) + start;
            if best.is_none_or(|best| total < best.total) {
                best = Some(Cut { tile: Some(tile), split, waves, compute, memory, quantise: 0.0, start, total });
            }
        }
    }
    best.unwrap_or_else(|| untiled(machine, gemm, set))
}

/// Every result by itself on general-purpose units: no padding and no reuse but that of caches.
fn untiled(machine: &Machine, gemm: &Gemm, set: &GemmCoefficients) -> Cut {
    let compute = gemm.flops() / (machine.vector_peak * UNTILED_EFFICIENCY);
    let memory = gemm.bytes as f64 / (machine.bandwidth * set.bandwidth);
    let start = machine.floor + set.start_us * 1e-6;
    let total = overlapped(compute, memory, set.overlap) + start;
    Cut { tile: None, split: 1, waves: 0.0, compute, memory, quantise: 0.0, start, total }
}

/// FLOP/s of the whole device in its largest tile: a share of the peak, and no more than board power feeds.
fn rate(device: &Device, machine: &Machine, dtype: DType, set: &GemmCoefficients) -> f64 {
    let sustained = contraction_peak(device, dtype) * set.efficiency;
    let powered = machine.work_power / (set.pj_per_flop.max(0.0) * 1e-12);
    sustained.min(powered).max(1.0)
}

/// Full rounds of one block a multiprocessor, and what the last, partial round costs.
pub(super) fn waves(blocks: f64, units: f64, tail: f64) -> f64 {
    let full = (blocks / units).floor();
    let rest = blocks - full * units;
    if rest <= 0.0 {
        full
    } else if full < 1.0 {
        1.0
    } else {
        full + tail + (1.0 - tail) * rest / units
    }
}

fn parts(extent: u64, size: u32) -> f64 {
    extent.div_ceil(u64::from(size.max(1))) as f64
}

/// How a product occupies a multiprocessor when it is cut as cheaply as can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Block shape.
    pub tile: Tile,
    /// Parts of the sum.
    pub split: u32,
    /// Rounds of blocks, the last weighted by what it costs.
    pub waves: f64,
    /// Blocks on a multiprocessor.
    pub occupancy: Occupancy,
}

/// The grid that the model prices a product with; none where it is computed without tiles.
pub fn grid(device: &Device, gemm: &Gemm) -> Option<Grid> {
    let cut = cut(device, gemm, Coefficients::of(&device.family));
    let bytes = u32::try_from(gemm.input.bytes(1)).unwrap_or(8);
    let grid = |tile| Grid { tile, split: cut.split, waves: cut.waves, occupancy: occupancy(device, tile, bytes) };
    cut.tile.map(grid)
}
