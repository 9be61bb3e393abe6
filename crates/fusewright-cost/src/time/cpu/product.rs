//! Matrix products on CPUs: register tiles, shared among cores, fed through the caches.

use super::memory::Traffic;
use super::{Machine, uneven};
use crate::bounds::{compulsory_words, tiled_words};
use crate::time::parts::{Parts, whole};
use crate::time::{Gemm, Limiter, Term};

/// Rows of the result that a core keeps in registers at a time.
const TILE_ROWS: u64 = 6;
/// Vector registers of a row of that tile.
const TILE_VECTORS: u64 = 2;

pub(super) fn add(parts: &mut Parts, machine: &Machine, gemm: &Gemm) {
    let lanes = machine.lanes(gemm.input);
    let needed = 1e6 * gemm.flops() / machine.product_rate(gemm.input);
    // A tile that is not full takes as long as one that is, unless there is no other.
    let columns = lanes.saturating_mul(TILE_VECTORS.min(gemm.n.div_ceil(lanes)).max(1));
    let tail = needed * (uneven(gemm.n, columns) - 1.0);
    let rows = (needed + tail) * (uneven(gemm.m, TILE_ROWS.min(gemm.m).max(1)) - 1.0);
    let tiles = gemm.batch.saturating_mul(gemm.m.div_ceil(TILE_ROWS)).saturating_mul(gemm.n.div_ceil(columns));
    let idle = (needed + tail + rows) * (uneven(tiles, machine.cores) - 1.0);
    let terms = [
        Term { name: "arithmetic", us: needed },
        Term { name: "vector tails", us: tail },
        Term { name: "row tails", us: rows },
        Term { name: "idle cores", us: idle },
    ];
    parts.side_by_side(Limiter::Compute, &terms);
    traffic(machine, gemm).add_to(parts);
}

/// Operands once, and what a cache is filled with again because a block of the product is larger than it.
fn traffic<'a>(machine: &'a Machine<'a>, gemm: &Gemm) -> Traffic<'a> {
    let element = gemm.input.bytes(1024) as f64 / 1024.0;
    let compulsory = compulsory_words(gemm.m, gemm.n, gemm.k) as f64;
    let mut traffic = Traffic::of_operands(machine, gemm.bytes);
    let levels = machine.cpu.caches.len();
    for (index, cache) in machine.cpu.caches.iter().enumerate() {
        let last = index + 1 == levels;
        let owners = if last { 1.0 } else { machine.of as f64 };
        let words = whole(cache.kib.value * 1024.0 / element / owners);
        let moved = tiled_words(gemm.m, gemm.n, gemm.k, words) - if last { compulsory } else { 0.0 };
        traffic.fill(index, moved * element * gemm.batch as f64);
    }
    traffic
}
