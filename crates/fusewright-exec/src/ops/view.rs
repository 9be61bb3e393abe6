//! Views: the same memory with other strides. A reshape that no strides describe copies.

use fusewright_ir::ops::{Index, View};

use super::{Run, expanded, operand, size, sizes};
use crate::strided::contiguous_strides;
use crate::tensor::Tensor;

pub(crate) fn view(op: &View, operands: &[&Tensor]) -> Run {
    if matches!(op, View::Alias) {
        return Ok(operands.iter().map(|&tensor| tensor.clone()).collect());
    }
    let x = operand(operands, 0)?;
    Ok(match op {
        View::Alias => Vec::new(),
        View::Reshape { shape } => vec![reshaped(x, &sizes(shape)?)],
        View::Reinterpret { .. } => return Err("bytes read as another type are not supported".to_owned()),
        View::Permute { axes } => {
            let of = |axis: &u32| *axis as usize;
            let shape = axes.iter().map(|axis| x.shape[of(axis)]).collect();
            vec![x.view(shape, axes.iter().map(|axis| x.strides[of(axis)]).collect(), x.first)]
        }
        View::Expand { shape } => vec![expanded(x, &sizes(shape)?)],
        View::Slice { axis, start, length, step } => {
            let axis = *axis as usize;
            let (mut shape, mut strides) = (x.shape.clone(), x.strides.clone());
            let first = moved(x.first, size(*start)?, strides[axis]);
            shape[axis] = size(*length)?;
            strides[axis] *= size(*step)?.cast_signed();
            vec![x.view(shape, strides, first)]
        }
        View::Select { axis, index } => vec![selected(x, *axis as usize, size(*index)?)],
        View::Subscript { items } => vec![subscript(x, items)?],
        View::Split { axis, sizes } => {
            let axis = *axis as usize;
            let mut at = 0;
            let mut parts = Vec::with_capacity(sizes.len());
            for &length in sizes {
                let mut shape = x.shape.clone();
                shape[axis] = size(length)?;
                parts.push(x.view(shape, x.strides.clone(), moved(x.first, at, x.strides[axis])));
                at += size(length)?;
            }
            parts
        }
        View::Unbind { axis } => {
            let axis = *axis as usize;
            (0..x.shape[axis]).map(|index| selected(x, axis, index)).collect()
        }
    })
}

fn moved(first: usize, index: usize, stride: isize) -> usize {
    first.saturating_add_signed(index.cast_signed() * stride)
}

fn selected(x: &Tensor, axis: usize, index: usize) -> Tensor {
    let (mut shape, mut strides) = (x.shape.clone(), x.strides.clone());
    shape.remove(axis);
    let stride = strides.remove(axis);
    x.view(shape, strides, moved(x.first, index, stride))
}

fn subscript(x: &Tensor, items: &[Index]) -> Result<Tensor, String> {
    let (mut shape, mut strides, mut first) = (Vec::new(), Vec::new(), x.first);
    let mut axes = x.strides.iter();
    let mut next = || axes.next().copied().ok_or("more entries than axes");
    for item in items {
        match *item {
            Index::New => {
                shape.push(1);
                strides.push(0);
            }
            Index::At(index) => first = moved(first, size(index)?, next()?),
            Index::Range { start, length, step } => {
                let stride = next()?;
                first = moved(first, size(start)?, stride);
                shape.push(size(length)?);
                strides.push(stride * size(step)?.cast_signed());
            }
        }
    }
    Ok(x.view(shape, strides, first))
}

/// The same elements in another shape, without a copy where strides allow it.
pub(crate) fn reshaped(x: &Tensor, shape: &[usize]) -> Tensor {
    if let Some(strides) = reshaped_strides(&x.shape, &x.strides, shape) {
        return x.view(shape.to_vec(), strides, x.first);
    }
    let copy = x.copied();
    copy.view(shape.to_vec(), contiguous_strides(shape), 0)
}

/// Strides that describe the same memory in another shape: axes that follow each other in memory are joined, then cut
/// anew.
fn reshaped_strides(shape: &[usize], strides: &[isize], target: &[usize]) -> Option<Vec<isize>> {
    if shape.contains(&0) {
        return Some(contiguous_strides(target));
    }
    let mut runs: Vec<(usize, isize)> = Vec::new();
    for (&extent, &stride) in shape.iter().zip(strides).filter(|(extent, _)| **extent != 1) {
        match runs.last_mut() {
            Some((length, last)) if *last == stride * extent.cast_signed() => {
                *length *= extent;
                *last = stride;
            }
            _ => runs.push((extent, stride)),
        }
    }
    let mut result = vec![1_isize; target.len()];
    let mut axis = target.len();
    while let Some((length, stride)) = runs.pop() {
        let mut placed = 1_usize;
        while placed < length {
            axis = axis.checked_sub(1)?;
            result[axis] = stride * placed.cast_signed();
            placed *= target[axis];
        }
        if placed != length {
            return None;
        }
    }
    target[..axis].iter().all(|&extent| extent == 1).then_some(result)
}
