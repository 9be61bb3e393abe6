//! The same elements in another shape, order or number.

use fusewright_ir::DType;

use super::{Fold, Rule, broadcast, broadcast_offsets, few, offsets, strides};
use crate::content::{Content, Elements, as_float, as_int, is_integer};
use crate::ops::shapes;

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "Identity" | "Dropout" => identity,
        "Reshape" => reshape,
        "Flatten" => flatten,
        "Squeeze" => squeeze,
        "Unsqueeze" => unsqueeze,
        "Transpose" => transpose,
        "Expand" => expand,
        "Tile" => tile,
        "Cast" => cast,
        "CastLike" => cast_like,
        _ => return None,
    })
}

fn identity(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    (call.outputs == 1).then(|| call.content(0).cloned().map(|content| vec![content]))?
}

fn with_shape(call: &Fold<'_, '_>, shape: Vec<u64>) -> Option<Vec<Content>> {
    let content = call.content(0)?;
    Content::new(content.dtype(), shape, content.elements.clone()).map(|content| vec![content])
}

fn reshape(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let wanted = if call.has(1) { call.ints(1)? } else { call.attributes.ints("shape")? };
    let allow_zero = call.attributes.flag("allowzero", false);
    with_shape(call, shapes::reshaped(call.content(0)?.shape(), wanted, allow_zero).ok()?)
}

fn flatten(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    with_shape(call, shapes::flattened(call.content(0)?.shape(), call.attributes.int("axis", 1)).ok()?)
}

fn squeeze(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    if call.has(1) && call.ints(1).is_none() {
        return None;
    }
    with_shape(call, shapes::squeezed(call.content(0)?.shape(), call.axes(1).as_deref()).ok()?)
}

fn unsqueeze(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    with_shape(call, shapes::unsqueezed(call.content(0)?.shape(), &call.axes(1)?).ok()?)
}

fn transpose(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let content = call.content(0)?;
    let shape = content.shape();
    let axes = shapes::permutation(call.attributes.ints("perm"), shape.len()).ok()?;
    let own = strides(shape);
    let place = |&axis: &u32| usize::try_from(axis).ok();
    let extents = axes.iter().map(|axis| shape.get(place(axis)?).copied()).collect::<Option<Vec<_>>>()?;
    let steps = axes.iter().map(|axis| own.get(place(axis)?).copied()).collect::<Option<Vec<_>>>()?;
    let elements = content.elements.pick(offsets(&extents, &steps, 0)?.into_iter())?;
    Content::new(content.dtype(), extents, elements).map(|content| vec![content])
}

fn expand(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let content = call.content(0)?;
    let wanted = call.ints(1)?.iter().map(|&extent| u64::try_from(extent).ok()).collect::<Option<Vec<_>>>()?;
    let shape = broadcast(content.shape(), &wanted)?;
    let elements = content.elements.pick(broadcast_offsets(content.shape(), &shape)?.into_iter())?;
    Content::new(content.dtype(), shape, elements).map(|content| vec![content])
}

fn tile(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let content = call.content(0)?;
    let counts = call.ints(1)?.iter().map(|&count| u64::try_from(count).ok()).collect::<Option<Vec<_>>>()?;
    let shape = content.shape();
    if counts.len() != shape.len() {
        return None;
    }
    let tiled =
        shape.iter().zip(&counts).map(|(&extent, &count)| extent.checked_mul(count)).collect::<Option<Vec<_>>>()?;
    few(&tiled)?;
    // Repetitions are axes over which the tensor is broadcast: [2, 3] tiled [4, 5] is [4, 2, 5, 3] without the seams.
    let spread: Vec<u64> = counts.iter().zip(shape).flat_map(|(&count, &extent)| [count, extent]).collect();
    let steps: Vec<usize> = strides(shape).into_iter().flat_map(|stride| [0, stride]).collect();
    let elements = content.elements.pick(offsets(&spread, &steps, 0)?.into_iter())?;
    Content::new(content.dtype(), tiled, elements).map(|content| vec![content])
}

fn cast(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    convert(call.content(0)?, call.attributes.dtype("to").ok()??)
}

fn cast_like(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    convert(call.content(0)?, call.ty(1)?.dtype)
}

fn convert(content: &Content, dtype: DType) -> Option<Vec<Content>> {
    let elements = match (&content.elements, is_integer(dtype)) {
        (Elements::Ints(values), true) if dtype == DType::Bool => {
            Elements::Ints(values.iter().map(|&value| i64::from(value != 0)).collect())
        }
        (Elements::Ints(values), true) => Elements::Ints(values.iter().map(|&value| wrap(value, dtype)).collect()),
        (Elements::Floats(values), true) if dtype == DType::Bool => {
            Elements::Ints(values.iter().map(|&value| i64::from(value != 0.0)).collect())
        }
        (Elements::Floats(values), true) => {
            Elements::Ints(values.iter().map(|&value| wrap(as_int(value), dtype)).collect())
        }
        (Elements::Ints(values), false) => Elements::Floats(values.iter().map(|&value| as_float(value)).collect()),
        (Elements::Floats(values), false) => Elements::Floats(values.clone()),
    };
    Content::new(dtype, content.shape().iter().copied(), elements).map(|content| vec![content])
}

/// The value that an integer has once it is stored in this type.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "truncation is what a cast to a narrow integer does"
)]
fn wrap(value: i64, dtype: DType) -> i64 {
    match dtype {
        DType::I32 => i64::from(value as i32),
        DType::U32 => i64::from(value as u32),
        DType::I16 => i64::from(value as i16),
        DType::U16 => i64::from(value as u16),
        DType::I8 => i64::from(value as i8),
        DType::U8 => i64::from(value as u8),
        _ => value,
    }
}
