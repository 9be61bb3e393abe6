//! Other descriptions of the same memory. Where a call computes its shape, the recorded one counts, and the host values
//! that it was computed from become further operands.

use fusewright_ir::ops::{Index, View};
use fusewright_ir::{TensorType, row_major_strides};
use smallvec::SmallVec;

use super::super::arguments::{Built, Call, axis};
use super::subscript::{position_in, slice};
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row("reshape view _unsafe_view _reshape_alias", "input *shape/size dtype stride", reshape),
    row("reshape_as view_as", "input other", reshape),
    row("flatten", "input start_dim end_dim", reshape),
    row("ravel", "input", reshape),
    row("squeeze unsqueeze", "input dim", reshape),
    row("unflatten", "input dim sizes", reshape),
    row("transpose swapaxes swapdims", "input dim0/axis0 dim1/axis1", transpose),
    row("t numpy_T", "input", reverse_axes),
    row("mT", "input", swap_last_axes),
    row("permute", "input *dims", |call| {
        let dims = call.ints("dims")?;
        permute(call, |rank| dims.iter().map(|&dim| axis(dim, rank as usize)).collect())
    }),
    row("movedim moveaxis", "input source destination", move_axes),
    row("builtins.getattr", "input name", attribute),
    row("expand broadcast_to", "input *size implicit", expand),
    row("expand_as", "input other", expand),
    row("chunk unsafe_chunk", "input chunks dim", split),
    row(
        "split split_with_sizes tensor_split unsafe_split unsafe_split_with_sizes",
        "input sizes/sections/indices/tensor_indices_or_sections dim",
        split,
    ),
    row("unbind", "input dim", unbind),
    row("narrow", "input dim start length", narrow),
    row("select", "input dim index", select),
    row("slice", "input dim start end step", slice_axis),
    row("as_strided", "input size stride storage_offset", strided),
    row("view_as_complex view_as_real", "input", reinterpret),
];

/// Other elements in the same bytes, as the record says.
fn reinterpret(call: &Call<'_>) -> Built {
    let ty = call.result()?;
    let view = View::Reinterpret { dtype: ty.dtype, shape: ty.shape.clone() };
    Ok((view.into(), call.with_hosts(call.tensor("input")?)))
}

/// Row-major strides over all of a tensor that lies row-major are another shape.
fn strided(call: &Call<'_>) -> Built {
    let (input, ty) = call.typed("input")?;
    let shape = call.result()?.shape.clone();
    let strides = call.ints("stride")?;
    let row_major = row_major_strides(&shape);
    let same = |((&extent, &stride), &dense): ((&u64, &i64), &i64)| extent == 1 || stride == dense;
    let plain = strides.len() == shape.len() && shape.iter().zip(&strides).zip(&row_major).all(same);
    let whole = call.result()?.elements() == ty.elements() && call.env.storage.is_contiguous(input);
    if plain && whole && call.int_or("storage_offset", 0)? == 0 {
        return Ok((View::Reshape { shape }.into(), call.with_hosts(input)));
    }
    Err("strides that are not those of the shape".to_owned())
}

fn reshape(call: &Call<'_>) -> Built {
    if call.result()?.dtype != call.typed("input")?.1.dtype {
        return reinterpret(call);
    }
    let shape = call.result()?.shape.clone();
    Ok((View::Reshape { shape }.into(), call.with_hosts(call.tensor("input")?)))
}

fn expand(call: &Call<'_>) -> Built {
    let shape = call.result()?.shape.clone();
    Ok((View::Expand { shape }.into(), call.with_hosts(call.tensor("input")?)))
}

/// A permutation that depends on the rank.
fn permute(call: &Call<'_>, axes: impl FnOnce(u32) -> Result<SmallVec<[u32; 6]>, String>) -> Built {
    let (input, ty) = call.typed("input")?;
    let rank = u32::try_from(ty.rank()).map_err(|_| "too many axes")?;
    Ok((View::Permute { axes: axes(rank)? }.into(), call.with_hosts(input)))
}

fn transpose(call: &Call<'_>) -> Built {
    let (first, second) = (call.int("dim0")?, call.int("dim1")?);
    permute(call, |rank| {
        let (first, second) = (axis(first, rank as usize)?, axis(second, rank as usize)?);
        let swapped = |axis| {
            if axis == first {
                second
            } else if axis == second {
                first
            } else {
                axis
            }
        };
        Ok((0..rank).map(swapped).collect())
    })
}

fn reverse_axes(call: &Call<'_>) -> Built {
    permute(call, |rank| Ok((0..rank).rev().collect()))
}

fn swap_last_axes(call: &Call<'_>) -> Built {
    permute(call, |rank| {
        let (last, before) = (rank.checked_sub(1), rank.checked_sub(2));
        let swapped = |axis| {
            if Some(axis) == last {
                before
            } else if Some(axis) == before {
                last
            } else {
                Some(axis)
            }
        };
        (0..rank).map(swapped).collect::<Option<_>>().ok_or_else(|| "x has one axis".to_owned())
    })
}

/// The moved axes take their new places, the others keep their order around them.
fn move_axes(call: &Call<'_>) -> Built {
    let (source, destination) = (call.ints("source")?, call.ints("destination")?);
    if source.len() != destination.len() {
        return Err("`source` and `destination` differ in length".to_owned());
    }
    permute(call, |rank| {
        let mut moved = Vec::with_capacity(source.len());
        for (&from, &to) in source.iter().zip(&destination) {
            moved.push((axis(to, rank as usize)?, axis(from, rank as usize)?));
        }
        let mut kept = (0..rank).filter(|axis| moved.iter().all(|&(_, from)| from != *axis));
        let place = |at| moved.iter().find(|&&(to, _)| to == at).map(|&(_, from)| from).or_else(|| kept.next());
        (0..rank).map(place).collect::<Option<_>>().ok_or_else(|| "an axis is moved twice".to_owned())
    })
}

/// Attributes of a tensor that are tensors.
fn attribute(call: &Call<'_>) -> Built {
    match call.text("name")? {
        Some("T") => reverse_axes(call),
        Some("mT") => swap_last_axes(call),
        Some("data") => Ok((View::Alias.into(), SmallVec::from_iter([call.tensor("input")?]))),
        Some(name) => Err(format!("the attribute `{name}` has no counterpart")),
        None => Err("the argument `name` is missing".to_owned()),
    }
}

fn split(call: &Call<'_>) -> Built {
    let (input, ty) = call.typed("input")?;
    let axis = call.axis("dim", Some(0), ty.rank())?;
    let extent = |part: &TensorType| part.shape.get(axis as usize).copied();
    let sizes: Option<Vec<u64>> = call.results().iter().map(extent).collect();
    let sizes = sizes.ok_or("a part has too few axes")?;
    Ok((View::Split { axis, sizes }.into(), call.with_hosts(input)))
}

fn unbind(call: &Call<'_>) -> Built {
    let (input, ty) = call.typed("input")?;
    let axis = call.axis("dim", Some(0), ty.rank())?;
    let extent = ty.shape.get(axis as usize).copied().unwrap_or_default();
    if extent != call.results().len() as u64 {
        return Err(format!("an axis of extent {extent} and {} results", call.results().len()));
    }
    Ok((View::Unbind { axis }.into(), call.with_hosts(input)))
}

fn narrow(call: &Call<'_>) -> Built {
    let (input, ty) = call.typed("input")?;
    let axis = call.axis("dim", None, ty.rank())?;
    let extent = ty.shape.get(axis as usize).copied().unwrap_or_default();
    let length = call.result()?.shape.get(axis as usize).copied().ok_or("the result has too few axes")?;
    let start = match (call.int("start")?, length) {
        (start, 0) => u64::try_from(start).unwrap_or_default().min(extent),
        (start, _) => position_in(start, extent)?,
    };
    Ok((View::Slice { axis, start, length, step: 1 }.into(), call.with_hosts(input)))
}

fn select(call: &Call<'_>) -> Built {
    Ok((select_view(call)?.into(), call.with_hosts(call.tensor("input")?)))
}

/// The index of an axis that a call names.
pub(super) fn select_view(call: &Call<'_>) -> Result<View, String> {
    let (_, ty) = call.typed("input")?;
    let axis = call.axis("dim", None, ty.rank())?;
    let extent = ty.shape.get(axis as usize).copied().unwrap_or_default();
    let index = position_in(call.int("index")?, extent)?;
    Ok(View::Select { axis, index })
}

fn slice_axis(call: &Call<'_>) -> Built {
    Ok((slice_view(call)?.into(), call.with_hosts(call.tensor("input")?)))
}

/// The range of an axis that a call names.
pub(super) fn slice_view(call: &Call<'_>) -> Result<View, String> {
    let (_, ty) = call.typed("input")?;
    let axis = call.axis("dim", Some(0), ty.rank())?;
    let extent = ty.shape.get(axis as usize).copied().unwrap_or_default();
    let bounds = [call.optional_int("start")?, call.optional_int("end")?, call.optional_int("step")?];
    match slice(bounds, extent)? {
        Index::Range { start, length, step } => Ok(View::Slice { axis, start, length, step }),
        Index::At(_) | Index::New => Err("a slice is a range".to_owned()),
    }
}
