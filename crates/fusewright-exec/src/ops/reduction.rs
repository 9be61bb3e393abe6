//! Axes folded: every reduction brings its axes last and folds rows, floats in `f64`.

use fusewright_ir::ops::{ReduceKind, Reduction};
use fusewright_ir::{DType, TensorType};
use rayon::prelude::*;

use super::normalization::sum_of;
use super::pointwise::narrow;
use super::{Run, operand, position, size, sizes};
use crate::lanes::vectorized;
use crate::tensor::{Class, Tensor};

pub(crate) fn reduction(op: &Reduction, operands: &[&Tensor], results: &[&TensorType]) -> Run {
    let x = operand(operands, 0)?;
    let result = |index: usize| results.get(index).copied().ok_or_else(|| format!("there is no result {index}"));
    match op {
        Reduction::Reduce { kind, axes, .. } => Ok(vec![reduce(*kind, x, axes, result(0)?)?]),
        Reduction::VarMean { axes, .. } => {
            Ok(vec![reduce(ReduceKind::Var, x, axes, result(0)?)?, reduce(ReduceKind::Mean, x, axes, result(1)?)?])
        }
        Reduction::CumulativeSum { axis } => Ok(vec![cumulative_sum(x, *axis, result(0)?)?]),
        Reduction::TopK { k, axis } => ordered(x, *axis, Some(size(*k)?), true, results),
        Reduction::Sort { axis } => ordered(x, *axis, None, false, results),
        Reduction::Extreme { largest, axis, .. } => {
            let (values, places) =
                if *largest { (ReduceKind::Max, ReduceKind::ArgMax) } else { (ReduceKind::Min, ReduceKind::ArgMin) };
            let axes = [*axis];
            Ok(vec![reduce(values, x, &axes, result(0)?)?, reduce(places, x, &axes, result(1)?)?])
        }
        Reduction::Histogram { bins } => Ok(vec![histogram(x, size(*bins)?, result(0)?)]),
    }
}

/// x with these axes last, and the number of elements that they hold.
fn folded_last(x: &Tensor, axes: &[i64]) -> Result<(Tensor, usize), String> {
    let rank = x.shape.len();
    let mut folded: Vec<usize> = axes.iter().map(|&axis| position(axis, rank)).collect::<Result<_, _>>()?;
    if axes.is_empty() {
        folded = (0..rank).collect();
    }
    folded.sort_unstable();
    folded.dedup();
    let order: Vec<usize> = (0..rank).filter(|axis| !folded.contains(axis)).chain(folded.iter().copied()).collect();
    let length = folded.iter().map(|&axis| x.shape[axis]).product();
    let shape = order.iter().map(|&axis| x.shape[axis]).collect();
    let strides = order.iter().map(|&axis| x.strides[axis]).collect();
    Ok((x.view(shape, strides, x.first), length))
}

fn reduce(kind: ReduceKind, x: &Tensor, axes: &[i64], result: &TensorType) -> Result<Tensor, String> {
    let (turned, length) = folded_last(x, axes)?;
    let shape = sizes(&result.shape)?;
    let count: usize = shape.iter().product();
    match kind {
        ReduceKind::ArgMax | ReduceKind::ArgMin => {
            let values = turned.floats();
            let better = |a: f32, b: f32| if kind == ReduceKind::ArgMax { a > b } else { a < b };
            let places = (0..count).map(|row| {
                let row = &values[row * length..][..length];
                let best = row.iter().enumerate().reduce(|best, next| {
                    let takes = better(*next.1, *best.1) || next.1.is_nan() && !best.1.is_nan();
                    if takes { next } else { best }
                });
                best.map_or(0, |(place, _)| place.cast_signed() as i64)
            });
            return Ok(Tensor::from_ints(DType::I64, &shape, places.collect()).cast(result.dtype));
        }
        ReduceKind::Any | ReduceKind::All => {
            let values = turned.bools();
            let fold = |row: &[u8]| match kind {
                ReduceKind::Any => row.iter().any(|&v| v != 0),
                _ => row.iter().all(|&v| v != 0),
            };
            let folded = (0..count).map(|row| u8::from(fold(&values[row * length..][..length]))).collect();
            return Ok(Tensor::from_bools(&shape, folded).cast(result.dtype));
        }
        _ => {}
    }
    if x.class() != Class::Float
        && matches!(kind, ReduceKind::Sum | ReduceKind::Max | ReduceKind::Min | ReduceKind::Prod)
    {
        let values = turned.ints();
        let fold = |row: &[i64]| match kind {
            ReduceKind::Sum => row.iter().fold(0_i64, |sum, &v| sum.wrapping_add(v)),
            ReduceKind::Prod => row.iter().fold(1_i64, |product, &v| product.wrapping_mul(v)),
            ReduceKind::Max => row.iter().copied().max().unwrap_or(i64::MIN),
            _ => row.iter().copied().min().unwrap_or(i64::MAX),
        };
        let folded = (0..count).map(|row| fold(&values[row * length..][..length])).collect();
        return Ok(Tensor::from_ints(DType::I64, &shape, folded).cast(result.dtype));
    }
    let values = turned.floats();
    let one = |row: usize| {
        let row = &values[row * length..][..length];
        vectorized(
            #[inline(always)]
            || fold_row(kind, row),
        )
    };
    let folded = if values.len() < crate::strided::SERIAL {
        (0..count).map(one).collect()
    } else {
        (0..count).into_par_iter().with_min_len(4096_usize.div_ceil(length.max(1))).map(one).collect()
    };
    Ok(Tensor::from_floats(DType::F32, &shape, folded).cast(result.dtype))
}

#[inline(always)]
fn fold_row(kind: ReduceKind, row: &[f32]) -> f32 {
    let count = row.len() as f64;
    let extreme = |takes: fn(f32, f32) -> bool, start: f32| {
        row.iter().fold(start, |best, &v| if takes(v, best) || v.is_nan() { v } else { best })
    };
    let variance = || {
        let mean = sum_of(row, |v| v) / count;
        sum_of(row, |v| (v - mean) * (v - mean))
    };
    match kind {
        ReduceKind::Sum => narrow(sum_of(row, |v| v)),
        ReduceKind::Mean => narrow(sum_of(row, |v| v) / count),
        ReduceKind::Max => extreme(|a, b| a > b, f32::NEG_INFINITY),
        ReduceKind::Min => extreme(|a, b| a < b, f32::INFINITY),
        ReduceKind::Prod => narrow(row.iter().map(|&v| f64::from(v)).product()),
        ReduceKind::Norm => narrow(sum_of(row, |v| v * v).sqrt()),
        // As PyTorch does, one degree of freedom less.
        ReduceKind::Var => narrow(variance() / (count - 1.0)),
        ReduceKind::Std => narrow((variance() / (count - 1.0)).sqrt()),
        ReduceKind::LogSumExp => {
            let top = extreme(|a, b| a > b, f32::NEG_INFINITY);
            if top.is_infinite() {
                return top;
            }
            narrow(f64::from(top) + sum_of(row, |v| (v - f64::from(top)).exp()).ln())
        }
        ReduceKind::Any | ReduceKind::All | ReduceKind::ArgMax | ReduceKind::ArgMin => f32::NAN,
    }
}

/// Applies a function to each row along an axis, and gives the axis its place back.
fn along(x: &Tensor, axis: i64) -> Result<(Tensor, impl Fn(&Tensor) -> Tensor), String> {
    let axis = position(axis, x.shape.len())?;
    let last = x.shape.len() - 1;
    let swapped = move |t: &Tensor| {
        let (mut shape, mut strides) = (t.shape.clone(), t.strides.clone());
        shape.swap(axis, last);
        strides.swap(axis, last);
        t.view(shape, strides, t.first)
    };
    Ok((swapped(x), swapped))
}

fn cumulative_sum(x: &Tensor, axis: i64, result: &TensorType) -> Result<Tensor, String> {
    let (turned, back) = along(x, axis)?;
    let width = turned.shape.last().copied().unwrap_or(1).max(1);
    if x.class() == Class::Float {
        let mut values = turned.floats().into_owned();
        for row in values.chunks_mut(width) {
            let mut sum = 0.0_f64;
            for value in row {
                sum += f64::from(*value);
                *value = narrow(sum);
            }
        }
        return Ok(back(&Tensor::from_floats(x.dtype, &turned.shape, values)).cast(result.dtype));
    }
    let mut values = turned.ints().into_owned();
    for row in values.chunks_mut(width) {
        let mut sum = 0_i64;
        for value in row {
            sum = sum.wrapping_add(*value);
            *value = sum;
        }
    }
    Ok(back(&Tensor::from_ints(DType::I64, &turned.shape, values)).cast(result.dtype))
}

/// Elements of each row in order, equal ones as they stood, with their places.
fn ordered(x: &Tensor, axis: i64, k: Option<usize>, descending: bool, results: &[&TensorType]) -> Run {
    let (turned, back) = along(x, axis)?;
    let width = turned.shape.last().copied().unwrap_or(1);
    let kept = k.unwrap_or(width).min(width);
    let mut shape = turned.shape.clone();
    if let Some(last) = shape.last_mut() {
        *last = kept;
    }
    let (floats, ints) = (turned.floats(), turned.ints());
    let is_float = x.class() == Class::Float;
    let (mut places, mut float_values, mut int_values) = (Vec::new(), Vec::new(), Vec::new());
    let rows = floats.len().checked_div(width).unwrap_or(0);
    for row in 0..rows {
        let mut order: Vec<usize> = (0..width).collect();
        let compare = |&a: &usize, &b: &usize| {
            let (a, b) = (row * width + a, row * width + b);
            let ascending = if is_float { floats[a].total_cmp(&floats[b]) } else { ints[a].cmp(&ints[b]) };
            if descending { ascending.reverse() } else { ascending }
        };
        order.sort_by(compare);
        for &place in &order[..kept] {
            places.push(place.cast_signed() as i64);
            float_values.push(floats[row * width + place]);
            int_values.push(ints[row * width + place]);
        }
    }
    let values = if is_float {
        Tensor::from_floats(x.dtype, &shape, float_values)
    } else {
        Tensor::from_ints(DType::I64, &shape, int_values).cast(x.dtype)
    };
    let dtype = results.get(1).map_or(DType::I64, |result| result.dtype);
    Ok(vec![back(&values), back(&Tensor::from_ints(DType::I64, &shape, places).cast(dtype))])
}

/// How often each whole number below `bins` occurs; graphs count experts so.
fn histogram(x: &Tensor, bins: usize, result: &TensorType) -> Tensor {
    let mut counts = vec![0_i64; bins];
    for &value in x.ints().iter() {
        if let Some(count) = usize::try_from(value).ok().and_then(|value| counts.get_mut(value)) {
            *count += 1;
        }
    }
    Tensor::from_ints(DType::I64, &[bins], counts).cast(result.dtype)
}
