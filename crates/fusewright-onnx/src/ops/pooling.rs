//! Pooling and resampling.

use fusewright_ir::Op;
use fusewright_ir::ops::{PoolKind, Pooling, ReduceKind, Reduction};

use super::Row;
use super::convolution::Window;
use crate::build::{Build, Built, Operand, one};
use crate::content::{Content, as_float, as_int};

pub(super) const ROWS: &[Row] = &[
    Row::new("MaxPool", |build| pool(build, PoolKind::Max)),
    Row::new("AveragePool", |build| pool(build, PoolKind::Average)),
    Row::new("GlobalAveragePool", |build| global(build, ReduceKind::Mean)),
    Row::new("GlobalMaxPool", |build| global(build, ReduceKind::Max)),
    Row::new("Resize", resize),
    Row::new("Upsample", resize),
];

fn pool(build: &mut Build<'_, '_>, kind: PoolKind) -> Built {
    let mut x = build.input(0)?;
    if build.outputs > 1 {
        return Err("the positions of its elements are asked for".to_owned());
    }
    let kernel = build.attributes.sizes("kernel_shape")?.ok_or("it has no kernel")?;
    let extents = build.shape(x)?.get(2..).map(<[u64]>::to_vec).ok_or("its input has no spatial axes")?;
    let mut window = Window::read(build, &extents, &kernel)?;
    let half = |(pad, taps): (&u64, &u64)| pad.saturating_mul(2) <= *taps;
    let padding = if let Some(padding) = window.symmetric().filter(|pads| pads.iter().zip(&kernel).all(half)) {
        padding
    } else {
        x = window.pad(build, x, if kind == PoolKind::Max { f64::NEG_INFINITY } else { 0.0 })?;
        vec![0; kernel.len()]
    };
    let op = Pooling::Window {
        kind,
        kernel,
        stride: window.stride,
        padding,
        dilation: window.dilation,
        ceil: build.attributes.flag("ceil_mode", false),
        skip_padding: kind == PoolKind::Average && !build.attributes.flag("count_include_pad", false),
    };
    one(build.add(Op::Pooling(Box::new(op)), &[x])?)
}

fn global(build: &mut Build<'_, '_>, kind: ReduceKind) -> Built {
    let x = build.input(0)?;
    let rank = i64::try_from(build.rank(x)?).unwrap_or(0);
    one(build.add(Op::Reduction(Reduction::Reduce { kind, axes: (2..rank).collect(), keep: true }), &[x])?)
}

/// Extents come as sizes or as factors: as inputs, or in old versions as an attribute.
fn resize(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let shape = build.shape(x)?;
    let old = build.version < 11;
    let (factors, sizes) = (if old { 1 } else { 2 }, 3);
    let axes = match build.attributes.ints("axes") {
        Some(axes) => axes.iter().map(|&axis| crate::build::position(axis, shape.len())).collect::<Result<_, _>>()?,
        None => (0..shape.len()).collect::<Vec<_>>(),
    };
    let mut target = shape.to_vec();
    let given = |operand: Option<Operand>| operand.and_then(|operand| build.content(operand)).map(Content::to_floats);
    let written =
        build.attributes.floats("scales").map(|scales| scales.iter().map(|&scale| f64::from(scale)).collect());
    let scaled = given(build.optional(factors)).filter(|factors| !factors.is_empty()).or(written);
    if let Some(sizes) = given(build.optional(sizes)).filter(|_| !old) {
        for (&axis, size) in axes.iter().zip(sizes) {
            if let (Some(extent), Ok(size)) = (target.get_mut(axis), u64::try_from(as_int(size))) {
                *extent = size;
            }
        }
    } else if let Some(factors) = scaled {
        for (&axis, factor) in axes.iter().zip(factors) {
            if let Some(extent) = target.get_mut(axis) {
                let size = (as_float(i64::try_from(*extent).unwrap_or(0)) * factor).floor();
                *extent = u64::try_from(as_int(size)).map_err(|_| "a factor is negative")?;
            }
        }
    } else {
        return Err("its extents are only known when it runs".to_owned());
    }
    let taps = match build.attributes.text("mode").unwrap_or("nearest") {
        "linear" | "bilinear" | "trilinear" => 2,
        "cubic" => 4,
        _ => 1,
    };
    let kept = shape.iter().zip(&target).take(2).take_while(|(from, to)| from == to).count();
    let output = target.get(kept..).unwrap_or_default().to_vec();
    one(build.add(Op::Pooling(Box::new(Pooling::Resize { taps, output })), &[x])?)
}
