//! Elements picked and replaced by index.

use fusewright_ir::Op;
use fusewright_ir::ops::{Gather, Scatter, View};

use super::Row;
use crate::build::{Build, Built, axis_number, one, position};
use crate::content::Content;

pub(super) const ROWS: &[Row] = &[
    Row::new("Gather", gather),
    Row::new("GatherElements", gather_elements),
    Row::new("GatherND", gather_nd),
    Row::new("ScatterElements", scatter_elements),
    Row::new("ScatterND", scatter_nd),
    Row::new("TensorScatter", tensor_scatter),
];

/// One known index takes a slice; rows of a matrix are an embedding; else slices along an axis, whose place in the
/// result the axes of the indices take.
fn gather(build: &mut Build<'_, '_>) -> Built {
    let (x, indices) = (build.input(0)?, build.input(1)?);
    let shape = build.shape(x)?;
    let axis = position(build.attributes.int("axis", 0), shape.len())?;
    let places = build.shape(indices)?;
    let known = build.content(indices).and_then(Content::as_ints).map(<[i64]>::to_vec);
    if let (Some([index]), true) = (known.as_deref(), places.is_empty()) {
        let extent = shape.get(axis).copied().unwrap_or(0);
        let index = if *index < 0 { extent.checked_add_signed(*index) } else { u64::try_from(*index).ok() };
        let index = index.ok_or("its index is outside")?;
        return one(build.add(View::Select { axis: axis_number(axis), index }, &[x])?);
    }
    if axis == 0 && shape.len() == 2 {
        return one(build.add(Op::Gather(Gather::Embedding), &[indices, x])?);
    }
    let signed = i64::try_from(axis).unwrap_or(0);
    let picked = build.add(Op::Gather(Gather::IndexSelect { axis: signed }), &[x, indices])?;
    let after = shape.get(axis.saturating_add(1)..).unwrap_or_default();
    let result: Vec<u64> = shape.iter().take(axis).chain(&places).chain(after).copied().collect();
    one(build.reshape(picked, result)?)
}

fn gather_elements(build: &mut Build<'_, '_>) -> Built {
    let (x, indices) = (build.input(0)?, build.input(1)?);
    let axis = build.attributes.int("axis", 0);
    one(build.add(Op::Gather(Gather::Elements { axis }), &[x, indices])?)
}

fn gather_nd(build: &mut Build<'_, '_>) -> Built {
    let (x, indices) = (build.input(0)?, build.input(1)?);
    let batch = u64::try_from(build.attributes.int("batch_dims", 0)).map_err(|_| "its batch axes are negative")?;
    one(build.add(Op::Gather(Gather::Nd { batch }), &[x, indices])?)
}

fn adds(build: &Build<'_, '_>) -> bool {
    !matches!(build.attributes.text("reduction"), None | Some("none"))
}

fn scatter_elements(build: &mut Build<'_, '_>) -> Built {
    let (x, indices, values) = (build.input(0)?, build.input(1)?, build.input(2)?);
    let (axis, add) = (build.attributes.int("axis", 0), adds(build));
    one(build.add(Op::Scatter(Scatter::Elements { axis, add }), &[x, values, indices])?)
}

fn scatter_nd(build: &mut Build<'_, '_>) -> Built {
    let (x, indices, values) = (build.input(0)?, build.input(1)?, build.input(2)?);
    let add = adds(build);
    one(build.add(Op::Scatter(Scatter::Nd { add }), &[x, values, indices])?)
}

/// New rows of a cache along an axis, at the positions that a third input gives per batch.
fn tensor_scatter(build: &mut Build<'_, '_>) -> Built {
    let (cache, update) = (build.input(0)?, build.input(1)?);
    let axis = position(build.attributes.int("axis", -2), build.rank(cache)?)?;
    let (whole, part) = (build.shape(cache)?, build.shape(update)?);
    if whole.len() != part.len() {
        return Err("the update must have the axes of the cache".to_owned());
    }
    // How much is written does not depend on where: the start of the axis stands for any place.
    let length = part.get(axis).copied().unwrap_or(0);
    let view = View::Slice { axis: axis_number(axis), start: 0, length, step: 1 };
    one(build.add(Op::Scatter(Scatter::Write { view: Box::new(view) }), &[cache, update])?)
}
