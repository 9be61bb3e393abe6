//! Convolutions with a sum and an activation behind them, or with the channels last.

use fusewright_ir::Op;
use fusewright_ir::ops::{Convolution, Padding};

use super::super::convolution::Window;
use super::contraction::activated;
use super::heads::biased;
use super::{Row, size, standard};
use crate::build::{Build, Built, Operand, one};

pub(super) const ROWS: &[Row] = &[
    Row::new("FusedConv", fused).weights(&[1, 2]),
    Row::new("NhwcConv", channels_last).weights(&[1, 2]),
    Row::new("NhwcFusedConv", channels_last).weights(&[1, 2]),
];

/// The fourth operand is added before the activation.
fn fused(build: &mut Build<'_, '_>) -> Built {
    let result = standard(build, "Conv")?;
    let addend = build.optional(3);
    let sum = biased(build, result, addend)?;
    one(activated(build, sum)?)
}

/// A convolution of `[batch, channels, ..]` by `[out, channels / groups, ..]`.
pub(super) fn convolved(
    build: &mut Build<'_, '_>,
    mut x: Operand,
    weight: Operand,
    bias: Option<Operand>,
) -> Result<Operand, String> {
    let spatial = |build: &Build<'_, '_>, x| -> Result<Vec<u64>, String> {
        let shape = build.shape(x)?;
        shape.get(2..).map(<[u64]>::to_vec).ok_or_else(|| "an operand has no spatial axes".to_owned())
    };
    let (extents, kernel) = (spatial(build, x)?, spatial(build, weight)?);
    let mut window = Window::read(build, &extents, &kernel)?;
    let padding = if let Some(padding) = window.symmetric() {
        padding
    } else {
        x = window.pad(build, x, 0.0)?;
        vec![0; kernel.len()]
    };
    let groups = if build.attributes.has("group") { size(build, "group")? } else { 1 };
    let (stride, dilation) = (window.stride, window.dilation);
    let op = Convolution { stride, padding: Padding::Explicit(padding), dilation, groups, transposed: None };
    let operands: Vec<Operand> = [Some(x), Some(weight), bias].into_iter().flatten().collect();
    build.add(Op::Convolution(Box::new(op)), &operands)
}

/// Orders of axes that bring the last axis to place 1, and back.
pub(super) fn orders(rank: usize) -> Result<[Vec<u32>; 2], String> {
    let rank = u32::try_from(rank).map_err(|_| "it has too many axes")?;
    let last = rank.checked_sub(1).filter(|&last| last > 1).ok_or("it has no spatial axes")?;
    let front = [0, last].into_iter().chain(1..last).collect();
    let back = [0].into_iter().chain(2..rank).chain([1]).collect();
    Ok([front, back])
}

/// Weights may have their channels last too.
fn channels_last(build: &mut Build<'_, '_>) -> Built {
    let (x, mut weight, bias) = (build.input(0)?, build.input(1)?, build.optional(2));
    let [front, back] = orders(build.rank(x)?)?;
    let groups = if build.attributes.has("group") { size(build, "group")? } else { 1 };
    let own = build.extent(x, -1)?.checked_div(groups).ok_or("it has no groups")?;
    if build.extent(weight, 1)? != own && build.extent(weight, -1)? == own {
        weight = build.permute(weight, &front)?;
    }
    let turned = build.permute(x, &front)?;
    let result = convolved(build, turned, weight, bias)?;
    let mut result = build.permute(result, &back)?;
    let addend = build.optional(3);
    result = biased(build, result, addend)?;
    one(activated(build, result)?)
}
