//! Brackets: items of tuples, and views of tensors such as `x[:, 0, None]`.

use fusewright_ir::ops::{Gather, Index, View};
use fusewright_ir::{DType, Op, TensorType, ValueId};
use smallvec::smallvec;

use super::super::arguments::{Built, Call, Inputs};
use super::super::schema::Scalar;
use super::super::values::{Items, Operand};
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[row("getitem __getitem__", "input index", getitem)];

fn getitem(call: &Call<'_>) -> Built {
    let index = call.get("index").ok_or("the argument `index` is missing")?;
    match call.given("input") {
        Some(Operand::Tensor(_)) => subscript(call, index),
        Some(Operand::Items(items)) => item(call, items, index),
        Some(other) => Err(format!("a subscript of {}", other.describe())),
        None => Err("the argument `input` is missing".to_owned()),
    }
}

/// An item or a slice of a tuple is the tensors in it.
fn item<'a>(call: &Call<'a>, items: Items<'a>, index: Operand<'a>) -> Built {
    let mut tensors = Vec::new();
    let extent = items.len() as u64;
    if let Some(position) = index.int() {
        let position = position_in(position, extent)?;
        let item = usize::try_from(position).ok().and_then(|position| call.env.item(items, position));
        call.env.tensors(item.ok_or("the tuple is too short")?, &mut tensors);
    } else if let Index::Range { start, length, step } = range(call, index, extent)? {
        for position in (0..length).map(|n| start.saturating_add(n.saturating_mul(step))) {
            let item = usize::try_from(position).ok().and_then(|position| call.env.item(items, position));
            call.env.tensors(item.ok_or("the tuple is too short")?, &mut tensors);
        }
    }
    Ok((View::Alias.into(), tensors.into()))
}

fn subscript<'a>(call: &Call<'a>, index: Operand<'a>) -> Built {
    let (x, ty) = call.typed("input")?;
    let entries: Vec<Operand<'a>> = match index {
        Operand::Items(items @ Items::Tuple(_)) => call.env.items(items).collect(),
        single => vec![single],
    };
    let takes_axis = |entry: &&Operand<'_>| !entry.is_none() && !matches!(entry, Operand::Ellipsis);
    let named = entries.iter().filter(takes_axis).count();
    let mut hidden = ty.rank().checked_sub(named).ok_or("more entries than axes")?;
    let mut extents = (0_usize..).zip(ty.shape.iter().copied());
    let mut items = Vec::with_capacity(ty.rank());
    let mut picked = Vec::new();
    for &entry in &entries {
        if entry.is_none() {
            items.push(Index::New);
        } else if matches!(entry, Operand::Ellipsis) {
            let skipped = extents.by_ref().take(std::mem::take(&mut hidden));
            items.extend(skipped.map(|(_, extent)| whole(extent)));
        } else {
            let (axis, extent) = extents.next().ok_or("more entries than axes")?;
            items.push(match entry {
                Operand::Tensor(tensor) => {
                    picked.push((u32::try_from(axis).map_err(|_| "too many axes")?, tensor));
                    whole(extent)
                }
                Operand::Scalar(Scalar::Bool(_)) => return Err("a truth value as index".to_owned()),
                _ => match entry.int() {
                    Some(position) => Index::At(position_in(position, extent)?),
                    None => range(call, entry, extent)?,
                },
            });
        }
    }
    items.extend(extents.map(|(_, extent)| whole(extent)));
    let unchanged = || items.iter().copied().eq(ty.shape.iter().copied().map(whole));
    match picked.as_slice() {
        [] => Ok(view(call, x, ty, items)),
        picked if unchanged() => pick(call, picked),
        _ => Err("a tensor among other indices".to_owned()),
    }
}

/// All of an axis.
fn whole(length: u64) -> Index {
    Index::Range { start: 0, length, step: 1 }
}

/// The plainest view with these entries.
fn view(call: &Call<'_>, x: ValueId, ty: &TensorType, items: Vec<Index>) -> (Op, Inputs) {
    let mut extents = (0_u32..).zip(&ty.shape);
    let mut changed = Vec::new();
    for &item in &items {
        if item == Index::New {
            changed.push((0, item));
        } else if let Some((axis, &extent)) = extents.next()
            && item != whole(extent)
        {
            changed.push((axis, item));
        }
    }
    let view = match *changed.as_slice() {
        [] => return (View::Alias.into(), smallvec![x]),
        [(axis, Index::At(index))] => View::Select { axis, index },
        [(axis, Index::Range { start, length, step })] => View::Slice { axis, start, length, step },
        _ => View::Subscript { items },
    };
    (view.into(), call.with_hosts(x))
}

/// Elements picked by tensors of positions along some axes.
pub(super) fn pick(call: &Call<'_>, picked: &[(u32, ValueId)]) -> Built {
    let (x, ty) = call.typed("input")?;
    check_positions(call, picked)?;
    if let &[(axis, index)] = picked {
        match call.env.tensor_type(index)?.rank() {
            1 => return Ok((Op::Gather(Gather::IndexSelect { axis: i64::from(axis) }), smallvec![x, index])),
            rank if rank > 1 && axis == 0 && ty.rank() == 2 => {
                return Ok((Op::Gather(Gather::Embedding), smallvec![index, x]));
            }
            _ => {}
        }
    }
    let axes = picked.iter().map(|&(axis, _)| axis).collect();
    let inputs = [x].into_iter().chain(picked.iter().map(|&(_, index)| index)).collect();
    Ok((Op::Gather(Gather::Indexed { axes }), inputs))
}

/// Masks as indices pick as many elements as they hold, which no shape says.
pub(super) fn check_positions(call: &Call<'_>, picked: &[(u32, ValueId)]) -> Result<(), String> {
    for &(_, index) in picked {
        if !matches!(call.env.tensor_type(index)?.dtype, DType::I64 | DType::I32) {
            return Err("a mask as index".to_owned());
        }
    }
    Ok(())
}

/// A possibly negative position in an axis of this extent.
pub(super) fn position_in(position: i64, extent: u64) -> Result<u64, String> {
    let extent_signed = i64::try_from(extent).unwrap_or(i64::MAX);
    let from_front = if position < 0 { position.saturating_add(extent_signed) } else { position };
    u64::try_from(from_front)
        .ok()
        .filter(|&position| position < extent)
        .ok_or_else(|| format!("index {position} is outside an axis of extent {extent}"))
}

fn range<'a>(call: &Call<'a>, entry: Operand<'a>, extent: u64) -> Result<Index, String> {
    let Operand::Slice(parts) = entry else {
        return Err(format!("an index that is {}", entry.describe()));
    };
    let bounds = parts.each_ref().map(|part| {
        let operand = call.env.operand(part);
        match operand.int() {
            None if !operand.is_none() => Err(format!("a slice bound that is {}", operand.describe())),
            known => Ok(known),
        }
    });
    let [start, end, step] = bounds;
    slice([start?, end?, step?], extent)
}

/// Python's slice of an axis: start, end and step.
pub(super) fn slice(bounds: [Option<i64>; 3], extent: u64) -> Result<Index, String> {
    let [start, end, step] = bounds;
    let signed = i64::try_from(extent).unwrap_or(i64::MAX);
    let clamped = |bound: i64| {
        let from_front = if bound < 0 { bound.saturating_add(signed) } else { bound };
        u64::try_from(from_front.clamp(0, signed)).unwrap_or_default()
    };
    let step = u64::try_from(step.unwrap_or(1)).ok().filter(|&step| step > 0).ok_or("a slice step below 1")?;
    let (start, end) = (clamped(start.unwrap_or(0)), clamped(end.unwrap_or(i64::MAX)));
    Ok(Index::Range { start, length: end.saturating_sub(start).div_ceil(step), step })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_follow_python() {
        let cases: [([Option<i64>; 3], [u64; 3]); 7] = [
            ([None, None, None], [0, 10, 1]),
            ([Some(2), Some(-2), None], [2, 6, 1]),
            ([Some(-3), None, None], [7, 3, 1]),
            ([None, None, Some(3)], [0, 4, 3]),
            ([Some(20), Some(30), None], [10, 0, 1]),
            ([Some(5), Some(2), None], [5, 0, 1]),
            ([Some(i64::MIN), Some(i64::MAX), Some(i64::MAX)], [0, 1, i64::MAX as u64]),
        ];
        for (bounds, [start, length, step]) in cases {
            assert_eq!(slice(bounds, 10), Ok(Index::Range { start, length, step }), "{bounds:?}");
        }
        assert!(slice([None, None, Some(-1)], 10).is_err());
        assert!(slice([None, None, Some(0)], 10).is_err());
    }
}
