//! Tables of sines and cosines of positions, which classes compute when they are made.

use fusewright_ir::Content;

use crate::builder::{floats, holds};
use crate::frequencies::Frequencies;

/// Sines, then cosines, of rows' positions at the usual speeds of rotary positions, `[rows, width]`; `None` for a table that
/// is too large to be computed at once.
pub(crate) fn table(rows: u64, width: u64) -> Option<Content> {
    let speeds = Frequencies::plain().of_pairs(width.div_ceil(2), 0)?;
    held(rows, width, &speeds, |_| 1.0)
}

/// The same at speeds that fall from one radian to the ten-thousandth of it; the row of padding, which no position has,
/// holds zeros.
pub(crate) fn padded(rows: u64, width: u64) -> Option<Content> {
    let half = width / 2;
    let step = 10_000_f64.ln() / half.saturating_sub(1).max(1) as f64;
    let speeds: Vec<f64> = (0..half).map(|pair| (-step * pair as f64).exp()).collect();
    held(rows, width, &speeds, |row| if row == 1 { 0.0 } else { 1.0 })
}

fn held(rows: u64, width: u64, speeds: &[f64], factor: impl Fn(u64) -> f64) -> Option<Content> {
    if !holds(rows, width) {
        return None;
    }
    let (mut values, width) = (Vec::new(), usize::try_from(width).ok()?);
    for row in 0..rows {
        let angles = speeds.iter().map(|speed| row as f64 * speed);
        let both = angles.clone().map(f64::sin).chain(angles.map(f64::cos)).map(|value| value * factor(row));
        values.extend(both.chain(std::iter::repeat(0.0)).take(width));
    }
    Some(floats(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(content: Option<Content>) -> Vec<f64> {
        let Some(Content::Floats(values)) = content else { panic!("{content:?}") };
        values.to_vec()
    }

    #[test]
    fn rows_hold_sines_then_cosines() {
        let found = values(table(2, 4));
        let expected = [0.0, 0.0, 1.0, 1.0, 1_f64.sin(), 0.01_f64.sin(), 1_f64.cos(), 0.01_f64.cos()];
        assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12), "{found:?}");
    }

    #[test]
    fn the_row_of_padding_is_zero_and_an_odd_width_is_filled() {
        let found = values(padded(3, 5));
        let zeros = [4, 5, 6, 7, 8, 9, 14];
        assert!(zeros.iter().all(|&at| found[at].abs() < 1e-300), "{found:?}");
        assert!((found[11] - 2e-4_f64.sin()).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn a_huge_table_is_left_out() {
        assert_eq!(table(1 << 24, 1 << 24), None);
    }
}
