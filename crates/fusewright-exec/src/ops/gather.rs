//! Elements and slices picked by index.

use fusewright_ir::TensorType;
use fusewright_ir::ops::Gather;

use super::{broadcast_shape, expanded, operand, position, size, sizes};
use crate::strided::contiguous_strides;
use crate::tensor::{Data, Tensor};

pub(crate) fn gather(op: &Gather, operands: &[&Tensor], results: &[&TensorType]) -> Result<Tensor, String> {
    let (a, b) = (operand(operands, 0)?, operand(operands, 1)?);
    let result = results.first().copied().ok_or("there is no result")?;
    let shape = sizes(&result.shape)?;
    match op {
        Gather::Embedding => slices(b, 0, &a.ints(), &shape),
        Gather::PositionBias { positions } => {
            let positions = size(*positions)?;
            let heads = a.shape[1];
            let rows = slices(a, 0, &b.ints(), &[positions * positions, heads])?;
            Ok(rows.view(vec![1, heads, positions, positions], turned(positions, heads), rows.first))
        }
        Gather::IndexSelect { axis } => slices(a, position(*axis, a.shape.len())?, &b.ints(), &shape),
        Gather::Indexed { axes } => {
            let axes: Vec<usize> = axes.iter().map(|&axis| axis as usize).collect();
            let indices = &operands[1..];
            let at = addressed(a, &axes, indices)?;
            Ok(take(a, &at.positions(a), &shape))
        }
        Gather::Nd { batch } => nd(a, b, size(*batch)?, &shape),
        Gather::Elements { axis } => {
            let axis = position(*axis, a.shape.len())?;
            let strides = contiguous_strides(&shape);
            let mut positions = Vec::with_capacity(b.elements());
            for (at, &index) in b.ints().iter().enumerate() {
                let index = wrapped(index, a.shape[axis])?;
                let place = (0..shape.len()).fold(a.first, |place, own| {
                    let coordinate =
                        if own == axis { index } else { at / strides[own].cast_unsigned() % shape[own].max(1) };
                    place.saturating_add_signed(coordinate.cast_signed() * a.strides[own])
                });
                positions.push(place);
            }
            Ok(take(a, &positions, &shape))
        }
    }
}

fn turned(positions: usize, heads: usize) -> Vec<isize> {
    vec![0, 1, (positions * heads).cast_signed(), heads.cast_signed()]
}

/// An index that may count from the end.
pub(crate) fn wrapped(index: i64, extent: usize) -> Result<usize, String> {
    let signed = if index < 0 { index + extent.cast_signed() as i64 } else { index };
    let place = usize::try_from(signed).ok().filter(|&place| place < extent);
    place.ok_or_else(|| format!("index {index} leaves an axis of extent {extent}"))
}

/// The elements at these places of memory.
fn take(x: &Tensor, places: &[usize], shape: &[usize]) -> Tensor {
    match &x.data {
        Data::Float(data) => {
            let data = data.as_slice();
            Tensor::from_floats(x.dtype, shape, places.iter().map(|&place| data[place]).collect())
        }
        Data::Int(data) => Tensor::from_ints(x.dtype, shape, places.iter().map(|&place| data[place]).collect()),
        Data::Bool(data) => Tensor::from_bools(shape, places.iter().map(|&place| data[place]).collect()),
    }
}

/// Slices of an axis, one per index.
fn slices(x: &Tensor, axis: usize, indices: &[i64], shape: &[usize]) -> Result<Tensor, String> {
    let picked: Vec<usize> = indices.iter().map(|&index| wrapped(index, x.shape[axis])).collect::<Result<_, _>>()?;
    let outer: usize = x.shape[..axis].iter().product();
    let inner: usize = x.shape[axis + 1..].iter().product();
    let rows = x.contiguous();
    let extent = x.shape[axis];
    let starts = (0..outer).flat_map(|o| picked.iter().map(move |&index| (o * extent + index) * inner));
    let count = outer * picked.len() * inner;
    Ok(match &rows.data {
        Data::Float(data) => {
            let data = &data.as_slice()[rows.first..];
            let mut values = Vec::with_capacity(count);
            starts.for_each(|start| values.extend_from_slice(&data[start..start + inner]));
            Tensor::from_floats(x.dtype, shape, values)
        }
        Data::Int(data) => {
            let mut values = Vec::with_capacity(count);
            starts.for_each(|start| values.extend_from_slice(&data[rows.first + start..][..inner]));
            Tensor::from_ints(x.dtype, shape, values)
        }
        Data::Bool(data) => {
            let mut values = Vec::with_capacity(count);
            starts.for_each(|start| values.extend_from_slice(&data[rows.first + start..][..inner]));
            Tensor::from_bools(shape, values)
        }
    })
}

/// What a bracket with index tensors addresses.
pub(crate) struct Addressed {
    /// The shape that the indices broadcast to, and where it stands among the kept axes.
    pub(crate) picked: Vec<usize>,
    place: usize,
    /// Offset of each index vector in the memory of x.
    offsets: Vec<isize>,
    kept: Vec<usize>,
}

impl Addressed {
    /// Places in the memory of x, in the order of the result.
    pub(crate) fn positions(&self, x: &Tensor) -> Vec<usize> {
        let outer: Vec<usize> = self.kept[..self.place].to_vec();
        let inner: Vec<usize> = self.kept[self.place..].to_vec();
        let walk = |axes: &[usize]| {
            let mut offsets = vec![0_isize];
            for &axis in axes {
                let stride = x.strides[axis];
                offsets = offsets
                    .iter()
                    .flat_map(|&base| (0..x.shape[axis].cast_signed()).map(move |index| base + index * stride))
                    .collect();
            }
            offsets
        };
        let (outer, inner) = (walk(&outer), walk(&inner));
        let mut places = Vec::with_capacity(outer.len() * self.offsets.len() * inner.len());
        for a in &outer {
            for b in &self.offsets {
                places.extend(inner.iter().map(|c| x.first.saturating_add_signed(a + b + c)));
            }
        }
        places
    }
}

/// Follows index tensors, one per axis.
pub(crate) fn addressed(x: &Tensor, axes: &[usize], indices: &[&Tensor]) -> Result<Addressed, String> {
    let shapes: Vec<&[usize]> = indices.iter().map(|index| index.shape.as_slice()).collect();
    let picked = broadcast_shape(&shapes);
    let mut offsets = vec![0_isize; picked.iter().product()];
    for (&axis, index) in axes.iter().zip(indices) {
        let wide = expanded(index, &picked);
        for (offset, &index) in offsets.iter_mut().zip(wide.ints().iter()) {
            *offset += wrapped(index, x.shape[axis])?.cast_signed() * x.strides[axis];
        }
    }
    let kept: Vec<usize> = (0..x.shape.len()).filter(|axis| !axes.contains(axis)).collect();
    let adjacent = axes.windows(2).all(|pair| pair[1] == pair[0] + 1);
    let place = if adjacent { axes.first().copied().unwrap_or(0) } else { 0 };
    Ok(Addressed { picked, place, offsets, kept })
}

/// Slices addressed by index vectors, the first `batch` axes shared.
fn nd(x: &Tensor, indices: &Tensor, batch: usize, shape: &[usize]) -> Result<Tensor, String> {
    let rows = x.contiguous();
    let (&width, outer) = indices.shape.split_last().ok_or("the indices need an axis")?;
    let batches: usize = x.shape[..batch].iter().product();
    let vectors: usize = outer.iter().product();
    let inner: usize = x.shape[batch + width..].iter().product();
    let block: usize = x.shape[batch..].iter().product();
    let numbers = indices.ints();
    let mut places = Vec::new();
    for vector in 0..vectors {
        let mut at = 0;
        for (own, &index) in numbers[vector * width..][..width].iter().enumerate() {
            at = at * x.shape[batch + own] + wrapped(index, x.shape[batch + own])?;
        }
        let start = rows.first + vector * batches / vectors.max(1) * block + at * inner;
        places.extend(start..start + inner);
    }
    Ok(take(&rows, &places, shape))
}
