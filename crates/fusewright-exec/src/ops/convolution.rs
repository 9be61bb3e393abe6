//! Convolutions as matrix products: the taps of each position are laid out as a column.

use fusewright_ir::ops::{Convolution, Padding};
use rayon::prelude::*;

use super::{operand, sizes};
use crate::gemm::{Matrix, Target, multiply};
use crate::lanes::vectorized;
use crate::tensor::Tensor;

/// One spatial axis of a convolution.
#[derive(Clone, Copy, Debug)]
struct Axis {
    extent: usize,
    out: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    before: usize,
}

impl Axis {
    /// The position that a tap reads for a result element, if it is not padding.
    fn at(&self, out: usize, tap: usize) -> Option<usize> {
        (out * self.stride + tap * self.dilation).checked_sub(self.before).filter(|&at| at < self.extent)
    }
}

pub(crate) fn convolution(op: &Convolution, operands: &[&Tensor]) -> Result<Tensor, String> {
    let (x, weight) = (operand(operands, 0)?.contiguous(), operand(operands, 1)?.contiguous());
    let bias = operands.get(2).map(|bias| bias.floats());
    if op.transposed.is_some() {
        return transposed(op, &x, &weight, bias.as_deref());
    }
    let groups = super::size(op.groups)?;
    let axes = axes(op, &x.shape[2..], &weight.shape[2..])?;
    let (batch, out_channels) = (x.shape[0], weight.shape[0]);
    let (per_group, out_group) = (weight.shape[1], out_channels / groups.max(1));
    let plane: usize = axes.iter().map(|axis| axis.extent).product();
    let out_plane: usize = axes.iter().map(|axis| axis.out).product();
    let taps: usize = axes.iter().map(|axis| axis.kernel).product();
    let (input, factors) = (x.floats(), weight.floats());
    let mut values = vec![0.0_f32; batch * out_channels * out_plane];
    let depth = per_group * taps;
    if out_plane > 0 && out_group > 0 {
        let one = |(index, out): (usize, &mut [f32]), threads: bool| {
            let (image, group) = (index / groups, index % groups);
            let source = &input[(image * groups + group) * per_group * plane..][..per_group * plane];
            let kernel = &factors[group * out_group * depth..][..out_group * depth];
            if let Some(bias) = &bias {
                for (row, &value) in out.chunks_mut(out_plane).zip(&bias[group * out_group..]) {
                    row.fill(value);
                }
            }
            if per_group == 1 && out_group == 1 {
                depthwise(source, kernel, &axes, out);
                return;
            }
            let pointwise = axes.iter().all(|a| a.kernel == 1 && a.stride == 1 && a.before == 0);
            let columns = if pointwise { None } else { Some(columns(source, per_group, &axes, plane, out_plane)) };
            let right = columns.as_deref().unwrap_or(source);
            let a = Matrix { data: kernel, first: 0, strides: [depth.cast_signed(), 1] };
            let b = Matrix { data: right, first: 0, strides: [out_plane.cast_signed(), 1] };
            let mut target = Target { data: out, stride: out_plane };
            multiply([out_group, out_plane, depth], a, b, &mut target, bias.is_some(), threads);
        };
        let chunk = out_group * out_plane;
        if batch * groups >= rayon::current_num_threads() && groups > 1 {
            values.par_chunks_mut(chunk).enumerate().for_each(|part| one(part, false));
        } else {
            values.chunks_mut(chunk).enumerate().for_each(|part| one(part, true));
        }
    }
    let shape: Vec<usize> = [batch, out_channels].into_iter().chain(axes.iter().map(|axis| axis.out)).collect();
    Ok(Tensor::from_floats(x.dtype, &shape, values).rounded())
}

fn axes(op: &Convolution, extents: &[usize], kernels: &[usize]) -> Result<Vec<Axis>, String> {
    let (stride, dilation) = (sizes(&op.stride)?, sizes(&op.dilation)?);
    let axis = |position: usize| {
        let (extent, kernel) = (extents[position], kernels[position]);
        let (stride, dilation) = (stride[position].max(1), dilation[position]);
        let reach = kernel.saturating_sub(1) * dilation + 1;
        let (before, out) = match &op.padding {
            Padding::Same => {
                let out = extent.div_ceil(stride);
                ((out.saturating_sub(1) * stride + reach).saturating_sub(extent) / 2, out)
            }
            Padding::Explicit(padding) => {
                let before = super::size(padding[position])?;
                let positions =
                    (extent + 2 * before).checked_sub(reach).ok_or("the kernel is larger than its input")?;
                (before, positions / stride + 1)
            }
        };
        Ok(Axis { extent, out, kernel, stride, dilation, before })
    };
    (0..extents.len()).map(axis).collect()
}

/// Coordinates of a position in row-major order.
fn coordinates(mut position: usize, extents: impl DoubleEndedIterator<Item = usize>) -> Vec<usize> {
    let mut found: Vec<usize> = extents
        .rev()
        .map(|extent| {
            let own = position % extent.max(1);
            position /= extent.max(1);
            own
        })
        .collect();
    found.reverse();
    found
}

/// Row = channel and tap, column = position of the result; what lies in the padding is zero.
fn columns(source: &[f32], channels: usize, axes: &[Axis], plane: usize, out_plane: usize) -> Vec<f32> {
    let taps: usize = axes.iter().map(|axis| axis.kernel).product();
    let mut columns = vec![0.0; channels * taps * out_plane];
    let Some((last, outer)) = axes.split_last() else { return columns };
    columns.par_chunks_mut(out_plane).enumerate().for_each(|(row, out)| {
        let (channel, tap) = (row / taps, row % taps);
        let tap = coordinates(tap, axes.iter().map(|axis| axis.kernel));
        let source = &source[channel * plane..][..plane];
        for (line, out) in out.chunks_mut(last.out).enumerate() {
            let place = coordinates(line, outer.iter().map(|axis| axis.out));
            let base = outer
                .iter()
                .enumerate()
                .try_fold(0, |base, (own, axis)| Some(base * axis.extent + axis.at(place[own], tap[own])?));
            let Some(base) = base else { continue };
            let line = &source[base * last.extent..][..last.extent];
            for (position, value) in out.iter_mut().enumerate() {
                if let Some(at) = last.at(position, tap[outer.len()]) {
                    *value = line[at];
                }
            }
        }
    });
    columns
}

/// One channel with one kernel: each tap adds a shifted plane.
fn depthwise(source: &[f32], kernel: &[f32], axes: &[Axis], out: &mut [f32]) {
    let Some((last, outer)) = axes.split_last() else { return };
    for (tap, &factor) in kernel.iter().enumerate() {
        let tap = coordinates(tap, axes.iter().map(|axis| axis.kernel));
        let inner = tap[outer.len()] * last.dilation;
        for (line, out) in out.chunks_mut(last.out).enumerate() {
            let place = coordinates(line, outer.iter().map(|axis| axis.out));
            let base = outer
                .iter()
                .enumerate()
                .try_fold(0, |base, (own, axis)| Some(base * axis.extent + axis.at(place[own], tap[own])?));
            let Some(base) = base else { continue };
            let line = &source[base * last.extent..][..last.extent];
            // Positions whose tap is inside.
            let start = last.before.saturating_sub(inner).div_ceil(last.stride);
            let end = (last.extent + last.before).saturating_sub(inner).div_ceil(last.stride).min(last.out);
            if start >= end {
                continue;
            }
            let first = start * last.stride + inner - last.before;
            vectorized(
                #[inline(always)]
                || {
                    if last.stride == 1 {
                        let line = &line[first..first + (end - start)];
                        out[start..end].iter_mut().zip(line).for_each(|(o, &v)| *o += v * factor);
                    } else {
                        let line = line[first..].iter().step_by(last.stride);
                        out[start..end].iter_mut().zip(line).for_each(|(o, &v)| *o += v * factor);
                    }
                },
            );
        }
    }
}

/// Each element of x adds its kernel to the result.
fn transposed(op: &Convolution, x: &Tensor, weight: &Tensor, bias: Option<&[f32]>) -> Result<Tensor, String> {
    let Padding::Explicit(padding) = &op.padding else {
        return Err("a transposed convolution pads explicitly".to_owned());
    };
    let extra = sizes(op.transposed.as_deref().unwrap_or_default())?;
    let (padding, stride, dilation) = (sizes(padding)?, sizes(&op.stride)?, sizes(&op.dilation)?);
    let groups = super::size(op.groups)?;
    let (batch, channels, out_group) = (x.shape[0], x.shape[1], weight.shape[1]);
    let (extents, kernels) = (&x.shape[2..], &weight.shape[2..]);
    let outs: Vec<usize> = (0..extents.len())
        .map(|axis| {
            let reach = kernels[axis].saturating_sub(1) * dilation[axis] + 1 + extra[axis];
            (extents[axis].saturating_sub(1) * stride[axis] + reach)
                .checked_sub(2 * padding[axis])
                .ok_or("more padding than result")
        })
        .collect::<Result<_, _>>()?;
    let (plane, out_plane, taps): (usize, usize, usize) =
        (extents.iter().product(), outs.iter().product(), kernels.iter().product());
    let (input, factors) = (x.floats(), weight.floats());
    let per_group = channels / groups.max(1);
    let mut values = vec![0.0_f32; batch * groups * out_group * out_plane];
    if out_plane > 0 {
        values.par_chunks_mut(out_plane).enumerate().for_each(|(index, out)| {
            let (image, channel) = (index / (groups * out_group), index % (groups * out_group));
            let (group, own) = (channel / out_group, channel % out_group);
            let mut sums = vec![0.0_f64; out_plane];
            for source in 0..per_group {
                let source = group * per_group + source;
                let plane_values = &input[(image * channels + source) * plane..][..plane];
                let kernel = &factors[(source * out_group + own) * taps..][..taps];
                for (at, &value) in plane_values.iter().enumerate() {
                    let at = coordinates(at, extents.iter().copied());
                    for (tap, &factor) in kernel.iter().enumerate() {
                        let tap = coordinates(tap, kernels.iter().copied());
                        let place = (0..outs.len()).try_fold(0, |base, axis| {
                            let to = (at[axis] * stride[axis] + tap[axis] * dilation[axis])
                                .checked_sub(padding[axis])
                                .filter(|&to| to < outs[axis])?;
                            Some(base * outs[axis] + to)
                        });
                        if let Some(place) = place {
                            sums[place] += f64::from(value) * f64::from(factor);
                        }
                    }
                }
            }
            let offset = f64::from(bias.map_or(0.0, |bias| bias[channel]));
            for (o, sum) in out.iter_mut().zip(sums) {
                *o = super::pointwise::narrow(sum + offset);
            }
        });
    }
    let shape: Vec<usize> = [batch, groups * out_group].into_iter().chain(outs).collect();
    Ok(Tensor::from_floats(x.dtype, &shape, values).rounded())
}
