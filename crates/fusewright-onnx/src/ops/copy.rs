//! Elements moved, joined, converted or made up.

use fusewright_ir::ops::{Binary, Copy, Pointwise};
use fusewright_ir::{DType, Op, Shape};

use super::Row;
use crate::build::{Build, Built, one, position};
use crate::content::Content;
use crate::tensor;

pub(super) const ROWS: &[Row] = &[
    Row::new("Concat", concat),
    Row::new("Cast", cast),
    Row::new("CastLike", cast_like),
    Row::new("Pad", pad),
    Row::new("Tile", tile),
    Row::new("ConstantOfShape", constant_of_shape),
    Row::new("Range", range),
    Row::new("Trilu", triangle),
    Row::new("QuantizeLinear", quantize),
    Row::new("DequantizeLinear", dequantize),
];

fn concat(build: &mut Build<'_, '_>) -> Built {
    let first = build.input(0)?;
    let axis = position(build.attributes.int("axis", 1), build.rank(first)?)?;
    // An empty part adds nothing: caches start so.
    let mut parts = Vec::new();
    for part in build.inputs_from(0) {
        if build.shape(part)?.get(axis) != Some(&0) {
            parts.push(part);
        }
    }
    if parts.is_empty() {
        return one(first);
    }
    one(build.concat(&parts, i64::try_from(axis).unwrap_or(0))?)
}

fn cast(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let dtype = build.attributes.dtype("to")?.ok_or("it does not say to which type")?;
    one(build.cast(x, dtype)?)
}

fn cast_like(build: &mut Build<'_, '_>) -> Built {
    let (x, like) = (build.input(0)?, build.input(1)?);
    let dtype = build.dtype(like)?;
    one(build.cast(x, dtype)?)
}

/// Padding is an input since version 11, an attribute before. What reflects or repeats moves as much as a constant.
fn pad(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let rank = build.rank(x)?;
    let given = if build.has(1) {
        build.known_ints(1)?
    } else {
        build.attributes.ints("pads").ok_or("it has no padding")?.to_vec()
    };
    let value = if build.has(2) { build.known_scalar(2)?.unwrap_or(0.0) } else { build.attributes.float("value", 0.0) };
    let axes = if build.has(3) { build.known_ints(3)? } else { (0..i64::try_from(rank).unwrap_or(0)).collect() };
    let (before, after) = given.split_at_checked(axes.len()).ok_or("it needs two numbers per axis")?;
    let mut pads = vec![0; rank.saturating_mul(2)];
    for ((&axis, &before), &after) in axes.iter().zip(before).zip(after) {
        let place = position(axis, rank)?.saturating_mul(2);
        if let Some(pair) = pads.get_mut(place..place.saturating_add(2)) {
            pair.copy_from_slice(&[before, after]);
        }
    }
    if pads.iter().all(|&pad| pad == 0) {
        return one(x);
    }
    one(build.add(Copy::Pad { pads, value }, &[x])?)
}

fn tile(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let counts = build.known_ints(1)?.into_iter().map(u64::try_from).collect::<Result<Vec<_>, _>>();
    let counts = counts.map_err(|_| "it repeats a negative number of times")?;
    if counts.iter().all(|&count| count == 1) && counts.len() == build.rank(x)? {
        return one(x);
    }
    one(build.add(Copy::Repeat { counts }, &[x])?)
}

/// Only those that are too large to be known arrive here.
fn constant_of_shape(build: &mut Build<'_, '_>) -> Built {
    let shape = build.known_ints(0)?.into_iter().map(u64::try_from).collect::<Result<Vec<_>, _>>();
    let shape = shape.map_err(|_| "it has a negative extent")?;
    let value = build.attributes.tensor("value");
    let content = value.and_then(|value| tensor::content(value, &tensor::tensor_type(value).ok()?));
    let dtype = content.as_ref().map_or(DType::F32, Content::dtype);
    let value = content.as_ref().and_then(Content::scalar).unwrap_or(0.0);
    one(build.add(Copy::Full { shape, dtype, value }, &[])?)
}

fn range(build: &mut Build<'_, '_>) -> Built {
    let (start, limit, delta) = (build.known_scalar(0)?, build.known_scalar(1)?, build.known_scalar(2)?);
    let dtype = build.dtype(build.input(0)?)?;
    let (Some(start), Some(limit), Some(delta)) = (start, limit, delta) else {
        return Err("it takes three numbers".to_owned());
    };
    let length = ((limit - start) / delta).ceil().max(0.0);
    if !length.is_finite() {
        return Err("its step is 0".to_owned());
    }
    let length = u64::try_from(crate::content::as_int(length)).unwrap_or(0);
    let (unit, whole_start) = ((delta - 1.0).abs() < f64::EPSILON, start.fract().abs() < f64::EPSILON);
    let whole = if unit && whole_start { crate::content::as_int(start) } else { 0 };
    let mut values = build.add(Copy::Range { start: whole, length, dtype }, &[])?;
    if !unit {
        values = build.scalar(Binary::Mul, values, delta, false)?;
    }
    if !unit || !whole_start {
        values = build.scalar(Binary::Add, values, start, false)?;
    }
    one(values)
}

fn triangle(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let upper = build.attributes.flag("upper", true);
    let diagonal = crate::content::as_int(build.known_scalar(1)?.unwrap_or(0.0));
    one(build.add(Op::Pointwise(Pointwise::Triangle { upper, diagonal }), &[x])?)
}

fn quantize(build: &mut Build<'_, '_>) -> Built {
    let (x, scale) = (build.input(0)?, build.input(1)?);
    let stated = build.attributes.dtype("output_dtype")?;
    let dtype = match build.optional(2) {
        Some(zero) => build.dtype(zero)?,
        None => stated.unwrap_or(DType::U8),
    };
    let axis = build.attributes.int("axis", 1);
    let scale = along(build, scale, x, axis)?;
    let scaled = build.binary(Binary::Div, x, scale)?;
    let rounded = build.unary(fusewright_ir::ops::Unary::Round, scaled)?;
    one(build.cast(rounded, dtype)?)
}

/// Zero points shift values, which costs as much as nothing against the multiplication; they stay out of the graph.
fn dequantize(build: &mut Build<'_, '_>) -> Built {
    let (x, scale) = (build.input(0)?, build.input(1)?);
    let dtype = build.dtype(scale)?;
    let axis = build.attributes.int("axis", 1);
    let scale = along(build, scale, x, axis)?;
    let values = build.cast(x, dtype)?;
    one(build.binary(Binary::Mul, values, scale)?)
}

/// A scale per index of an axis, shaped so that it broadcasts over x; blocks of an axis are spread over it.
fn along(
    build: &mut Build<'_, '_>,
    scale: crate::build::Operand,
    x: crate::build::Operand,
    axis: i64,
) -> Result<crate::build::Operand, String> {
    let shape = build.shape(x)?;
    let own = build.shape(scale)?;
    if own.is_empty() || own.as_slice() == [1] {
        return if own.is_empty() { Ok(scale) } else { build.reshape(scale, Shape::new()) };
    }
    let axis = position(axis, shape.len())?;
    if let &[count] = own.as_slice() {
        let extents: Shape = (0..shape.len()).map(|place| if place == axis { count } else { 1 }).collect();
        return build.reshape(scale, extents);
    }
    let (blocks, extent) = (own.get(axis).copied().unwrap_or(1), shape.get(axis).copied().unwrap_or(1));
    let size = extent.div_ceil(blocks.max(1));
    let place = axis.saturating_add(1);
    let mut split = own.to_vec();
    split.insert(place.min(split.len()), 1);
    let spread = build.reshape(scale, split.clone())?;
    if let Some(extent) = split.get_mut(place) {
        *extent = size;
    }
    let spread = build.expand(spread, split)?;
    build.reshape(spread, shape)
}
