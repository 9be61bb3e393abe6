//! Words that a product [M, K] · [K, N] moves through a memory that holds only so many.
//!
//! The lower bound is the proven one for any order of the multiply-accumulates; the attainable figure is the best tiling
//! whose tiles divide the dimensions, with one operand held still (the search of Orojenesis). Their ratio says how much a
//! cleverer kernel could gain at most.

use super::divisors::divisors;

/// Words of both operands and the result, each once.
pub fn compulsory_words(m: u64, n: u64, k: u64) -> u64 {
    narrow(words(m, k) + words(k, n) + words(m, n))
}

/// Words that no order of the operations can avoid moving when `memory` words fit on chip: the larger of
/// 2·M·N·K/√W − 2·W and the compulsory words.
pub fn product_io_words(m: u64, n: u64, k: u64, memory: u64) -> f64 {
    let compulsory = m as f64 * k as f64 + k as f64 * n as f64 + m as f64 * n as f64;
    if memory == 0 {
        return compulsory;
    }
    let memory = memory as f64;
    compulsory.max(2.0 * m as f64 * n as f64 * k as f64 / memory.sqrt() - 2.0 * memory)
}

/// Fewest words that a tiling moves when `memory` words fit on chip: over all tiles m × n × k that divide the dimensions
/// with mk + kn + mn ≤ `memory`, and over which operand stays while the others pass. `None` if not even one
/// multiply-accumulate fits or a dimension is 0.
pub fn attainable_words(m: u64, n: u64, k: u64, memory: u64) -> Option<u64> {
    if m == 0 || n == 0 || k == 0 {
        return None;
    }
    let (rows, columns, depths) = (divisors(m), divisors(n), divisors(k));
    let fits = |tm: u64, tn: u64, tk: u64| words(tm, tk) + words(tk, tn) + words(tm, tn) <= u128::from(memory);
    let (left, right, result) = (words(m, k), words(k, n), words(m, n));
    let again = |whole: u64, tile: u64| u128::from(whole / tile);
    let partial = |tk: u64| 2 * again(k, tk) - 1;
    let mut best: Option<u128> = None;
    let mut take = |words: u128| best = Some(best.map_or(words, |known| known.min(words)));

    // The two dimensions of the operand that stays are chosen; the third is best at 1, where it takes the least room.
    for &tm in &rows {
        for &tn in columns.iter().filter(|&&tn| fits(tm, tn, 1)) {
            take(times(left, again(n, tn)) + times(right, again(m, tm)) + result);
        }
        for &tk in depths.iter().filter(|&&tk| fits(tm, 1, tk)) {
            take(left + times(right, again(m, tm)) + times(result, partial(tk)));
        }
    }
    for &tn in &columns {
        for &tk in depths.iter().filter(|&&tk| fits(1, tn, tk)) {
            take(right + times(left, again(n, tn)) + times(result, partial(tk)));
        }
    }
    best.map(narrow)
}

/// Words that a plain kernel moves when `memory` words fit on chip: the cheapest of holding rows of the left operand,
/// columns of the right one, or a square of the result. Unlike [`attainable_words`] it is smooth in the dimensions, so
/// that a prime number of tokens costs no more than its neighbours; the models of time use it.
pub fn tiled_words(m: u64, n: u64, k: u64, memory: u64) -> f64 {
    let (left, right, result) = (m as f64 * k as f64, k as f64 * n as f64, m as f64 * n as f64);
    let compulsory = left + right + result;
    let memory = (memory as f64).max(1.0);
    if compulsory <= memory {
        return compulsory;
    }
    let side = memory.sqrt();
    let chunks = |operand: f64| (operand / memory).ceil().max(1.0);
    let left_stays = left + right * chunks(left) + result;
    let right_stays = right + left * chunks(right) + result;
    let result_stays = left * (n as f64 / side).ceil() + right * (m as f64 / side).ceil() + result;
    left_stays.min(right_stays).min(result_stays)
}

/// Nothing counts as more than this, so that a few of them can be added.
const MOST: u128 = u128::MAX / 4;

fn words(a: u64, b: u64) -> u128 {
    times(u128::from(a), u128::from(b))
}

fn times(a: u128, b: u128) -> u128 {
    a.saturating_mul(b).min(MOST)
}

fn narrow(words: u128) -> u64 {
    u64::try_from(words).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// bf16 words in a buffer of so many KiB.
    fn buffer(kib: u64) -> u64 {
        kib * 1024 / 2
    }

    #[test]
    fn attainable_points_are_the_published_ones() {
        let cases: [(u64, u64, u64, u64, u64); 11] = [
            (4096, 4096, 4096, 32, 1_627_389_952),
            (4096, 4096, 4096, 228, 553_648_128),
            (4096, 4096, 4096, 1024, 285_212_672),
            (4096, 4096, 4096, 16_384, 83_886_080),
            (4096, 4096, 4096, 51_200, 50_331_648),
            (4096, 3072, 1024, 228, 96_468_992),
            (4096, 3072, 1024, 4096, 24_117_248),
            (4096, 3072, 1024, 16_384, 19_922_944),
            (512, 512, 64, 32, 425_984),
            (512, 512, 64, 128, 327_680),
            (1, 4096, 4096, 32, 16_785_408),
        ];
        for (m, n, k, kib, expected) in cases {
            assert_eq!(attainable_words(m, n, k, buffer(kib)), Some(expected), "{m}x{n}x{k} at {kib} KiB");
        }
    }

    #[test]
    fn a_large_enough_buffer_leaves_the_compulsory_words() {
        for (m, n, k, kib) in [(4096, 4096, 4096, 51_200), (4096, 3072, 1024, 16_384), (512, 512, 64, 128)] {
            assert_eq!(attainable_words(m, n, k, buffer(kib)), Some(compulsory_words(m, n, k)));
        }
        for kib in [32, 228, 1024, 51_200] {
            assert_eq!(attainable_words(1, 4096, 4096, buffer(kib)), Some(16_785_408));
        }
    }

    #[test]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole words, far below 2^53")]
    fn bound_of_large_products_is_the_proven_one() {
        let bound = |kib| product_io_words(4096, 4096, 4096, buffer(kib)).round() as u64;
        assert_eq!(bound(32), 1_073_709_056);
        assert_eq!(bound(228), 402_027_071);
    }

    #[test]
    fn nothing_is_attained_in_no_memory_or_of_nothing() {
        assert_eq!(attainable_words(8, 8, 8, 2), None);
        assert_eq!(attainable_words(0, 8, 8, 1 << 20), None);
        assert!((product_io_words(0, 8, 8, 0) - 64.0).abs() < 1e-9);
        assert!(attainable_words(u64::MAX, u64::MAX, u64::MAX, u64::MAX).is_some());
    }
}
