//! Copies and fills.

use fusewright_ir::TensorType;
use fusewright_ir::ops::Copy;

use super::{operand, position, size, sizes};
use crate::place::place;
use crate::tensor::{Class, Tensor, class};

pub(crate) fn copy(op: &Copy, operands: &[&Tensor], results: &[&TensorType]) -> Result<Tensor, String> {
    let result = || results.first().copied().ok_or("there is no result");
    match op {
        Copy::Contiguous => Ok(operand(operands, 0)?.contiguous()),
        Copy::Clone => Ok(operand(operands, 0)?.copied()),
        Copy::Cast { dtype } => Ok(operand(operands, 0)?.cast(*dtype)),
        Copy::Concat { axis } => {
            let first = operand(operands, 0)?;
            let axis = position(*axis, first.shape.len())?;
            let mut shape = first.shape.clone();
            shape[axis] = operands.iter().map(|part| part.shape[axis]).sum();
            joined(operands, &shape, axis)
        }
        Copy::Stack { axis } => {
            let first = operand(operands, 0)?;
            let axis = position(*axis, first.shape.len() + 1)?;
            let parts: Vec<Tensor> = operands.iter().map(|part| with_axis(part, axis)).collect();
            let mut shape = parts[0].shape.clone();
            shape[axis] = parts.len();
            joined(&parts.iter().collect::<Vec<_>>(), &shape, axis)
        }
        Copy::Pad { pads, value } => pad(operand(operands, 0)?, pads, *value),
        Copy::Roll { shifts, axes } => roll(operand(operands, 0)?, shifts, axes),
        Copy::Flip { axes } => flip(operand(operands, 0)?, axes),
        Copy::Repeat { counts } => repeat(operand(operands, 0)?, &sizes(counts)?),
        Copy::PatchMerge => patch_merge(operand(operands, 0)?),
        Copy::ShiftMask { grid, window, shift, dtype } => {
            let values = shift_mask(grid.map(as_size), window.map(as_size), shift.map(as_size));
            Ok(Tensor::from_floats(*dtype, &sizes(&result()?.shape)?, values))
        }
        Copy::Full { shape, dtype, value } => {
            let shape = sizes(shape)?;
            let strides = vec![0; shape.len()];
            Ok(filled(*dtype, *value, &[1]).view(shape, strides, 0))
        }
        Copy::Steps { start, step, length, dtype } => {
            let values = (0..size(*length)?).map(|index| start + step * index as f64).collect();
            Ok(from_numbers(*dtype, values))
        }
        Copy::Range { start, length, dtype } => {
            let values: Vec<i64> = (*start..start.saturating_add_unsigned(*length)).collect();
            let shape = [values.len()];
            Ok(Tensor::from_ints(fusewright_ir::DType::I64, &shape, values).cast(*dtype))
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "extents of windows are bounded by the result's elements")]
fn as_size(value: u64) -> usize {
    value as usize
}

#[expect(clippy::cast_possible_truncation, reason = "conversion saturates, which is what is wanted")]
fn from_numbers(dtype: fusewright_ir::DType, values: Vec<f64>) -> Tensor {
    let shape = [values.len()];
    match class(dtype) {
        Class::Int => Tensor::from_ints(dtype, &shape, values.into_iter().map(|value| value as i64).collect()),
        Class::Bool => Tensor::from_bools(&shape, values.into_iter().map(|value| u8::from(value != 0.0)).collect()),
        _ => Tensor::from_floats(dtype, &shape, values.into_iter().map(|value| value as f32).collect()).rounded(),
    }
}

/// A tensor of one value.
pub(crate) fn filled(dtype: fusewright_ir::DType, value: f64, shape: &[usize]) -> Tensor {
    let values = vec![value; shape.iter().product()];
    let flat = from_numbers(dtype, values);
    super::view::reshaped(&flat, shape)
}

fn with_axis(x: &Tensor, axis: usize) -> Tensor {
    let (mut shape, mut strides) = (x.shape.clone(), x.strides.clone());
    shape.insert(axis, 1);
    strides.insert(axis, 0);
    x.view(shape, strides, x.first)
}

fn joined(parts: &[&Tensor], shape: &[usize], axis: usize) -> Result<Tensor, String> {
    let mut start = vec![0; shape.len()];
    let mut result = filled(parts[0].dtype, 0.0, shape);
    for part in parts {
        result = place(result, part, &start)?;
        start[axis] += part.shape[axis];
    }
    Ok(result)
}

fn pad(x: &Tensor, pads: &[i64], value: f64) -> Result<Tensor, String> {
    let rank = x.shape.len();
    let (mut inner, mut first) = (x.clone(), vec![0; rank]);
    let mut shape = Vec::with_capacity(rank);
    for axis in 0..rank {
        let (before, after) = (pads[2 * axis], pads[2 * axis + 1]);
        let cropped = |pad: i64| usize::try_from(pad.min(0).unsigned_abs()).unwrap_or(usize::MAX);
        let added = |pad: i64| usize::try_from(pad.max(0)).unwrap_or(usize::MAX);
        let kept = inner.shape[axis].checked_sub(cropped(before) + cropped(after)).ok_or("cropped below nothing")?;
        inner.first = inner.first.saturating_add_signed(cropped(before).cast_signed() * inner.strides[axis]);
        inner.shape[axis] = kept;
        first[axis] = added(before);
        shape.push(kept + added(before) + added(after));
    }
    place(filled(x.dtype, value, &shape), &inner, &first)
}

/// The two parts that a cyclic shift exchanges are placed one after the other.
fn roll(x: &Tensor, shifts: &[i64], axes: &[i64]) -> Result<Tensor, String> {
    let mut x = x.clone();
    for (&shift, &axis) in shifts.iter().zip(axes) {
        let axis = position(axis, x.shape.len())?;
        let extent = x.shape[axis];
        if extent == 0 {
            continue;
        }
        let shift = usize::try_from(shift.rem_euclid(i64::try_from(extent).unwrap_or(i64::MAX))).unwrap_or(0);
        let part = |start: usize, length: usize| {
            let mut shape = x.shape.clone();
            shape[axis] = length;
            let first = x.first.saturating_add_signed(start.cast_signed() * x.strides[axis]);
            x.view(shape, x.strides.clone(), first)
        };
        let (front, back) = (part(extent - shift, shift), part(0, extent - shift));
        let shape = x.shape.clone();
        x = joined(&[&front, &back], &shape, axis)?;
    }
    Ok(x)
}

fn flip(x: &Tensor, axes: &[i64]) -> Result<Tensor, String> {
    let (mut strides, mut first) = (x.strides.clone(), x.first);
    for &axis in axes {
        let axis = position(axis, x.shape.len())?;
        if x.shape[axis] > 0 {
            first = first.saturating_add_signed((x.shape[axis] - 1).cast_signed() * strides[axis]);
            strides[axis] = -strides[axis];
        }
    }
    Ok(x.view(x.shape.clone(), strides, first).copied())
}

fn repeat(x: &Tensor, counts: &[usize]) -> Result<Tensor, String> {
    let missing = counts.len().checked_sub(x.shape.len()).ok_or("one count per axis is needed")?;
    // Each axis becomes a pair of a repeated one and its own.
    let (mut paired, mut strides, mut shape) = (Vec::new(), Vec::new(), Vec::new());
    for (axis, &count) in counts.iter().enumerate() {
        let (extent, stride) = axis.checked_sub(missing).map_or((1, 0), |own| (x.shape[own], x.strides[own]));
        paired.extend([count, extent]);
        strides.extend([0, stride]);
        shape.push(count * extent);
    }
    Ok(super::view::reshaped(&x.view(paired, strides, x.first).copied(), &shape))
}

/// Positions (even, even), (odd, even), (even, odd), (odd, odd) of each square, side by side.
fn patch_merge(x: &Tensor) -> Result<Tensor, String> {
    let rank = x.shape.len();
    let (rows, columns) = (x.shape[rank - 3], x.shape[rank - 2]);
    let mut pads = vec![0; 2 * rank];
    pads[2 * (rank - 3) + 1] = i64::from(rows % 2 == 1);
    pads[2 * (rank - 2) + 1] = i64::from(columns % 2 == 1);
    let x = if rows % 2 + columns % 2 > 0 { pad(x, &pads, 0.0)? } else { x.clone() };
    let corner = |row: usize, column: usize| {
        let (mut shape, mut strides, mut first) = (x.shape.clone(), x.strides.clone(), x.first);
        for (axis, start) in [(rank - 3, row), (rank - 2, column)] {
            first = first.saturating_add_signed(start.cast_signed() * strides[axis]);
            shape[axis] /= 2;
            strides[axis] *= 2;
        }
        x.view(shape, strides, first)
    };
    let corners = [corner(0, 0), corner(1, 0), corner(0, 1), corner(1, 1)];
    let mut shape = corners[0].shape.clone();
    shape[rank - 1] *= 4;
    joined(&corners.iter().collect::<Vec<_>>(), &shape, rank - 1)
}

/// Positions of a window see each other if no seam of the shifted map runs between them.
fn shift_mask(grid: [usize; 2], window: [usize; 2], shift: [usize; 2]) -> Vec<f32> {
    let zone = |axis: usize, at: usize| {
        let extent = grid[axis] * window[axis];
        let last = at >= extent - window[axis];
        let beyond = at >= extent - shift[axis];
        if shift[axis] == 0 { 0 } else { usize::from(last) + usize::from(beyond) }
    };
    let positions = window[0] * window[1];
    let mut mask = Vec::with_capacity(grid[0] * grid[1] * positions * positions);
    for block in 0..grid[0] * grid[1] {
        let (row, column) = (block / grid[1], block % grid[1]);
        let of =
            |at: usize| 3 * zone(0, row * window[0] + at / window[1]) + zone(1, column * window[1] + at % window[1]);
        for a in 0..positions {
            mask.extend((0..positions).map(|b| if of(a) == of(b) { 0.0 } else { -100.0 }));
        }
    }
    mask
}
