//! Attention in one pass: blocks of queries against blocks of keys, a running maximum and sum per row, scores never
//! leaving the cache.

use rayon::prelude::*;

use fusewright_ir::ValueId;

use super::row::{Bound, Registers, RowLoop};
use crate::math;
use crate::ops::{expanded, narrow};
use crate::panels::{Block, Panels};
use crate::tensor::Tensor;

/// Queries of a block.
const QUERIES: usize = 48;
/// Keys of a block: a block of scores stays in the second cache.
const KEYS: usize = 512;

/// What a row of the result is where a query sees no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unseen {
    /// Not a number, as its softmax is.
    NotANumber,
    /// Zero.
    Zero,
    /// Zero, as is every other row whose softmax is not a number.
    ZeroForNotANumber,
}

/// The steps of one attention.
#[derive(Debug)]
pub(super) struct Attention {
    /// `[.., queries, width]`.
    pub(super) query: ValueId,
    /// `[.., width, keys]`, or `[.., keys, width]` where `turned`.
    pub(super) key: ValueId,
    pub(super) turned: bool,
    /// `[.., keys, width of values]`.
    pub(super) value: ValueId,
    /// From a row of products to a row of scores.
    pub(super) scores: RowLoop,
    /// The register that it is in then.
    pub(super) scored: usize,
    /// Key heads are shared by groups of query heads.
    pub(super) shared: bool,
    pub(super) causal: Option<u64>,
    pub(super) window: Option<u64>,
    pub(super) unseen: Unseen,
    pub(super) output: ValueId,
    /// Extents of the result.
    pub(super) shape: Vec<usize>,
}

/// One head of one sample.
struct Head<'a> {
    query: &'a Tensor,
    key: &'a Tensor,
    value: &'a Tensor,
    firsts: [usize; 3],
    number: usize,
}

impl Attention {
    /// The elements of the result.
    pub(super) fn run(&self, get: impl Fn(ValueId) -> Option<Tensor>) -> Result<Vec<f32>, String> {
        let fetch = |value: ValueId| get(value).ok_or_else(|| "an operand is missing".to_owned());
        let (query, key, value) = (fetch(self.query)?, fetch(self.key)?, fetch(self.value)?);
        let rank = self.shape.len();
        let turned = |x: &Tensor| {
            let (mut shape, mut strides) = (x.shape.clone(), x.strides.clone());
            let last = shape.len() - 1;
            shape.swap(last, last - 1);
            strides.swap(last, last - 1);
            x.view(shape, strides, x.first)
        };
        // Keys as `[.., width, keys]`.
        let key = if self.turned { turned(&key) } else { key };
        let (queries, columns) = (self.shape[rank - 2], self.shape[rank - 1]);
        let keys = value.shape[value.shape.len() - 2];
        let batch = &self.shape[..rank - 2];
        let spread = |x: &Tensor| {
            let tail = &x.shape[x.shape.len() - 2..];
            if self.shared && rank > 2 && x.shape[rank - 3] != batch[rank - 3] {
                return grouped(x, batch);
            }
            expanded(x, &batch.iter().chain(tail).copied().collect::<Vec<_>>())
        };
        // Rows and columns must each lie at places of their own.
        let plain = |x: Tensor| {
            let repeated = (x.shape.len() - 2..x.shape.len()).any(|axis| x.shape[axis] > 1 && x.strides[axis] == 0);
            if repeated { x.copied() } else { x }
        };
        let (query, key, value) = (plain(spread(&query)), plain(spread(&key)), plain(spread(&value)));
        for operand in [&query, &key, &value] {
            operand.raw_floats().ok_or("an operand holds no floats")?;
        }
        let bound = Bound::new(&self.scores.inputs, &get).ok_or("an operand of the scores is missing")?;
        let heads: usize = batch.iter().product();
        let start = |x: &Tensor, mut index: usize| {
            let mut at = x.first;
            for axis in (0..batch.len()).rev() {
                at = at.saturating_add_signed((index % batch[axis]).cast_signed() * x.strides[axis]);
                index /= batch[axis];
            }
            at
        };
        let mut result = vec![0.0; heads * queries * columns];
        if queries * columns == 0 {
            return Ok(result);
        }
        result.par_chunks_mut(queries * columns).enumerate().for_each(|(number, out)| {
            let firsts = [start(&query, number), start(&key, number), start(&value, number)];
            let head = Head { query: &query, key: &key, value: &value, firsts, number };
            self.head(&head, keys, &bound, out);
        });
        Ok(result)
    }

    /// All queries of one head.
    fn head(&self, head: &Head<'_>, keys: usize, bound: &Bound, out: &mut [f32]) {
        let rank = self.shape.len();
        let (queries, columns) = (self.shape[rank - 2], self.shape[rank - 1]);
        let width = head.query.shape[rank - 1];
        let strides = |x: &Tensor| [x.strides[rank - 2].unsigned_abs(), x.strides[rank - 1].unsigned_abs()];
        let (query, key, value) = (
            head.query.raw_floats().unwrap_or(&[]),
            head.key.raw_floats().unwrap_or(&[]),
            head.value.raw_floats().unwrap_or(&[]),
        );
        let blocks = keys.div_ceil(KEYS);
        let mut packed: Vec<(Panels, Panels)> = Vec::with_capacity(blocks);
        for block in 0..blocks {
            let (from, count) = (block * KEYS, KEYS.min(keys - block * KEYS));
            let (mut left, mut right) = (Panels::default(), Panels::default());
            let [along_width, along_keys] = strides(head.key);
            left.pack(width, count, key, head.firsts[1] + from * along_keys, [along_width, along_keys]);
            let [along_rows, along_columns] = strides(head.value);
            right.pack(count, columns, value, head.firsts[2] + from * along_rows, [along_rows, along_columns]);
            packed.push((left, right));
        }
        let mut registers = Registers::new(self.scores.registers.max(1), KEYS);
        let (mut rows, mut weights) = (Block::default(), Block::default());
        let mut scores = vec![0.0; QUERIES * KEYS.min(keys)];
        let mut state = vec![(f32::NEG_INFINITY, 0.0_f32); QUERIES];
        for (index, out) in out.chunks_mut(QUERIES * columns).enumerate() {
            let first = index * QUERIES;
            let count = QUERIES.min(queries - first);
            let [along_rows, along_columns] = strides(head.query);
            rows.pack(count, width, query, head.firsts[0] + first * along_rows, [along_rows, along_columns]);
            state.fill((f32::NEG_INFINITY, 0.0));
            for (block, (left, right)) in packed.iter().enumerate() {
                let (from, wide) = (block * KEYS, left.n);
                if self.causal.is_some_and(|offset| from as u64 > (first + count - 1) as u64 + offset) {
                    break;
                }
                rows.multiply(left, 0, left.count(), &mut scores, wide, false);
                for (row, scores) in scores.chunks_mut(wide).enumerate().take(count) {
                    let number = head.number * queries + first + row;
                    self.score(bound, &mut registers, scores, [number, first + row, from]);
                    let scale = fold(scores, &mut state[row]);
                    if block > 0 {
                        out[row * columns..][..columns].iter_mut().for_each(|value| *value *= scale);
                    }
                }
                weights.pack(count, wide, &scores, 0, [wide, 1]);
                weights.multiply(right, 0, right.count(), out, columns, block > 0);
            }
            for (row, &(top, sum)) in state.iter().enumerate().take(count) {
                let hidden = top == f32::NEG_INFINITY;
                let zero = match self.unseen {
                    Unseen::NotANumber => false,
                    Unseen::Zero => hidden && !sum.is_nan(),
                    Unseen::ZeroForNotANumber => hidden || sum.is_nan(),
                };
                let factor = if hidden { f32::NAN } else { 1.0 / sum };
                let own = &mut out[row * columns..][..columns];
                if zero {
                    own.fill(0.0);
                } else {
                    own.iter_mut().for_each(|value| *value *= factor);
                }
            }
        }
    }

    /// From products to scores: the steps between the product and the softmax, and what is hidden.
    fn score(&self, bound: &Bound, registers: &mut Registers, scores: &mut [f32], place: [usize; 3]) {
        let [number, query, from] = place;
        if !self.scores.steps.is_empty() {
            let own = registers.row_mut(0);
            own.clear();
            own.extend_from_slice(scores);
            self.scores.run(bound, registers, number, from, scores.len());
            scores.copy_from_slice(registers.row(self.scored));
        }
        if let Some(offset) = self.causal {
            let seen = (query as u64 + offset + 1).saturating_sub(from as u64);
            let seen = usize::try_from(seen).unwrap_or(usize::MAX).min(scores.len());
            scores[seen..].fill(f32::NEG_INFINITY);
        }
        if let Some(window) = self.window {
            let last = query as u64 + self.causal.unwrap_or(0) + 1;
            let hidden = last.saturating_sub(window).saturating_sub(from as u64);
            let hidden = usize::try_from(hidden).unwrap_or(usize::MAX).min(scores.len());
            scores[..hidden].fill(f32::NEG_INFINITY);
        }
    }
}

/// Turns a row of scores into weights against the largest score so far; gives the factor of what was summed before.
fn fold(scores: &mut [f32], state: &mut (f32, f32)) -> f32 {
    crate::lanes::vectorized(
        #[inline(always)]
        || {
            let top = crate::ops::normalization::largest(scores).max(state.0);
            if top == f32::NEG_INFINITY && scores.iter().all(|score| !score.is_nan()) {
                scores.fill(0.0);
                return 1.0;
            }
            scores.iter_mut().for_each(|score| *score = math::exp(*score - top));
            let sum = narrow(crate::ops::normalization::sum_of(scores, |v| v));
            let scale = math::exp(state.0 - top);
            *state = (top, state.1 * scale + sum);
            scale
        },
    )
}

/// Heads of keys or values given to each query head of their group.
fn grouped(x: &Tensor, batch: &[usize]) -> Tensor {
    let axis = batch.len() - 1;
    let repeats = batch[axis] / x.shape[axis].max(1);
    let (mut shape, mut strides) = (x.shape.clone(), x.strides.clone());
    shape.insert(axis + 1, repeats);
    strides.insert(axis + 1, 0);
    let mut joined = x.shape.clone();
    joined[axis] = batch[axis];
    crate::ops::reshaped(&x.view(shape, strides, x.first), &joined)
}
