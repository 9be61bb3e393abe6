//! Windows and resampling over spatial axes.

use fusewright_ir::TensorType;
use fusewright_ir::ops::{PoolKind, Pooling};
use rayon::prelude::*;

use super::pointwise::narrow;
use super::{operand, sizes};
use crate::tensor::Tensor;

/// The elements of an axis that one result element is made of, with their factors.
type Taps = Vec<(usize, f64)>;

pub(crate) fn pooling(op: &Pooling, operands: &[&Tensor], results: &[&TensorType]) -> Result<Tensor, String> {
    let x = operand(operands, 0)?;
    let shape = sizes(&results.first().ok_or("there is no result")?.shape)?;
    match op {
        Pooling::Window { kind, kernel, stride, padding, dilation, skip_padding, .. } => {
            let (kernel, stride) = (sizes(kernel)?, sizes(stride)?);
            let (padding, dilation) = (sizes(padding)?, sizes(dilation)?);
            let kept = shape.len() - kernel.len();
            let axes = (0..kernel.len()).map(|axis| {
                let extent = x.shape[kept + axis];
                let window = |out: usize| {
                    let places = (0..kernel[axis]).map(|tap| out * stride[axis] + tap * dilation[axis]);
                    let inside = |&at: &usize| at >= padding[axis] && at - padding[axis] < extent;
                    let covered = places.clone().filter(|&at| at < extent + 2 * padding[axis]).count();
                    let taps: Vec<usize> = places.filter(inside).map(|at| at - padding[axis]).collect();
                    let divisor = if *skip_padding { taps.len() } else { covered };
                    taps.into_iter().map(|at| (at, 1.0 / divisor.max(1) as f64)).collect()
                };
                (0..shape[kept + axis]).map(window).collect()
            });
            Ok(fold(x, &shape, &axes.collect::<Vec<_>>(), *kind))
        }
        Pooling::Adaptive { kind, output } => {
            let output = sizes(output)?;
            let kept = shape.len() - output.len();
            let axes = (0..output.len()).map(|axis| {
                let (extent, count) = (x.shape[kept + axis], output[axis]);
                let window = |out: usize| {
                    let (start, end) = (out * extent / count, ((out + 1) * extent).div_ceil(count));
                    (start..end).map(|at| (at, 1.0 / (end - start) as f64)).collect()
                };
                (0..count).map(window).collect()
            });
            Ok(fold(x, &shape, &axes.collect::<Vec<_>>(), *kind))
        }
        Pooling::Resize { taps, output } => {
            let output = sizes(output)?;
            let kept = shape.len() - output.len();
            let axes = (0..output.len()).map(|axis| {
                let extent = x.shape[kept + axis];
                (0..output[axis]).map(|out| resize_taps(*taps, extent, output[axis], out)).collect()
            });
            Ok(fold(x, &shape, &axes.collect::<Vec<_>>(), PoolKind::Average))
        }
    }
}

/// Which neighbours an element of a resized axis is interpolated from, corners not aligned.
fn resize_taps(taps: u64, extent: usize, count: usize, out: usize) -> Taps {
    let scale = extent as f64 / count as f64;
    let last = extent.saturating_sub(1) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the axis")]
    let index = |at: f64| at.clamp(0.0, last) as usize;
    if extent == count {
        return vec![(out, 1.0)];
    }
    if taps <= 1 {
        return vec![(index((out as f64 * scale).floor()), 1.0)];
    }
    let center = (out as f64 + 0.5) * scale - 0.5;
    if taps == 2 {
        let center = center.max(0.0);
        let part = center - center.floor();
        return vec![(index(center.floor()), 1.0 - part), (index(center.floor() + 1.0), part)];
    }
    let (start, part) = (center.floor(), center - center.floor());
    let near = |d: f64| ((-0.75 + 2.0) * d - (-0.75 + 3.0)) * d * d + 1.0;
    let far = |d: f64| ((-0.75 * d + 3.75) * d - 6.0) * d + 3.0;
    [(-1.0, far(part + 1.0)), (0.0, near(part)), (1.0, near(1.0 - part)), (2.0, far(2.0 - part))]
        .into_iter()
        .map(|(offset, factor)| (index(start + offset), factor))
        .collect()
}

/// Folds the windows of each plane: the largest element, or the sum with the factors of all axes.
fn fold(x: &Tensor, shape: &[usize], axes: &[Vec<Taps>], kind: PoolKind) -> Tensor {
    let kept = shape.len() - axes.len();
    let (planes, extents) = (shape[..kept].iter().product::<usize>(), &x.shape[kept..]);
    let (plane, out_plane): (usize, usize) = (extents.iter().product(), shape[kept..].iter().product());
    let values = x.floats();
    let mut result = vec![0.0; planes * out_plane];
    if out_plane > 0 {
        result.par_chunks_mut(out_plane).enumerate().for_each(|(index, out)| {
            let source = &values[index * plane..][..plane];
            for (position, target) in out.iter_mut().enumerate() {
                *target = window(source, extents, &shape[kept..], axes, kind, position);
            }
        });
    }
    Tensor::from_floats(x.dtype, shape, result).rounded()
}

fn window(
    source: &[f32],
    extents: &[usize],
    outer: &[usize],
    axes: &[Vec<Taps>],
    kind: PoolKind,
    position: usize,
) -> f32 {
    let mut coordinates = vec![0; outer.len()];
    let mut rest = position;
    for axis in (0..outer.len()).rev() {
        coordinates[axis] = rest % outer[axis];
        rest /= outer[axis];
    }
    let mut places: Vec<(usize, f64)> = vec![(0, 1.0)];
    for (axis, &coordinate) in coordinates.iter().enumerate() {
        let taps = &axes[axis][coordinate];
        places = places
            .iter()
            .flat_map(|&(base, factor)| taps.iter().map(move |&(at, f)| (base * extents[axis] + at, factor * f)))
            .collect();
    }
    match kind {
        PoolKind::Max => places.iter().fold(f32::NEG_INFINITY, |top, &(at, _)| {
            let value = source[at];
            if value > top || value.is_nan() { value } else { top }
        }),
        PoolKind::Average => narrow(places.iter().map(|&(at, factor)| f64::from(source[at]) * factor).sum()),
    }
}
