//! Other descriptions of the same elements.

use fusewright_ir::Op;
use fusewright_ir::ops::{Gather, View};
use smallvec::SmallVec;

use super::{Row, shapes};
use crate::build::{Build, Built, Operand, axis_number, one, position};
use crate::content::{Content, LIMIT};

pub(super) const ROWS: &[Row] = &[
    Row::new("Identity", identity),
    Row::new("Reshape", reshape),
    Row::new("Flatten", flatten),
    Row::new("Squeeze", squeeze),
    Row::new("Unsqueeze", unsqueeze),
    Row::new("Transpose", transpose),
    Row::new("Expand", expand),
    Row::new("Slice", slice),
    Row::new("Split", split),
    Row::new("DepthToSpace", depth_to_space),
    Row::new("SpaceToDepth", space_to_depth),
];

fn identity(build: &mut Build<'_, '_>) -> Built {
    one(build.input(0)?)
}

fn reshape(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let wanted = if build.has(1) {
        build.known_ints(1)?
    } else {
        build.attributes.ints("shape").ok_or("it has no shape")?.to_vec()
    };
    let shape = shapes::reshaped(&build.shape(x)?, &wanted, build.attributes.flag("allowzero", false))?;
    one(build.reshape(x, shape)?)
}

fn flatten(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let shape = shapes::flattened(&build.shape(x)?, build.attributes.int("axis", 1))?;
    one(build.reshape(x, shape)?)
}

fn squeeze(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let axes = build.axes(1)?;
    let shape = shapes::squeezed(&build.shape(x)?, axes.as_deref())?;
    one(build.reshape(x, shape)?)
}

fn unsqueeze(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let axes = build.axes(1)?.ok_or("it has no axes")?;
    let shape = shapes::unsqueezed(&build.shape(x)?, &axes)?;
    one(build.reshape(x, shape)?)
}

fn transpose(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let axes = shapes::permutation(build.attributes.ints("perm"), build.rank(x)?)?;
    one(build.permute(x, &axes)?)
}

/// Both shapes broadcast: an extent of 1 in the wanted shape keeps the operand's.
fn expand(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let wanted = build.known_ints(1)?;
    let own = build.shape(x)?;
    let rank = wanted.len().max(own.len());
    let mut shape = vec![1; rank.saturating_sub(own.len())];
    shape.extend(own);
    let offset = rank.saturating_sub(wanted.len());
    for (extent, &wanted) in shape.iter_mut().skip(offset).zip(&wanted) {
        let wanted = u64::try_from(wanted).map_err(|_| format!("it expands to the extent {wanted}"))?;
        if *extent == 1 {
            *extent = wanted;
        }
    }
    one(build.expand(x, shape)?)
}

fn slice(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let list = |index: usize, name: &str| -> Result<Option<Vec<i64>>, String> {
        if build.has(index) {
            return build.known_ints(index).map(Some);
        }
        Ok(build.attributes.ints(name).filter(|_| build.version < 10).map(<[i64]>::to_vec))
    };
    let (starts, ends) = (list(1, "starts")?.ok_or("it has no starts")?, list(2, "ends")?.ok_or("it has no ends")?);
    let (axes, steps) = (list(3, "axes")?, list(4, "steps")?);
    let shape = build.shape(x)?;
    let ranges = shapes::ranges(&shape, &starts, &ends, axes.as_deref(), steps.as_deref())?;
    let mut result = x;
    for (axis, (range, &extent)) in ranges.into_iter().zip(&shape).enumerate() {
        if range.step == 1 {
            result = build.narrow(result, axis, range.start, range.length)?;
        } else if let Ok(step) = u64::try_from(range.step) {
            let view = View::Slice { axis: axis_number(axis), start: range.start, length: range.length, step };
            result = build.add(view, &[result])?;
        } else {
            result = backwards(build, result, axis, range, extent)?;
        }
    }
    one(result)
}

/// Indices that descend are no strides of memory here; they are picked one by one.
fn backwards(
    build: &mut Build<'_, '_>,
    x: Operand,
    axis: usize,
    range: shapes::Range,
    extent: u64,
) -> Result<Operand, String> {
    let start = i64::try_from(range.start).map_err(|_| format!("an axis of {extent}"))?;
    let index = |place: u64| i64::try_from(place).ok()?.checked_mul(range.step)?.checked_add(start);
    let short = (range.length <= LIMIT).then_some(range.length);
    let indices = (0..short.ok_or("it turns a long axis around")?).map(index).collect::<Option<Vec<_>>>();
    let content = indices.and_then(Content::ints).ok_or("its indices are out of range")?;
    let indices = build.literal(content);
    let axis = i64::try_from(axis).unwrap_or(i64::MAX);
    build.add(Op::Gather(Gather::IndexSelect { axis }), &[x, indices])
}

fn split(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let axis = position(build.attributes.int("axis", 0), build.rank(x)?)?;
    let extent = build.shape(x)?.get(axis).copied().unwrap_or(0);
    let given =
        if build.has(1) { Some(build.known_ints(1)?) } else { build.attributes.ints("split").map(<[i64]>::to_vec) };
    let sizes = shapes::split_sizes(extent, given.as_deref(), build.outputs)?;
    if let [_] = sizes.as_slice() {
        return one(x);
    }
    let first = build.add(View::Split { axis: axis_number(axis), sizes }, &[x])?;
    Ok(build.siblings(first))
}

/// Blocks of channels laid out as squares: in order of depth, column, row (`DCR`) or channels first (`CRD`).
fn depth_to_space(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let block = block_size(build)?;
    let &[batch, channels, height, width] = build.shape(x)?.as_slice() else {
        return Err("it takes four axes".to_owned());
    };
    let depth = channels.checked_div(block.saturating_mul(block)).unwrap_or(0);
    let (split, order): ([u64; 6], [u32; 6]) = match build.attributes.text("mode").unwrap_or("DCR") {
        "CRD" => ([batch, depth, block, block, height, width], [0, 1, 4, 2, 5, 3]),
        _ => ([batch, block, block, depth, height, width], [0, 3, 4, 1, 5, 2]),
    };
    let parts = build.reshape(x, SmallVec::from_slice(&split))?;
    let parts = build.permute(parts, &order)?;
    one(build.reshape(
        parts,
        SmallVec::from_slice(&[batch, depth, height.saturating_mul(block), width.saturating_mul(block)]),
    )?)
}

fn space_to_depth(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let block = block_size(build)?;
    let &[batch, channels, height, width] = build.shape(x)?.as_slice() else {
        return Err("it takes four axes".to_owned());
    };
    let (rows, columns) = (height.checked_div(block).unwrap_or(0), width.checked_div(block).unwrap_or(0));
    let parts = build.reshape(x, SmallVec::from_slice(&[batch, channels, rows, block, columns, block]))?;
    let parts = build.permute(parts, &[0, 3, 5, 1, 2, 4])?;
    let depth = channels.saturating_mul(block).saturating_mul(block);
    one(build.reshape(parts, SmallVec::from_slice(&[batch, depth, rows, columns]))?)
}

fn block_size(build: &Build<'_, '_>) -> Result<u64, String> {
    let block = build.attributes.int("blocksize", 0);
    u64::try_from(block).ok().filter(|&block| block > 0).ok_or_else(|| format!("its block size is {block}"))
}
