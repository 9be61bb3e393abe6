//! Pooling of one to three spatial axes.

use fusewright_ir::Op;
use fusewright_ir::ops::{PoolKind, Pooling};
use smallvec::smallvec;

use super::super::arguments::{Built, Call, size};
use super::super::values::Operand;
use super::{Results, Row, row};

const MAX: &str = "input kernel_size stride padding dilation ceil_mode return_indices";
const AVERAGE: &str = "input kernel_size stride padding ceil_mode count_include_pad divisor_override";
const ADAPTIVE: &str = "input output_size return_indices";

const INTERPOLATE: &str = "input size scale_factor mode align_corners recompute_scale_factor antialias";

pub(super) const ROWS: &[Row] = &[
    row("max_pool1d", MAX, |call| window(call, PoolKind::Max, 1)),
    row("max_pool2d", MAX, |call| window(call, PoolKind::Max, 2)),
    row("max_pool3d", MAX, |call| window(call, PoolKind::Max, 3)),
    row("avg_pool1d", AVERAGE, |call| window(call, PoolKind::Average, 1)),
    row("avg_pool2d", AVERAGE, |call| window(call, PoolKind::Average, 2)),
    row("avg_pool3d", AVERAGE, |call| window(call, PoolKind::Average, 3)),
    row("adaptive_max_pool1d", ADAPTIVE, |call| adaptive(call, PoolKind::Max, 1)),
    row("adaptive_max_pool2d", ADAPTIVE, |call| adaptive(call, PoolKind::Max, 2)),
    row("adaptive_max_pool3d", ADAPTIVE, |call| adaptive(call, PoolKind::Max, 3)),
    row("max_pool2d_with_indices", MAX, |call| window(call, PoolKind::Max, 2)).with_results(Results::First),
    row("max_pool3d_with_indices", MAX, |call| window(call, PoolKind::Max, 3)).with_results(Results::First),
    row("adaptive_max_pool1d.default", ADAPTIVE, |call| adaptive(call, PoolKind::Max, 1)).with_results(Results::First),
    row("adaptive_max_pool2d.default", ADAPTIVE, |call| adaptive(call, PoolKind::Max, 2)).with_results(Results::First),
    row("adaptive_max_pool3d.default", ADAPTIVE, |call| adaptive(call, PoolKind::Max, 3)).with_results(Results::First),
    row("_adaptive_avg_pool2d", ADAPTIVE, |call| adaptive(call, PoolKind::Average, 2)),
    row("_adaptive_avg_pool3d", ADAPTIVE, |call| adaptive(call, PoolKind::Average, 3)),
    row("interpolate upsample", INTERPOLATE, interpolate),
    row(
        "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d \
         _upsample_nearest_exact3d",
        "input size/output_size scale_factor/scale_factors/scales/scales_d scales_h scales_w",
        |call| resize(call, 1),
    ),
    row(
        "upsample_linear1d upsample_bilinear2d upsample_trilinear3d",
        "input size/output_size align_corners scale_factor/scale_factors/scales/scales_d scales_h scales_w",
        |call| resize(call, 2),
    ),
    row(
        "upsample_bicubic2d",
        "input size/output_size align_corners scale_factor/scale_factors scales_h scales_w",
        |call| resize(call, 4),
    ),
    row("adaptive_avg_pool1d", ADAPTIVE, |call| adaptive(call, PoolKind::Average, 1)),
    row("adaptive_avg_pool2d", ADAPTIVE, |call| adaptive(call, PoolKind::Average, 2)),
    row("adaptive_avg_pool3d", ADAPTIVE, |call| adaptive(call, PoolKind::Average, 3)),
];

/// The recorded shape says how large the result is; which neighbours an element is made of decides no cost.
fn resize(call: &Call<'_>, taps: u64) -> Built {
    let output = call.result()?.shape.get(2..).ok_or("x needs batch and channel axes")?.to_vec();
    Ok((Op::Pooling(Box::new(Pooling::Resize { taps, output })), smallvec![call.tensor("input")?]))
}

fn interpolate(call: &Call<'_>) -> Built {
    if call.flag("antialias", false)? {
        return Err("a resize that smooths has no counterpart".to_owned());
    }
    match call.text("mode")?.unwrap_or("nearest") {
        "nearest" | "nearest-exact" => resize(call, 1),
        "linear" | "bilinear" | "trilinear" => resize(call, 2),
        "bicubic" => resize(call, 4),
        mode => Err(format!("a resize by `{mode}` has no counterpart")),
    }
}

fn window(call: &Call<'_>, kind: PoolKind, axes: usize) -> Built {
    call.refuse("divisor_override")?;
    refuse_indices(call)?;
    if call.given("kernel_size").is_none() {
        return Err("the argument `kernel_size` is missing".to_owned());
    }
    let kernel = call.sizes("kernel_size", axes, 1)?;
    let stride = match call.optional_ints("stride")? {
        None => kernel.clone(),
        // ATen writes an absent stride as an empty list.
        Some(given) if given.is_empty() => kernel.clone(),
        Some(_) => call.sizes("stride", axes, 1)?,
    };
    let op = Pooling::Window {
        kind,
        kernel,
        stride,
        padding: call.sizes("padding", axes, 0)?,
        dilation: call.sizes("dilation", axes, 1)?,
        ceil: call.flag("ceil_mode", false)?,
        skip_padding: kind == PoolKind::Average && !call.flag("count_include_pad", true)?,
    };
    Ok((Op::Pooling(Box::new(op)), smallvec![call.tensor("input")?]))
}

/// An output extent of `None` keeps that of the input.
fn adaptive(call: &Call<'_>, kind: PoolKind, axes: usize) -> Built {
    refuse_indices(call)?;
    let (input, ty) = call.typed("input")?;
    let kept = ty.shape.get(ty.rank().saturating_sub(axes)..).unwrap_or_default();
    let extent = |operand: Operand<'_>, axis: usize| match operand.int() {
        Some(value) => size("output_size", value),
        None if operand.is_none() => kept.get(axis).copied().ok_or_else(|| "x has too few axes".to_owned()),
        None => Err(format!("the argument `output_size` holds {}", operand.describe())),
    };
    let output = match call.get("output_size") {
        None => return Err("the argument `output_size` is missing".to_owned()),
        Some(Operand::Items(items)) if items.len() == axes => {
            call.env.items(items).zip(0..).map(|(item, axis)| extent(item, axis)).collect::<Result<_, _>>()?
        }
        Some(Operand::Items(items)) if items.len() != 1 => {
            return Err(format!("`output_size` has {} entries, expected {axes}", items.len()));
        }
        Some(Operand::Items(_)) => call.sizes("output_size", axes, 1)?,
        Some(single) => (0..axes).map(|axis| extent(single, axis)).collect::<Result<_, _>>()?,
    };
    Ok((Op::Pooling(Box::new(Pooling::Adaptive { kind, output })), smallvec![input]))
}

fn refuse_indices(call: &Call<'_>) -> Result<(), String> {
    if call.flag("return_indices", false)? {
        return Err("the positions of the maxima are a second result".to_owned());
    }
    Ok(())
}
