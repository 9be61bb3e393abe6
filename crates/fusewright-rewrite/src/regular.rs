//! Literals that a few of their elements tell whole: numbers that are all equal, lines of equal steps, and planes whose
//! rows are the same band, moved by one from row to row, the same plane for each of a batch.
//!
//! Masks are told apart by looking at some elements. What they are made of must not hold anything in between.

/// The numbers of a tensor of this shape, row by row, are of such a kind.
pub(crate) fn is_regular(shape: &[u64], numbers: &[f64]) -> bool {
    let equal = |numbers: &[f64]| numbers.windows(2).all(|pair| same(pair[0], pair[1]));
    if equal(numbers) {
        return true;
    }
    if shape.iter().filter(|&&extent| extent != 1).count() == 1 {
        return numbers.windows(3).all(|step| same(step[1] - step[0], step[2] - step[1]));
    }
    let [.., rows, columns] = shape else { return false };
    let Ok(width) = usize::try_from(*columns) else { return false };
    let Some(area) = width.checked_mul(width).filter(|&area| area > 0 && rows == columns) else { return false };
    let mut planes = numbers.chunks(area);
    let Some(first) = planes.next().filter(|first| first.len() == area && is_band(first, width)) else { return false };
    planes.all(|plane| plane.len() == area && plane.iter().zip(first).all(|(one, other)| same(*one, *other)))
}

/// Infinities are equal to themselves, and no number is equal to another one.
fn same(one: f64, other: f64) -> bool {
    one.to_bits() == other.to_bits()
}

fn is_band(plane: &[f64], width: usize) -> bool {
    let line = |row: usize| &plane[row * width..(row + 1) * width];
    let moved = |row: usize| line(row)[1..].iter().zip(line(row - 1)).all(|(one, other)| same(*one, *other));
    let changes = |line: &mut dyn Iterator<Item = f64>| {
        let mut last: Option<f64> = None;
        let mut count = 0;
        for number in line {
            count += usize::from(last.is_some_and(|last| !same(last, number)));
            last = Some(number);
        }
        count
    };
    let first_column = &mut (0..width).map(|row| plane[row * width]);
    (1..width).all(moved) && changes(&mut line(0).iter().copied()) <= 1 && changes(first_column) <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(sees: impl Fn(usize, usize) -> bool) -> Vec<f64> {
        (0..81).map(|at| f64::from(u8::from(sees(at / 9, at % 9)))).collect()
    }

    #[test]
    fn bands_lines_and_constants_are_regular() {
        let regular = |sees: &dyn Fn(usize, usize) -> bool| is_regular(&[1, 1, 9, 9], &plane(sees));
        assert!(regular(&|_, _| true));
        assert!(regular(&|row, column| column <= row));
        assert!(regular(&|row, column| column <= row && row < column + 3));
        assert!(!regular(&|row, column| column <= row && (row, column) != (5, 3)), "a hole");
        assert!(!regular(&|row, column| column <= row && (row - column) % 3 == 0), "every third");
        assert!(!regular(&|row, column| row / 3 == column / 3), "blocks");
        assert!(is_regular(&[1, 5, 1], &[0.0, 1.0, 2.0, 3.0, 4.0]));
        assert!(!is_regular(&[1, 5, 1], &[0.0, 0.0, 1.0, 1.0, 1.0]), "two texts in a row");
        assert!(is_regular(&[], &[f64::NEG_INFINITY]));
        let causal = plane(|row, column| column <= row);
        let window = plane(|row, column| column <= row && row < column + 3);
        assert!(is_regular(&[2, 1, 9, 9], &[&causal[..], &causal[..]].concat()), "one for each of a batch");
        assert!(!is_regular(&[2, 1, 9, 9], &[&causal[..], &window[..]].concat()), "two that differ");
    }
}
