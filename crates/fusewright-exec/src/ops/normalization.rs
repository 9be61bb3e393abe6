//! Norms and softmax: rows in two passes, sums in `f64` lanes.

use fusewright_ir::ops::Normalization;
use rayon::prelude::*;

use super::pointwise::narrow;
use super::{operand, position, reshaped};
use crate::lanes::vectorized;
use crate::math;
use crate::strided::SERIAL;
use crate::tensor::Tensor;

pub(crate) fn normalization(op: &Normalization, operands: &[&Tensor]) -> Result<Tensor, String> {
    let x = operand(operands, 0)?;
    let affine = |index: usize| operands.get(index).map(|tensor| tensor.floats());
    match op {
        Normalization::LayerNorm { axes, epsilon } => {
            let width = trailing(x, *axes)?;
            let (weight, bias) = (affine(1), affine(2));
            Ok(rows(x, width, |row| layer_norm_row(row, weight.as_deref(), bias.as_deref(), *epsilon)))
        }
        Normalization::RmsNorm { axes, epsilon } => {
            let width = trailing(x, *axes)?;
            let weight = affine(1);
            Ok(rows(x, width, |row| rms_norm_row(row, weight.as_deref(), *epsilon)))
        }
        Normalization::BatchNorm { training: true, .. } => {
            Err("a batch norm in training changes its statistics".to_owned())
        }
        Normalization::BatchNorm { epsilon, .. } => batch_norm(x, operands, *epsilon),
        Normalization::GroupNorm { groups, epsilon } => Ok(group_norm(x, operands, super::size(*groups)?, *epsilon)),
        Normalization::Softmax { axis, log, zero_masked } => softmax(x, *axis, *log, *zero_masked),
    }
}

fn trailing(x: &Tensor, axes: u64) -> Result<usize, String> {
    let kept = x.shape.len().checked_sub(super::size(axes)?).ok_or("more axes than x has")?;
    Ok(x.shape[kept..].iter().product())
}

/// Applies a function to each row of `width` elements.
fn rows(x: &Tensor, width: usize, f: impl Fn(&mut [f32]) + Sync) -> Tensor {
    let mut values = x.floats().into_owned();
    let apply = |row: &mut [f32]| {
        vectorized(
            #[inline(always)]
            || f(row),
        );
    };
    if width > 0 {
        if values.len() < SERIAL {
            values.chunks_mut(width).for_each(apply);
        } else {
            values.par_chunks_mut(width).with_min_len(SERIAL.div_ceil(width)).for_each(apply);
        }
    }
    Tensor::from_floats(x.dtype, &x.shape, values).rounded()
}

/// Lanes that a sum is kept in, so that it is vector code and loses little.
const LANES: usize = 8;

/// The sum of a function of each element.
#[inline(always)]
pub(crate) fn sum_of(row: &[f32], f: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0_f64; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            *sum += f(f64::from(value));
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&value| f(f64::from(value))).sum::<f64>()
}

#[inline(always)]
pub(crate) fn largest(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |m, &v| if v > m { v } else { m })
}

/// Brings a row to mean 0 and variance 1, then applies factors and offsets.
#[inline(always)]
pub(crate) fn layer_norm_row(row: &mut [f32], weight: Option<&[f32]>, bias: Option<&[f32]>, epsilon: f64) {
    let count = row.len() as f64;
    let mean = sum_of(row, |v| v) / count;
    let variance = sum_of(row, |v| (v - mean) * (v - mean)) / count;
    let (mean, inverse) = (narrow(mean), narrow(1.0 / (variance + epsilon).sqrt()));
    affine_row(row, weight, bias, |v| (v - mean) * inverse);
}

/// Brings a row to mean square 1, then applies factors.
#[inline(always)]
pub(crate) fn rms_norm_row(row: &mut [f32], weight: Option<&[f32]>, epsilon: f64) {
    let inverse = narrow(1.0 / (sum_of(row, |v| v * v) / row.len() as f64 + epsilon).sqrt());
    affine_row(row, weight, None, |v| v * inverse);
}

#[inline(always)]
fn affine_row(row: &mut [f32], weight: Option<&[f32]>, bias: Option<&[f32]>, f: impl Fn(f32) -> f32) {
    match (weight, bias) {
        (Some(w), Some(b)) => row.iter_mut().zip(w).zip(b).for_each(|((v, w), b)| *v = f(*v) * w + b),
        (Some(w), None) => row.iter_mut().zip(w).for_each(|(v, w)| *v = f(*v) * w),
        (None, Some(b)) => row.iter_mut().zip(b).for_each(|(v, b)| *v = f(*v) + b),
        (None, None) => row.iter_mut().for_each(|v| *v = f(*v)),
    }
}

/// Exponentials of a row that sum to one. A row without a visible element becomes NaN, or zeros if asked for.
#[inline(always)]
pub(crate) fn softmax_row(row: &mut [f32], log: bool, zero_masked: bool) {
    let top = largest(row);
    if top == f32::NEG_INFINITY && zero_masked && row.iter().all(|v| *v == f32::NEG_INFINITY) {
        row.fill(0.0);
        return;
    }
    if log {
        let sum = sum_of(row, |v| f64::from(math::exp(narrow(v) - top)));
        let shift = narrow(f64::from(top) + sum.ln());
        row.iter_mut().for_each(|v| *v -= shift);
        return;
    }
    row.iter_mut().for_each(|v| *v = math::exp(*v - top));
    let inverse = narrow(1.0 / sum_of(row, |v| v));
    row.iter_mut().for_each(|v| *v *= inverse);
}

fn softmax(x: &Tensor, axis: i64, log: bool, zero_masked: bool) -> Result<Tensor, String> {
    if x.shape.is_empty() {
        return Ok(rows(x, 1, |row| softmax_row(row, log, zero_masked)));
    }
    let axis = position(axis, x.shape.len())?;
    let last = x.shape.len() - 1;
    if axis == last {
        return Ok(rows(x, x.shape[last], |row| softmax_row(row, log, zero_masked)));
    }
    let swapped = |t: &Tensor| {
        let (mut shape, mut strides) = (t.shape.clone(), t.strides.clone());
        shape.swap(axis, last);
        strides.swap(axis, last);
        t.view(shape, strides, t.first)
    };
    let turned = swapped(x);
    Ok(swapped(&rows(&turned, turned.shape[last], |row| softmax_row(row, log, zero_masked))))
}

/// Operands are x, weight?, bias?, mean, variance.
fn batch_norm(x: &Tensor, operands: &[&Tensor], epsilon: f64) -> Result<Tensor, String> {
    let [_, affine @ .., mean, variance] = operands else { return Err("running statistics are missing".to_owned()) };
    let (mean, variance) = (mean.floats(), variance.floats());
    let (weight, bias) = (affine.first().map(|t| t.floats()), affine.get(1).map(|t| t.floats()));
    let channels = x.shape[1];
    let plane: usize = x.shape[2..].iter().product();
    let mut values = x.floats().into_owned();
    if plane > 0 {
        values.par_chunks_mut(plane).enumerate().for_each(|(index, part)| {
            let channel = index % channels.max(1);
            let inverse = narrow(1.0 / (f64::from(variance[channel]) + epsilon).sqrt());
            let factor = weight.as_ref().map_or(1.0, |w| w[channel]) * inverse;
            let offset = bias.as_ref().map_or(0.0, |b| b[channel]) - mean[channel] * factor;
            vectorized(
                #[inline(always)]
                || part.iter_mut().for_each(|v| *v = *v * factor + offset),
            );
        });
    }
    Ok(Tensor::from_floats(x.dtype, &x.shape, values).rounded())
}

fn group_norm(x: &Tensor, operands: &[&Tensor], groups: usize, epsilon: f64) -> Tensor {
    let channels = x.shape[1];
    let plane: usize = x.shape[2..].iter().product();
    let per_group = channels / groups.max(1);
    let flat = reshaped(x, &[x.shape[0] * groups, per_group * plane]);
    let normal = rows(&flat, per_group * plane, |row| layer_norm_row(row, None, None, epsilon));
    let (weight, bias) = (operands.get(1).map(|t| t.floats()), operands.get(2).map(|t| t.floats()));
    let mut values = normal.floats().into_owned();
    if plane > 0 {
        for (index, part) in values.chunks_mut(plane).enumerate() {
            let channel = index % channels;
            let factor = weight.as_ref().map_or(1.0, |w| w[channel]);
            let offset = bias.as_ref().map_or(0.0, |b| b[channel]);
            part.iter_mut().for_each(|v| *v = *v * factor + offset);
        }
    }
    Tensor::from_floats(x.dtype, &x.shape, values).rounded()
}
