//! Shapes that follow from numbers: what Reshape, Squeeze, Slice and Split mean by theirs.

use crate::build::{axis_number, position};

/// The shape that a Reshape asks for: 0 keeps an extent unless it is allowed to stand for itself, −1 is what is left.
pub(crate) fn reshaped(shape: &[u64], wanted: &[i64], allow_zero: bool) -> Result<Vec<u64>, String> {
    let refused = || format!("{shape:?} cannot be given the shape {wanted:?}");
    let mut open = None;
    let mut result = Vec::with_capacity(wanted.len());
    for (axis, &extent) in wanted.iter().enumerate() {
        result.push(match extent {
            -1 if open.replace(axis).is_none() => 1,
            0 if !allow_zero => *shape.get(axis).ok_or_else(refused)?,
            extent => u64::try_from(extent).map_err(|_| refused())?,
        });
    }
    if let Some(axis) = open {
        let total = fusewright_ir::checked_elements(shape).ok_or_else(refused)?;
        let rest = fusewright_ir::checked_elements(&result).ok_or_else(refused)?;
        let left = if total == 0 && rest == 0 { Some(0) } else { total.checked_div(rest) };
        if let (Some(place), Some(left)) = (result.get_mut(axis), left) {
            *place = left;
        }
    }
    if fusewright_ir::checked_elements(&result) == fusewright_ir::checked_elements(shape) {
        Ok(result)
    } else {
        Err(refused())
    }
}

/// All axes before `axis` folded into one, and all from there on into another.
pub(crate) fn flattened(shape: &[u64], axis: i64) -> Result<Vec<u64>, String> {
    let rank = shape.len();
    let signed = i64::try_from(rank).unwrap_or(i64::MAX);
    let place = if axis < 0 { axis.saturating_add(signed) } else { axis };
    let halves = usize::try_from(place).ok().and_then(|place| shape.split_at_checked(place));
    let (outer, inner) = halves.ok_or_else(|| format!("axis {axis} is outside a tensor of {rank} axes"))?;
    let product = |extents: &[u64]| fusewright_ir::checked_elements(extents).unwrap_or(u64::MAX);
    Ok(vec![product(outer), product(inner)])
}

/// The shape without the axes of extent 1 that are named; without all of them when none is.
pub(crate) fn squeezed(shape: &[u64], axes: Option<&[i64]>) -> Result<Vec<u64>, String> {
    let mut gone = vec![axes.is_none(); shape.len()];
    for &axis in axes.unwrap_or_default() {
        let place = position(axis, shape.len())?;
        if let (Some(gone), Some(1)) = (gone.get_mut(place), shape.get(place)) {
            *gone = true;
        } else {
            return Err(format!("axis {axis} of {shape:?} does not have the extent 1"));
        }
    }
    let kept = shape.iter().zip(gone).filter(|(extent, gone)| !*gone || **extent != 1);
    Ok(kept.map(|(&extent, _)| extent).collect())
}

/// The shape with axes of extent 1 at these places of the result.
pub(crate) fn unsqueezed(shape: &[u64], axes: &[i64]) -> Result<Vec<u64>, String> {
    let rank = shape.len().saturating_add(axes.len());
    if rank > 64 {
        return Err(format!("a tensor of {rank} axes"));
    }
    let mut new = vec![false; rank];
    for &axis in axes {
        match new.get_mut(position(axis, rank)?) {
            Some(place @ false) => *place = true,
            _ => return Err(format!("axis {axis} is inserted twice")),
        }
    }
    let mut extents = shape.iter().copied();
    Ok(new.into_iter().map(|new| if new { 1 } else { extents.next().unwrap_or(1) }).collect())
}

/// The order of axes that a Transpose asks for; reversed when it does not say.
pub(crate) fn permutation(perm: Option<&[i64]>, rank: usize) -> Result<Vec<u32>, String> {
    let Some(perm) = perm else { return Ok((0..rank).rev().map(axis_number).collect()) };
    let axes = perm.iter().map(|&axis| position(axis, rank).map(axis_number)).collect::<Result<Vec<_>, _>>()?;
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    if sorted.len() == rank && sorted.iter().zip(0..).all(|(&axis, place)| axis == place) {
        Ok(axes)
    } else {
        Err(format!("{perm:?} is no order of {rank} axes"))
    }
}

/// Indices of an axis: `start`, `start + step`, …
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) length: u64,
    pub(crate) step: i64,
}

/// What a Slice keeps of each axis.
pub(crate) fn ranges(
    shape: &[u64],
    starts: &[i64],
    ends: &[i64],
    axes: Option<&[i64]>,
    steps: Option<&[i64]>,
) -> Result<Vec<Range>, String> {
    let mut ranges: Vec<Range> = shape.iter().map(|&length| Range { start: 0, length, step: 1 }).collect();
    if starts.len() != ends.len() || axes.is_some_and(|axes| axes.len() != starts.len()) || starts.len() > shape.len() {
        return Err("starts, ends and axes of a slice differ in number".to_owned());
    }
    for (index, (&start, &end)) in starts.iter().zip(ends).enumerate() {
        let named = axes.map_or_else(|| i64::try_from(index).ok(), |axes| axes.get(index).copied());
        let place = position(named.unwrap_or(i64::MAX), shape.len())?;
        let step = steps.map_or(Some(1), |steps| steps.get(index).copied()).unwrap_or(1);
        let extent = shape.get(place).and_then(|&extent| i64::try_from(extent).ok()).ok_or("an axis is missing")?;
        let (low, high) = if step < 0 { (-1, extent.saturating_sub(1)) } else { (0, extent) };
        let bound = |index: i64, low: i64| {
            let index = if index < 0 { index.saturating_add(extent) } else { index };
            index.clamp(low, high)
        };
        let (first, last) = (bound(start, 0.max(low).min(high.max(0))), bound(end, low));
        let reach = if step < 0 { first.saturating_sub(last) } else { last.saturating_sub(first) };
        let stride =
            step.checked_abs().filter(|&step| step > 0).ok_or_else(|| format!("a slice has the step {step}"))?;
        let length =
            if reach <= 0 { 0 } else { reach.saturating_sub(1).checked_div(stride).unwrap_or(0).saturating_add(1) };
        if let Some(range) = ranges.get_mut(place) {
            let start = u64::try_from(first).unwrap_or(0);
            *range = Range { start, length: u64::try_from(length).unwrap_or(0), step };
        }
    }
    Ok(ranges)
}

/// The extents that a Split cuts an axis into: those given, or `parts` equal ones with a smaller last one.
pub(crate) fn split_sizes(extent: u64, given: Option<&[i64]>, parts: usize) -> Result<Vec<u64>, String> {
    if let Some(given) = given {
        let sizes = given.iter().map(|&size| u64::try_from(size).map_err(|_| format!("a part has the extent {size}")));
        return sizes.collect();
    }
    let count = parts as u64;
    let size = if count == 0 { return Err("it has no results".to_owned()) } else { extent.div_ceil(count) };
    let mut left = extent;
    Ok((0..parts)
        .map(|_| {
            let part = size.min(left);
            left = left.saturating_sub(part);
            part
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_reshapes() {
        assert_eq!(reshaped(&[2, 3, 4], &[0, -1], false), Ok(vec![2, 12]));
        assert_eq!(reshaped(&[2, 3, 4], &[4, 6], false), Ok(vec![4, 6]));
        assert_eq!(reshaped(&[0, 3], &[0, 7], true), Ok(vec![0, 7]));
        assert_eq!(reshaped(&[0, 3], &[-1, 3], false), Ok(vec![0, 3]));
        for wanted in [&[5, -1][..], &[-1, -1], &[-2, 12], &[2, 3, 4, 0], &[i64::MAX, i64::MAX]] {
            assert!(reshaped(&[2, 3, 4], wanted, false).is_err(), "{wanted:?}");
        }
    }

    #[test]
    fn ranges_of_slices() {
        let range = |start, end, step| ranges(&[10], &[start], &[end], None, Some(&[step])).unwrap()[0];
        assert_eq!(range(2, i64::MAX, 3), Range { start: 2, length: 3, step: 3 });
        assert_eq!(range(-3, -1, 1), Range { start: 7, length: 2, step: 1 });
        assert_eq!(range(-1, i64::MIN, -1), Range { start: 9, length: 10, step: -1 });
        assert_eq!(range(8, 2, -2), Range { start: 8, length: 3, step: -2 });
        assert_eq!(range(5, 5, 1).length, 0);
        assert_eq!(range(20, 30, 1).length, 0);
        assert!(ranges(&[10], &[0], &[1], None, Some(&[0])).is_err());
        assert!(ranges(&[10], &[0], &[1], Some(&[3]), None).is_err());
    }

    #[test]
    fn axes_come_and_go() {
        assert_eq!(unsqueezed(&[3], &[0, -1]), Ok(vec![1, 3, 1]));
        assert!(unsqueezed(&[3], &[0, 0]).is_err());
        assert_eq!(squeezed(&[1, 3, 1], None), Ok(vec![3]));
        assert_eq!(squeezed(&[1, 3, 1], Some(&[-1])), Ok(vec![1, 3]));
        assert!(squeezed(&[1, 3], Some(&[1])).is_err());
        assert_eq!(flattened(&[2, 3, 4], 2), Ok(vec![6, 4]));
        assert_eq!(permutation(None, 3), Ok(vec![2, 1, 0]));
        assert!(permutation(Some(&[0, 0]), 2).is_err());
        assert_eq!(split_sizes(7, None, 3), Ok(vec![3, 3, 1]));
    }
}
