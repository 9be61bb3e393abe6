//! Products with an operand that is laid out once: panels of sixteen columns, multiplied by blocks of six rows.
//!
//! Every element is a chain of fused multiply-adds in the order of the summed index, whatever block, panel or thread it
//! falls into: products that are merged or cut otherwise have the same bits.

#![allow(unsafe_code, reason = "vector instructions are chosen at run time and take pointers")]

/// Columns of a panel.
pub(crate) const COLUMNS: usize = 16;
/// Rows that one step multiplies.
pub(crate) const ROWS: usize = 6;
/// Terms that are summed before the next panel: a panel's part stays in the first cache.
const DEPTH: usize = 256;

/// A matrix `k × n` as panels: for each, `k` rows of sixteen columns, the last one filled with zeros.
#[derive(Clone, Debug, Default)]
pub(crate) struct Panels {
    pub(crate) k: usize,
    pub(crate) n: usize,
    values: Vec<f32>,
}

impl Panels {
    /// Lays out a matrix that begins at `first`; `strides` are those of its rows and columns.
    pub(crate) fn pack(&mut self, k: usize, n: usize, data: &[f32], first: usize, strides: [usize; 2]) {
        self.k = k;
        self.n = n;
        let count = n.div_ceil(COLUMNS);
        self.values.clear();
        self.values.resize(count * k * COLUMNS, 0.0);
        for (panel, target) in self.values.chunks_mut((k * COLUMNS).max(1)).enumerate().take(count) {
            let column = panel * COLUMNS;
            let width = COLUMNS.min(n - column);
            let start = first + column * strides[1];
            if strides[1] == 1 {
                for (row, target) in target.chunks_mut(COLUMNS).enumerate() {
                    target[..width].copy_from_slice(&data[start + row * strides[0]..][..width]);
                }
            } else {
                for own in 0..width {
                    let source = data[start + own * strides[1]..].iter().step_by(strides[0].max(1));
                    for (target, &value) in target[own..].iter_mut().step_by(COLUMNS).zip(source) {
                        *target = value;
                    }
                }
            }
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.n.div_ceil(COLUMNS)
    }

    fn panel(&self, index: usize) -> &[f32] {
        &self.values[index * self.k * COLUMNS..][..self.k * COLUMNS]
    }
}

/// Rows laid out for [`Panels`]: groups of six, for each summed index the six values together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    rows: usize,
    k: usize,
    values: Vec<f32>,
}

impl Block {
    /// Lays out `rows` rows of `k` values.
    pub(crate) fn pack(&mut self, rows: usize, k: usize, data: &[f32], first: usize, strides: [usize; 2]) {
        self.rows = rows;
        self.k = k;
        self.values.clear();
        self.values.resize(rows.div_ceil(ROWS) * k * ROWS, 0.0);
        for row in 0..if k == 0 { 0 } else { rows } {
            let target = &mut self.values[row / ROWS * k * ROWS + row % ROWS..];
            let start = first + row * strides[0];
            if strides[1] == 1 {
                let source = &data[start..start + k];
                target.iter_mut().step_by(ROWS).zip(source).for_each(|(t, &v)| *t = v);
            } else {
                let source = data[start..].iter().step_by(strides[1].max(1));
                target.iter_mut().step_by(ROWS).take(k).zip(source).for_each(|(t, &v)| *t = v);
            }
        }
    }

    /// `target = block · panels` for the panels from `from` to `to`; `add` keeps what the target holds. Columns of the
    /// target are those of these panels, `stride` apart from row to row; it has room for whole panels.
    pub(crate) fn multiply(
        &self,
        panels: &Panels,
        from: usize,
        to: usize,
        target: &mut [f32],
        stride: usize,
        add: bool,
    ) {
        debug_assert_eq!(self.k, panels.k);
        if self.k == 0 && !add {
            target.fill(0.0);
        }
        let groups = self.rows.div_ceil(ROWS);
        let mut start = 0;
        while start < self.k {
            let depth = DEPTH.min(self.k - start);
            for panel in from..to {
                let part = |panel| &panels.panel(panel)[start * COLUMNS..][..depth * COLUMNS];
                let right = part(panel);
                let next = if panel + 1 < to { part(panel + 1) } else { &[] };
                // While a group is multiplied its share of the next panel comes from memory.
                let mut shares = next.chunks(depth.div_ceil(groups.max(1)) * COLUMNS);
                let column = (panel - from) * COLUMNS;
                for group in 0..groups {
                    fetch(shares.next().unwrap_or(&[]));
                    let left = &self.values[(group * self.k + start) * ROWS..][..depth * ROWS];
                    let rows = ROWS.min(self.rows - group * ROWS);
                    let place = group * ROWS * stride + column;
                    let width = COLUMNS.min(stride - column);
                    let add = add || start > 0;
                    step(left, right, &mut target[place..], stride, rows, width, add);
                }
            }
            start += depth;
        }
    }
}

/// Asks for values that are read soon.
fn fetch(values: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in values.chunks(COLUMNS) {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every processor of this kind has the instruction, and it reads nothing that a program could see.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// Six rows times sixteen columns, or what the target has of them.
fn step(left: &[f32], right: &[f32], target: &mut [f32], stride: usize, rows: usize, width: usize, add: bool) {
    let (left, right) = (left.as_chunks::<ROWS>().0, right.as_chunks::<COLUMNS>().0);
    if rows == ROWS && width == COLUMNS {
        let mut whole = target.chunks_mut(stride).filter_map(<[f32]>::first_chunk_mut);
        if let [Some(a), Some(b), Some(c), Some(d), Some(e), Some(f)] = std::array::from_fn(|_| whole.next()) {
            return accumulate(left, right, [a, b, c, d, e, f], add);
        }
    }
    let mut sums = [[0.0_f32; COLUMNS]; ROWS];
    if add {
        for (row, sums) in sums.iter_mut().enumerate().take(rows) {
            sums[..width].copy_from_slice(&target[row * stride..][..width]);
        }
    }
    accumulate(left, right, sums.each_mut(), add);
    for (row, sums) in sums.iter().enumerate().take(rows) {
        target[row * stride..][..width].copy_from_slice(&sums[..width]);
    }
}

/// The sums become the products of all pairs, one added after the other, on top of what they hold where `add` says so.
fn accumulate(left: &[[f32; ROWS]], right: &[[f32; COLUMNS]], mut sums: [&mut [f32; COLUMNS]; ROWS], add: bool) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the processor has the instructions that the function is compiled for.
        return unsafe { accumulate_avx2(left, right, sums, add) };
    }
    if !add {
        sums.iter_mut().for_each(|sums| sums.fill(0.0));
    }
    for (a, b) in left.iter().zip(right) {
        for (sums, &a) in sums.iter_mut().zip(a) {
            for (sum, &b) in sums.iter_mut().zip(b) {
                *sum = a.mul_add(b, *sum);
            }
        }
    }
}

/// The same with all sums in twelve registers of eight floats.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn accumulate_avx2(left: &[[f32; ROWS]], right: &[[f32; COLUMNS]], sums: [&mut [f32; COLUMNS]; ROWS], add: bool) {
    use core::arch::x86_64::{
        __m256, _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_storeu_ps,
    };
    let mut registers: [[__m256; 2]; ROWS] = [[_mm256_setzero_ps(); 2]; ROWS];
    if add {
        for (pair, sums) in registers.iter_mut().zip(&sums) {
            // SAFETY: each row holds sixteen floats, read as two times eight.
            *pair = unsafe { [_mm256_loadu_ps(sums.as_ptr()), _mm256_loadu_ps(sums.as_ptr().add(8))] };
        }
    }
    for (a, b) in left.iter().zip(right) {
        // SAFETY: `b` holds sixteen floats, read as two times eight.
        let (low, high) = unsafe { (_mm256_loadu_ps(b.as_ptr()), _mm256_loadu_ps(b.as_ptr().add(8))) };
        for (pair, a) in registers.iter_mut().zip(a) {
            let a = _mm256_broadcast_ss(a);
            pair[0] = _mm256_fmadd_ps(a, low, pair[0]);
            pair[1] = _mm256_fmadd_ps(a, high, pair[1]);
        }
    }
    for (pair, sums) in registers.iter().zip(sums) {
        // SAFETY: each row holds sixteen floats, written as two times eight.
        unsafe {
            _mm256_storeu_ps(sums.as_mut_ptr(), pair[0]);
            _mm256_storeu_ps(sums.as_mut_ptr().add(8), pair[1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    fn product(m: usize, n: usize, k: usize, a: &[f32], b: &[f32]) -> Vec<f32> {
        let mut result = vec![0.0; m * n];
        for row in 0..m {
            for column in 0..n {
                let terms = (0..k).map(|at| (a[row * k + at], b[at * n + column]));
                result[row * n + column] = terms.fold(0.0, |sum: f32, (a, b)| a.mul_add(b, sum));
            }
        }
        result
    }

    #[test]
    fn products_are_chains_of_multiply_adds() {
        let mut stream = Stream::new(0, "panels");
        for (m, n, k) in [(1, 1, 1), (6, 16, 3), (7, 17, 300), (13, 40, 513), (2, 5, 0)] {
            let a: Vec<f32> = (0..m * k).map(|_| stream.normal()).collect();
            let b: Vec<f32> = (0..k * n).map(|_| stream.normal()).collect();
            let (mut panels, mut block) = (Panels::default(), Block::default());
            panels.pack(k, n, &b, 0, [n, 1]);
            block.pack(m, k, &a, 0, [k, 1]);
            let mut found = vec![1.0; m * n];
            block.multiply(&panels, 0, panels.count(), &mut found, n, false);
            assert_eq!(found, product(m, n, k, &a, &b), "{m} × {n} × {k}");
            // The same with the right operand stored turned.
            let mut turned = vec![0.0; k * n];
            (0..k * n).for_each(|at| turned[at % n.max(1) * k + at / n.max(1)] = b[at]);
            panels.pack(k, n, &turned, 0, [1, k]);
            block.multiply(&panels, 0, panels.count(), &mut found, n, false);
            assert_eq!(found, product(m, n, k, &a, &b));
        }
    }
}
