//! Numbers that come from the file itself: literals, sizes, counts.

use fusewright_ir::DType;

use super::{Fold, Rule, few};
use crate::content::{Content, Elements, as_float, as_int, is_integer};
use crate::tensor;

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "Constant" => constant,
        "Shape" => shape,
        "Size" => size,
        "ConstantOfShape" => constant_of_shape,
        "Range" => range,
        "EyeLike" => eye_like,
        _ => return None,
    })
}

fn constant(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let given = &call.attributes;
    let literal = if let Some(literal) = given.tensor("value") {
        tensor::content(literal, &tensor::tensor_type(literal).ok()?)?
    } else if given.has("value_int") {
        Content::new(DType::I64, [], Elements::Ints(vec![given.int("value_int", 0)]))?
    } else if let Some(values) = given.ints("value_ints") {
        Content::ints(values.to_vec())?
    } else if let Some(value) = given.optional_float("value_float") {
        Content::new(DType::F32, [], Elements::Floats(vec![value]))?
    } else {
        let values: Vec<f64> = given.floats("value_floats")?.iter().map(|&value| f64::from(value)).collect();
        Content::new(DType::F32, [values.len() as u64], Elements::Floats(values))?
    };
    Some(vec![literal])
}

fn shape(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let shape = &call.ty(0)?.shape;
    let rank = i64::try_from(shape.len()).ok()?;
    let place =
        |axis: i64| usize::try_from(if axis < 0 { axis.saturating_add(rank) } else { axis }.clamp(0, rank)).ok();
    let (start, end) = (place(call.attributes.int("start", 0))?, place(call.attributes.int("end", rank))?);
    let extents = shape.get(start..end.max(start))?;
    let extents = extents.iter().map(|&extent| i64::try_from(extent).ok()).collect::<Option<Vec<_>>>()?;
    Content::ints(extents).map(|content| vec![content])
}

fn size(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let elements = i64::try_from(call.ty(0)?.elements()).ok()?;
    Content::new(DType::I64, [], Elements::Ints(vec![elements])).map(|content| vec![content])
}

fn constant_of_shape(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let extents = call.ints(0)?.iter().map(|&extent| u64::try_from(extent).ok()).collect::<Option<Vec<_>>>()?;
    let count = few(&extents)?;
    let (dtype, elements) = match call.attributes.tensor("value") {
        None => (DType::F32, Elements::Floats(vec![0.0; count])),
        Some(value) => {
            let value = tensor::content(value, &tensor::tensor_type(value).ok()?)?;
            (value.dtype(), value.elements.pick(std::iter::repeat_n(0, count))?)
        }
    };
    Content::new(dtype, extents, elements).map(|content| vec![content])
}

fn range(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let [start, limit, delta] = [0, 1, 2].map(|index| call.content(index));
    let (start, limit, delta) = (start?, limit?, delta?);
    let dtype = start.dtype();
    let (first, end, step) = (start.scalar()?, limit.scalar()?, delta.scalar()?);
    let count = ((end - first) / step).ceil();
    if !count.is_finite() || count > as_float(1 << 20) {
        return None;
    }
    let count = as_int(count.max(0.0));
    let elements = if is_integer(dtype) {
        let (first, step) = (start.as_ints()?.first().copied()?, delta.as_ints()?.first().copied()?);
        let value = |index: i64| step.checked_mul(index)?.checked_add(first);
        Elements::Ints((0..count).map(value).collect::<Option<_>>()?)
    } else {
        Elements::Floats((0..count).map(|index| as_float(index).mul_add(step, first)).collect())
    };
    Content::new(dtype, [u64::try_from(count).ok()?], elements).map(|content| vec![content])
}

fn eye_like(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let like = call.ty(0)?;
    let &[rows, columns] = like.shape.as_slice() else { return None };
    few(&like.shape)?;
    let dtype = call.attributes.dtype("dtype").ok()?.unwrap_or(like.dtype);
    let k = call.attributes.int("k", 0);
    let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let on = cells.map(|(row, column)| row.checked_add_signed(k) == Some(column));
    let elements = if is_integer(dtype) {
        Elements::Ints(on.map(i64::from).collect())
    } else {
        Elements::Floats(on.map(|on| f64::from(u8::from(on))).collect())
    };
    Content::new(dtype, [rows, columns], elements).map(|content| vec![content])
}
