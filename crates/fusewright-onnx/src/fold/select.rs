//! Elements picked out of tensors, and tensors put together.

use super::{Fold, Rule, few, offsets, position, strides};
use crate::content::{Content, Elements};
use crate::ops::shapes;

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "Gather" => gather,
        "Slice" => slice,
        "Concat" => concat,
        "Split" => split,
        "GatherND" => gather_nd,
        "NonZero" => non_zero,
        _ => return None,
    })
}

fn gather(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let (content, indices) = (call.content(0)?, call.content(1)?);
    let shape = content.shape();
    let axis = position(call.attributes.int("axis", 0), shape.len())?;
    let extent = i64::try_from(*shape.get(axis)?).ok()?;
    let (before, after) = (shape.get(..axis)?, shape.get(axis.checked_add(1)?..)?);
    let result: Vec<u64> = before.iter().chain(indices.shape()).chain(after).copied().collect();
    few(&result)?;
    let (outer, inner) = (few(before)?, few(after)?);
    let row = usize::try_from(extent).ok()?.checked_mul(inner)?;
    let mut places = Vec::new();
    for start in 0..outer {
        for &index in indices.as_ints()? {
            let index = if index < 0 { index.checked_add(extent)? } else { index };
            let index = usize::try_from(index).ok().filter(|_| index < extent)?;
            let first = start.checked_mul(row)?.checked_add(index.checked_mul(inner)?)?;
            places.extend(first..first.checked_add(inner)?);
        }
    }
    let elements = content.elements.pick(places.into_iter())?;
    Content::new(content.dtype(), result, elements).map(|content| vec![content])
}

fn slice(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let content = call.content(0)?;
    let list = |index: usize, name: &str| match (call.has(index), call.version < 10) {
        (true, _) => call.ints(index),
        (false, true) => call.attributes.ints(name),
        (false, false) => None,
    };
    let ranges =
        shapes::ranges(content.shape(), list(1, "starts")?, list(2, "ends")?, list(3, "axes"), list(4, "steps"));
    let ranges = ranges.ok()?;
    let mut start = 0_usize;
    let (mut extents, mut steps) = (Vec::new(), Vec::new());
    for (range, stride) in ranges.iter().zip(strides(content.shape())) {
        start = start.checked_add(usize::try_from(range.start).ok()?.checked_mul(stride)?)?;
        extents.push(range.length);
        steps.push((range.step, stride));
    }
    // Steps backwards are walked by index, as offsets are counted forwards.
    let forward =
        steps.iter().map(|&(step, stride)| usize::try_from(step).ok()?.checked_mul(stride)).collect::<Option<Vec<_>>>();
    let places = match forward {
        Some(steps) => offsets(&extents, &steps, start)?,
        None => backwards(&extents, &steps, start)?,
    };
    let elements = content.elements.pick(places.into_iter())?;
    Content::new(content.dtype(), extents, elements).map(|content| vec![content])
}

fn backwards(extents: &[u64], steps: &[(i64, usize)], start: usize) -> Option<Vec<usize>> {
    few(extents)?;
    let mut places = vec![i64::try_from(start).ok()?];
    for (&extent, &(step, stride)) in extents.iter().zip(steps) {
        let distance = step.checked_mul(i64::try_from(stride).ok()?)?;
        let mut next = Vec::new();
        for &place in &places {
            for index in 0..i64::try_from(extent).ok()? {
                next.push(place.checked_add(index.checked_mul(distance)?)?);
            }
        }
        places = next;
    }
    places.into_iter().map(|place| usize::try_from(place).ok()).collect()
}

fn concat(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let parts = (0..call.inputs.len()).map(|index| call.content(index)).collect::<Option<Vec<_>>>()?;
    let first = *parts.first()?;
    let axis = position(call.attributes.int("axis", 0), first.shape().len())?;
    let outer = few(first.shape().get(..axis)?)?;
    let mut shape = first.shape().to_vec();
    let total = parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(*part.shape().get(axis)?))?;
    *shape.get_mut(axis)? = total;
    few(&shape)?;
    let (mut ints, mut floats) = (Vec::new(), Vec::new());
    for row in 0..outer {
        for part in &parts {
            let length = few(part.shape().get(axis..)?)?;
            let range = row.checked_mul(length)?..row.checked_add(1)?.checked_mul(length)?;
            match &part.elements {
                Elements::Ints(values) => ints.extend_from_slice(values.get(range)?),
                Elements::Floats(values) => floats.extend_from_slice(values.get(range)?),
            }
        }
    }
    let elements = if floats.is_empty() { Elements::Ints(ints) } else { Elements::Floats(floats) };
    Content::new(first.dtype(), shape, elements).map(|content| vec![content])
}

fn split(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let content = call.content(0)?;
    let shape = content.shape();
    let axis = position(call.attributes.int("axis", 0), shape.len())?;
    let given = if call.has(1) { Some(call.ints(1)?) } else { call.attributes.ints("split") };
    let sizes = shapes::split_sizes(*shape.get(axis)?, given, call.outputs).ok()?;
    let own = strides(shape);
    let mut start = 0_u64;
    let mut results = Vec::new();
    for size in sizes {
        let mut part = shape.to_vec();
        *part.get_mut(axis)? = size;
        let first = usize::try_from(start).ok()?.checked_mul(*own.get(axis)?)?;
        let elements = content.elements.pick(offsets(&part, &own, first)?.into_iter())?;
        results.push(Content::new(content.dtype(), part, elements)?);
        start = start.checked_add(size)?;
    }
    Some(results)
}

fn gather_nd(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    if call.attributes.int("batch_dims", 0) != 0 {
        return None;
    }
    let (content, indices) = (call.content(0)?, call.content(1)?);
    let (&depth, outer) = indices.shape().split_last()?;
    let depth = usize::try_from(depth).ok().filter(|&depth| depth > 0)?;
    let (addressed, kept) = content.shape().split_at_checked(depth)?;
    let inner = few(kept)?;
    let own = strides(content.shape());
    let mut places = Vec::new();
    for vector in indices.as_ints()?.chunks(depth) {
        let mut first = 0_usize;
        for ((&index, &extent), &stride) in vector.iter().zip(addressed).zip(&own) {
            let extent = i64::try_from(extent).ok()?;
            let index = if index < 0 { index.checked_add(extent)? } else { index };
            first = first.checked_add(usize::try_from(index).ok().filter(|_| index < extent)?.checked_mul(stride)?)?;
        }
        places.extend(first..first.checked_add(inner)?);
        if places.len() as u64 > crate::content::LIMIT {
            return None;
        }
    }
    let elements = content.elements.pick(places.into_iter())?;
    Content::new(content.dtype(), outer.iter().chain(kept).copied(), elements).map(|content| vec![content])
}

fn non_zero(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let content = call.content(0)?;
    let places: Vec<usize> =
        content.to_floats().iter().enumerate().filter(|&(_, &value)| value != 0.0).map(|(place, _)| place).collect();
    let mut rows = Vec::new();
    for (&stride, &extent) in strides(content.shape()).iter().zip(content.shape()) {
        let extent = usize::try_from(extent).ok()?;
        for place in &places {
            rows.push(i64::try_from(place.checked_div(stride)?.checked_rem(extent)?).ok()?);
        }
    }
    let shape = [content.shape().len() as u64, places.len() as u64];
    Content::new(fusewright_ir::DType::I64, shape, Elements::Ints(rows)).map(|content| vec![content])
}
