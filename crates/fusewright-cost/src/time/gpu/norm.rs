//! Time of norms over rows: what they read, some of it twice, beside what blocks of threads take for their rows.
//!
//! A row is read for its mean and variance and once more to be normalised. The second reading costs nothing while the
//! rows that are under way fit into the last cache, and as much as the first where they are too many for it.

use super::coefficients::NormCoefficients;
use super::machine::{Machine, overlapped};
use crate::time::{Stream, StreamKind};

/// Threads of a block that has a row to itself, in PyTorch's kernel.
const BLOCK_THREADS: f64 = 128.0;
/// Bytes of a row that a warp of such a block takes at once, 16 a thread.
const WARP_STEP: u64 = 512;
/// Bytes that the whole block takes at once.
const BLOCK_STEP: u64 = 2048;

/// Bytes from and to main memory, what is read again among them.
pub(super) fn bytes(machine: &Machine, stream: &Stream, set: &NormCoefficients) -> f64 {
    let once = stream.bytes as f64;
    let Some(cache) = machine.last_level else { return once };
    let row = stream.dtype.bytes(stream.cols) as f64;
    let blocks = (machine.threads / BLOCK_THREADS).floor().max(1.0);
    let under_way = (stream.rows as f64).min(machine.units * blocks) * row;
    let again = (stream.rows as f64 * row).min(once / 2.0);
    once + again * lost(under_way / cache, set)
}

/// Share of the second reading that main memory has to answer, where rows under way take `filled` of the last cache.
fn lost(filled: f64, set: &NormCoefficients) -> f64 {
    ((filled / set.kept).ln() / (set.lost / set.kept).ln()).clamp(0.0, 1.0)
}

/// Time of the blocks of threads, s; nothing where a kernel shares its threads among short rows.
pub(super) fn blocks(machine: &Machine, stream: &Stream, set: &NormCoefficients) -> f64 {
    if stream.kind != StreamKind::BlockNorm {
        return 0.0;
    }
    let warps_of_block = (BLOCK_STEP / WARP_STEP) as f64;
    let row = stream.dtype.bytes(stream.cols);
    let steps = if row > BLOCK_STEP {
        row.div_ceil(BLOCK_STEP) as f64
    } else {
        row.div_ceil(WARP_STEP) as f64 / warps_of_block
    };
    stream.rows as f64 * (set.row_cycles + set.step_cycles * steps) / (machine.units * machine.clock)
}

/// Both at once, s.
pub(super) fn together(blocks: f64, memory: f64, set: &NormCoefficients) -> f64 {
    overlapped(blocks, memory, set.overlap)
}

#[cfg(test)]
mod tests {
    use fusewright_ir::DType;

    use super::*;

    const SET: NormCoefficients =
        NormCoefficients { row_cycles: 300.0, step_cycles: 200.0, kept: 0.4, lost: 0.8, overlap: 4.0 };

    fn norm(kind: StreamKind, rows: u64, cols: u64) -> Stream {
        Stream { kind, rows, cols, dtype: DType::F32, flops: 0, bytes: 8 * rows * cols }
    }

    fn machine() -> Machine {
        let device = fusewright_device::find("a100-pcie-40").unwrap();
        Machine::new(&device)
    }

    #[test]
    fn long_rows_are_read_twice_short_ones_and_few_are_not() {
        let share = |rows, cols| {
            let stream = norm(StreamKind::LayerNorm, rows, cols);
            bytes(&machine(), &stream, &SET) / stream.bytes as f64
        };
        assert!((share(1 << 20, 1024) - 1.0).abs() < 1e-12);
        assert!((share(1 << 20, 16384) - 1.5).abs() < 1e-12);
        assert!((share(64, 16384) - 1.0).abs() < 1e-12, "64 rows stay in the cache");
        let between = share(1 << 20, 3072);
        assert!(between > 1.05 && between < 1.45, "{between}");
    }

    #[test]
    fn a_block_takes_its_turn_however_short_the_row() {
        let cycles = |cols| {
            let machine = machine();
            blocks(&machine, &norm(StreamKind::BlockNorm, 1, cols), &SET) * machine.units * machine.clock
        };
        for (cols, expected) in [(1, 350.0), (128, 350.0), (129, 400.0), (512, 500.0), (513, 700.0), (1600, 1100.0)] {
            assert!((cycles(cols) - expected).abs() < 1e-6, "{cols}: {}", cycles(cols));
        }
        assert!(blocks(&machine(), &norm(StreamKind::LayerNorm, 1, 128), &SET).abs() < 1e-30);
    }
}
