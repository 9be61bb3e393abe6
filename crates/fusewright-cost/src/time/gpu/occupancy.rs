//! How many blocks of a tile fit on a multiprocessor at once, and what stops the next one.

use std::fmt;

use fusewright_device::Device;

use super::tiles::{STEP, Tile};

/// What is used up first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The register file.
    Registers,
    /// Shared memory.
    SharedMemory,
    /// Resident threads.
    Threads,
}

/// Blocks of one kernel on one multiprocessor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Occupancy {
    /// Blocks resident at once; 0 where not even one fits.
    pub blocks: u32,
    /// What limits them.
    pub limit: Limit,
    /// Operand tiles in flight of each block.
    pub stages: u32,
    /// Registers of a block, KiB.
    pub registers_kib: f64,
    /// Shared memory of a block, KiB.
    pub shared_kib: f64,
}

/// Registers of a thread besides its sums: operands, addresses, counters.
const OTHER_REGISTERS: u32 = 64;
/// Operand tiles that kernels keep in flight if memory allows.
const MOST_STAGES: u32 = 4;
/// Fewest: one in use, one arriving.
const LEAST_STAGES: u32 = 2;

/// Blocks of a matrix product with this tile, sums in single precision, operands of `element_bytes`.
pub(super) fn occupancy(device: &Device, tile: Tile, element_bytes: u32) -> Occupancy {
    let threads: u32 = if tile.rows * tile.cols > 128 * 64 { 256 } else { 128 };
    let registers = (tile.rows * tile.cols + OTHER_REGISTERS * threads) * 4;
    // A step is 128 bytes of a row of operands, a full line of cache, whatever the element type.
    let step = (2 * STEP / element_bytes.max(1)).max(1);
    let stage = element_bytes.max(1) * step * (tile.rows + tile.cols);
    let kib = |quantity: Option<f64>, usual: f64| quantity.filter(|it| it.is_finite()).unwrap_or(usual) * 1024.0;
    let register_file = kib(device.units.registers_kib.as_ref().map(|it| it.value), 256.0);
    let on_chip = kib(device.units.on_chip_kib.as_ref().map(|it| it.value), 64.0);
    let per_block = kib(device.gpu.as_ref().map(|it| it.block_on_chip_kib.value), on_chip / 1024.0).min(on_chip);
    let stages = (LEAST_STAGES..=MOST_STAGES).rev().find(|stages| f64::from(stages * stage) <= per_block);
    let resident_threads = device.gpu.as_ref().map_or(2048, |it| it.threads_per_unit.value);

    let by_registers = fit(register_file, registers);
    let shared = stages.unwrap_or(LEAST_STAGES) * stage;
    let by_shared = if stages.is_some() { fit(on_chip, shared) } else { 0 };
    let by_threads = resident_threads / threads;
    let blocks = by_registers.min(by_shared).min(by_threads);
    let limit = if blocks == by_shared {
        Limit::SharedMemory
    } else if blocks == by_registers {
        Limit::Registers
    } else {
        Limit::Threads
    };
    let stages = stages.unwrap_or(LEAST_STAGES);
    let to_kib = |bytes: u32| f64::from(bytes) / 1024.0;
    Occupancy { blocks, limit, stages, registers_kib: to_kib(registers), shared_kib: to_kib(shared) }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small, positive whole number; `as` saturates"
)]
fn fit(room: f64, need: u32) -> u32 {
    (room / f64::from(need.max(1))).floor() as u32
}

impl fmt::Display for Occupancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = match self.limit {
            Limit::Registers => "registers",
            Limit::SharedMemory => "shared memory",
            Limit::Threads => "threads",
        };
        let Occupancy { blocks, stages, registers_kib, shared_kib, .. } = self;
        write!(f, "{blocks} blocks a multiprocessor, limited by {limit} ")?;
        write!(f, "({registers_kib:.0} KiB of registers, {shared_kib:.0} KiB of shared memory in {stages} stages each)")
    }
}
