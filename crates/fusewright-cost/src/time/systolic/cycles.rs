//! Cycles of one product on one systolic array, as SCALE-Sim counts them.
//!
//! An array of R × C multiply-accumulators holds a tile of one operand (or of the sums) and pumps the others through. The
//! product is folded: each fold fills the array, streams, and drains. With output-stationary flow, 64³ on 32 × 32 is 4
//! folds of 64 + 32 + 32 − 2 cycles, less the one that the last fold does not need.

use fusewright_device::Dataflow;

/// A product laid out on an array: which dimensions tile the array, which one streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Dimension along the rows of the array.
    pub(super) along_rows: u64,
    /// Dimension along its columns.
    pub(super) along_columns: u64,
    /// Dimension that streams through.
    pub(super) streamed: u64,
    /// Cycles to put a tile in place before anything streams: one a row, none for sums.
    pub(super) load: u64,
}

impl Layout {
    /// [m, k] · [k, n] with the given operand held still, on an array of `rows` rows.
    pub(super) fn of(dataflow: Dataflow, rows: u64, m: u64, n: u64, k: u64) -> Self {
        match dataflow {
            Dataflow::OutputStationary => Self { along_rows: m, along_columns: n, streamed: k, load: 0 },
            Dataflow::WeightStationary => Self { along_rows: k, along_columns: n, streamed: m, load: rows },
            Dataflow::InputStationary => Self { along_rows: k, along_columns: m, streamed: n, load: rows },
        }
    }

    /// Tiles that the array has to take one after the other.
    pub(super) fn folds(&self, rows: u64, columns: u64) -> u64 {
        let tiles = |size: u64, side: u64| size.div_ceil(side.max(1));
        tiles(self.along_rows, rows).saturating_mul(tiles(self.along_columns, columns))
    }
}

/// Cycles that operands take to cross an array once they all flow.
pub(super) fn crossing(rows: u64, columns: u64) -> u64 {
    rows.saturating_add(columns).saturating_sub(2)
}

/// Cycles of [m, k] · [k, n] on one array that overlaps nothing: folds · (load + streamed + R + C − 2) − 1.
pub fn systolic_cycles(dataflow: Dataflow, rows: u64, columns: u64, m: u64, n: u64, k: u64) -> u64 {
    let layout = Layout::of(dataflow, rows, m, n, k);
    let per_fold = layout.load.saturating_add(layout.streamed).saturating_add(crossing(rows, columns));
    layout.folds(rows, columns).saturating_mul(per_fold).saturating_sub(1)
}

/// Share of the multiply-accumulators' cycles that do needed work, 0 to 1.
pub fn systolic_utilisation(dataflow: Dataflow, rows: u64, columns: u64, m: u64, n: u64, k: u64) -> f64 {
    let cycles = systolic_cycles(dataflow, rows, columns, m, n, k) as f64;
    let slots = rows as f64 * columns as f64 * cycles;
    if slots > 0.0 { (m as f64 * n as f64 * k as f64 / slots).min(1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_are_those_of_scale_sim() {
        use Dataflow::{InputStationary, OutputStationary, WeightStationary};
        let shapes = [(64, 64, 64), (100, 70, 50), (197, 48, 64), (33, 65, 129), (128, 96, 32), (32, 32, 32)];
        let expected = [
            (OutputStationary, [503, 1343, 1763, 1145, 1127, 93]),
            (WeightStationary, [631, 1163, 1163, 1904, 665, 125]),
            (InputStationary, [631, 1311, 1987, 1589, 759, 125]),
        ];
        for (dataflow, cycles) in expected {
            for ((m, n, k), cycles) in shapes.into_iter().zip(cycles) {
                assert_eq!(systolic_cycles(dataflow, 32, 32, m, n, k), cycles, "{dataflow:?} {m}x{n}x{k}");
            }
        }
    }

    #[test]
    fn utilisation_is_needed_work_over_slots() {
        let used = systolic_utilisation(Dataflow::OutputStationary, 32, 32, 64, 64, 64);
        assert!((used - 262_144.0 / (1024.0 * 503.0)).abs() < 1e-12);
        assert!(systolic_utilisation(Dataflow::WeightStationary, 0, 0, 1, 1, 1).abs() < 1e-12);
    }
}
