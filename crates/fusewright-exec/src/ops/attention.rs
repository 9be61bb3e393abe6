//! The core of attention, step by step: the reference that streaming kernels are held against.

use fusewright_ir::DType;
use fusewright_ir::ops::ScaledDotProduct;
use rayon::prelude::*;

use super::normalization::softmax_row;
use super::pointwise::narrow;
use super::{contraction::matmul, expanded, operand};
use crate::math;
use crate::tensor::{Class, Tensor};

pub(crate) fn scaled_dot_product(op: &ScaledDotProduct, operands: &[&Tensor]) -> Result<Tensor, String> {
    if op.dropout > 0.0 {
        return Err("dropout is live: random zeros have no reference".to_owned());
    }
    let (q, k, v) = (operand(operands, 0)?, operand(operands, 1)?, operand(operands, 2)?);
    let (k, v) = (shared_heads(k, q), shared_heads(v, q));
    let rank = k.shape.len();
    let turned = {
        let (mut shape, mut strides) = (k.shape.clone(), k.strides.clone());
        shape.swap(rank - 1, rank - 2);
        strides.swap(rank - 1, rank - 2);
        k.view(shape, strides, k.first)
    };
    let scores = matmul(q, &turned)?;
    let (queries, keys) = (scores.shape[rank - 2], scores.shape[rank - 1]);
    let width = q.shape[rank - 1] as f64;
    let scale = narrow(op.scale.unwrap_or(1.0 / width.sqrt()));
    let mask = op.mask_operand(operands.len()).map(|index| operand(operands, index)).transpose()?;
    let mask = mask.map(|mask| Mask::of(mask, &scores.shape));
    let heads = scores.shape.get(rank.wrapping_sub(3)).copied().unwrap_or(1);
    let sinks = op.sinks.then(|| operands[operands.len() - 1].floats());
    let mut values = scores.floats().into_owned();
    drop(scores.clone());
    if keys > 0 {
        values.par_chunks_mut(keys).enumerate().for_each(|(row, scores)| {
            let query = row % queries.max(1);
            let head = row / queries.max(1) % heads.max(1);
            scores.iter_mut().for_each(|score| *score *= scale);
            if let Some(cap) = op.softcap.map(narrow) {
                scores.iter_mut().for_each(|score| *score = cap * math::tanh(*score / cap));
            }
            let last = query + usize::try_from(op.offset).unwrap_or(usize::MAX);
            for (key, score) in scores.iter_mut().enumerate() {
                let outside = op.window.is_some_and(|window| (last.saturating_sub(key) as u64) >= window);
                if op.causal && key > last || outside {
                    *score = f32::NEG_INFINITY;
                }
            }
            if let Some(mask) = &mask {
                mask.apply(row, scores);
            }
            match &sinks {
                Some(sinks) => softmax_with_sink(scores, sinks[head]),
                None => softmax_row(scores, false, true),
            }
        });
    }
    let weights = Tensor::from_floats(DType::F32, &scores.shape, values);
    let result = matmul(&weights, &v)?;
    Ok(Tensor { dtype: q.dtype, ..result }.rounded())
}

/// Key heads repeated for the groups of query heads that share them.
pub(crate) fn shared_heads(x: &Tensor, q: &Tensor) -> Tensor {
    let rank = x.shape.len();
    let Some(axis) = rank.checked_sub(3).filter(|&axis| x.shape[axis] != q.shape[axis]) else { return x.clone() };
    let repeats = q.shape[axis] / x.shape[axis].max(1);
    let (mut shape, mut strides) = (x.shape.clone(), x.strides.clone());
    shape.insert(axis + 1, repeats);
    strides.insert(axis + 1, 0);
    let mut joined = x.shape.clone();
    joined[axis] = q.shape[axis];
    super::reshaped(&x.view(shape, strides, x.first), &joined)
}

/// What is added to scores, or hides them.
enum Mask {
    Added(Tensor),
    Kept(Tensor),
}

impl Mask {
    fn of(mask: &Tensor, scores: &[usize]) -> Self {
        let wide = expanded(mask, scores);
        if mask.class() == Class::Bool { Mask::Kept(wide) } else { Mask::Added(wide.cast(DType::F32)) }
    }

    /// Applies the mask to one row of scores.
    fn apply(&self, row: usize, scores: &mut [f32]) {
        let (Mask::Added(mask) | Mask::Kept(mask)) = self;
        let rank = mask.shape.len();
        let mut rest = row;
        let mut at = mask.first;
        for axis in (0..rank - 1).rev() {
            at = at.saturating_add_signed((rest % mask.shape[axis]).cast_signed() * mask.strides[axis]);
            rest /= mask.shape[axis];
        }
        let step = mask.strides[rank - 1].cast_unsigned();
        match (self, &mask.data) {
            (Mask::Added(_), crate::tensor::Data::Float(data)) => {
                let data = data.as_slice();
                scores.iter_mut().enumerate().for_each(|(key, score)| *score += data[at + key * step]);
            }
            (Mask::Kept(_), crate::tensor::Data::Bool(data)) => {
                for (key, score) in scores.iter_mut().enumerate() {
                    if data[at + key * step] == 0 {
                        *score = f32::NEG_INFINITY;
                    }
                }
            }
            _ => {}
        }
    }
}

/// One more score takes weight and gives no value.
fn softmax_with_sink(row: &mut [f32], sink: f32) {
    let top = row.iter().fold(sink, |top, &score| top.max(score));
    row.iter_mut().for_each(|score| *score = math::exp(*score - top));
    let sum = row.iter().map(|&score| f64::from(score)).sum::<f64>() + f64::from(math::exp(sink - top));
    let inverse = narrow(1.0 / sum);
    row.iter_mut().for_each(|score| *score *= inverse);
}
