//! Time of a product on all arrays of a device, taken apart.

use fusewright_device::{Device, Systolic};
use fusewright_ir::DType;

use super::cycles::{Layout, crossing};
use crate::time::contraction_peak;
use crate::time::parts::whole;

/// What the arrays spend their time on, µs. The sum is the time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ArrayTime {
    /// Needed multiply-accumulates at the peak rate.
    pub needed: f64,
    /// Multiply-accumulators beyond the edges of the operands.
    pub edges: f64,
    /// Arrays that wait because the folds do not divide among them.
    pub idle: f64,
    /// Tiles being put in place, operands on their way through.
    pub fill: f64,
}

impl std::ops::Add for ArrayTime {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            needed: self.needed + other.needed,
            edges: self.edges + other.edges,
            idle: self.idle + other.idle,
            fill: self.fill + other.fill,
        }
    }
}

impl std::ops::Mul<f64> for ArrayTime {
    type Output = Self;

    fn mul(self, share: f64) -> Self {
        Self {
            needed: self.needed * share,
            edges: self.edges * share,
            idle: self.idle * share,
            fill: self.fill * share,
        }
    }
}

/// `batch` products of [m, k] by [k, n]. The arrays share the folds; where there are fewer folds than arrays, several
/// arrays hold the same tile and share what streams past it.
///
/// A type that runs at another rate than the one the array was built for changes the length of a cycle, not their number:
/// an array that does two 8-bit products in the place of one 16-bit product has half the cycle.
pub(super) fn array_time(
    device: &Device,
    array: &Systolic,
    dtype: DType,
    batch: u64,
    (m, n, k): (u64, u64, u64),
) -> ArrayTime {
    let (rows, columns) = (u64::from(array.rows.value.max(1)), u64::from(array.columns.value.max(1)));
    let arrays = whole(device.units.count.value);
    let layout = Layout::of(array.dataflow, rows, m, n, k);
    let folds = layout.folds(rows, columns).saturating_mul(batch);
    let slots = rows as f64 * columns as f64 * arrays as f64;
    let cycle_us = cycle_us(device, dtype, slots);

    let needed = batch as f64 * m as f64 * n as f64 * k as f64 / slots;
    let streamed = folds as f64 * layout.streamed as f64 / arrays as f64;
    // Sums that stay cannot be split along what streams without another pass to add them up.
    let most_shares = if layout.load == 0 { 1 } else { arrays };
    let (cycles, busy) = shares(most_shares)
        .map(|share| schedule(&layout, array.double_buffered, (rows, columns), folds, arrays, share))
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap_or_default();
    ArrayTime {
        needed: needed * cycle_us,
        edges: (streamed - needed).max(0.0) * cycle_us,
        idle: (busy - streamed).max(0.0) * cycle_us,
        fill: (cycles - busy).max(0.0) * cycle_us,
    }
}

/// Powers of two up to `most`, and `most` itself: how many arrays may share what streams past a tile.
fn shares(most: u64) -> impl Iterator<Item = u64> {
    let powers =
        std::iter::successors(Some(1_u64), |share| share.checked_mul(2)).take_while(move |&share| share < most);
    powers.chain(std::iter::once(most.max(1)))
}

/// Cycles of the array that has most to do, and of these the cycles in which something streams.
fn schedule(
    layout: &Layout,
    double_buffered: bool,
    (rows, columns): (u64, u64),
    folds: u64,
    arrays: u64,
    share: u64,
) -> (f64, f64) {
    let rounds = folds.saturating_mul(share).div_ceil(arrays) as f64;
    let streamed = layout.streamed.div_ceil(share);
    let crossing = crossing(rows, columns);
    let cycles = if rounds == 0.0 {
        0.0
    } else if double_buffered {
        // The next tile takes a cycle a row to arrive, behind what streams now.
        rounds * streamed.max(rows) as f64 + crossing as f64
    } else {
        rounds * layout.load.saturating_add(streamed).saturating_add(crossing) as f64 - 1.0
    };
    (cycles, rounds * streamed as f64)
}

/// Length of a cycle in which all arrays together do `slots` multiply-accumulates, µs.
fn cycle_us(device: &Device, dtype: DType, slots: f64) -> f64 {
    1e6 * 2.0 * slots / contraction_peak(device, dtype)
}
