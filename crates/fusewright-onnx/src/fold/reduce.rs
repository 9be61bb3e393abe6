//! Sums, products and extremes of known numbers.

use super::{Fold, Rule, few, offsets, position, strides};
use crate::content::{Content, Elements};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "ReduceProd" => |call| reduce(call, i64::checked_mul, |a, b| a * b),
        "ReduceSum" => |call| reduce(call, i64::checked_add, |a, b| a + b),
        "ReduceMax" => |call| reduce(call, |a, b| Some(a.max(b)), f64::max),
        "ReduceMin" => |call| reduce(call, |a, b| Some(a.min(b)), f64::min),
        "CumSum" => cumulative_sum,
        _ => return None,
    })
}

fn reduce(
    call: &Fold<'_, '_>,
    ints: impl Fn(i64, i64) -> Option<i64>,
    floats: impl Fn(f64, f64) -> f64,
) -> Option<Vec<Content>> {
    let content = call.content(0)?;
    let shape = content.shape();
    let axes = if call.has(1) { Some(call.ints(1)?.to_vec()) } else { call.axes(1) }.unwrap_or_default();
    if axes.is_empty() && call.attributes.flag("noop_with_empty_axes", false) {
        return Some(vec![content.clone()]);
    }
    let mut folded = vec![axes.is_empty(); shape.len()];
    for axis in axes {
        *folded.get_mut(position(axis, shape.len())?)? = true;
    }
    let own = strides(shape);
    let part = |want: bool| -> (Vec<u64>, Vec<usize>) {
        let axes = shape.iter().zip(&own).zip(&folded).filter(|(_, folded)| **folded == want);
        axes.map(|((&extent, &stride), _)| (extent, stride)).unzip()
    };
    let ((kept, kept_strides), (gone, gone_strides)) = (part(false), part(true));
    let inner = offsets(&gone, &gone_strides, 0)?;
    let outer = offsets(&kept, &kept_strides, 0)?;
    let elements = match &content.elements {
        Elements::Ints(values) => Elements::Ints(
            outer
                .iter()
                .map(|&start| {
                    let mut parts = inner.iter().map(|&place| values.get(start.checked_add(place)?).copied());
                    let first = parts.next()??;
                    parts.try_fold(first, |sum, next| ints(sum, next?))
                })
                .collect::<Option<_>>()?,
        ),
        Elements::Floats(values) => Elements::Floats(
            outer
                .iter()
                .map(|&start| {
                    let mut parts = inner.iter().map(|&place| values.get(start.checked_add(place)?).copied());
                    let first = parts.next()??;
                    parts.try_fold(first, |sum, next| Some(floats(sum, next?)))
                })
                .collect::<Option<_>>()?,
        ),
    };
    let keep = call.attributes.flag("keepdims", true);
    let extents = shape.iter().zip(&folded).filter(|(_, folded)| keep || !**folded);
    let extents: Vec<u64> = extents.map(|(&extent, &folded)| if folded { 1 } else { extent }).collect();
    Content::new(content.dtype(), extents, elements).map(|content| vec![content])
}

fn cumulative_sum(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let content = call.content(0)?;
    if call.attributes.flag("exclusive", false) || call.attributes.flag("reverse", false) {
        return None;
    }
    let shape = content.shape();
    let axis = position(*call.ints(1)?.first()?, shape.len())?;
    let inner = few(shape.get(axis.checked_add(1)?..)?)?;
    let row = few(shape.get(axis..)?)?.max(1);
    let mut elements = content.elements.clone();
    for place in 0..elements.len() {
        if place.checked_rem(row)? < inner {
            continue;
        }
        let before = place.checked_sub(inner)?;
        match &mut elements {
            Elements::Ints(values) => *values.get_mut(place)? = values.get(place)?.checked_add(*values.get(before)?)?,
            Elements::Floats(values) => *values.get_mut(place)? = *values.get(place)? + *values.get(before)?,
        }
    }
    Content::new(content.dtype(), shape.iter().copied(), elements).map(|content| vec![content])
}
