//! Indices carried from a result back to the operand it shows: views, paddings, rolls.

use fusewright_ir::ops::{Index, View};

use super::axes;
use super::probe::Point;

/// The operand's index that broadcasts to `point`.
pub(super) fn broadcast(shape: &[u64], point: &[u64]) -> Option<Point> {
    let missing = point.len().checked_sub(shape.len())?;
    Some(shape.iter().zip(&point[missing..]).map(|(&extent, &at)| if extent == 1 { 0 } else { at }).collect())
}

/// The element of x that a view shows at `point` of its result number `output`.
pub(super) fn through_view(view: &View, from: &[u64], to: &[u64], output: usize, point: &[u64]) -> Option<Point> {
    let mut point = Point::from_slice(point);
    match view {
        View::Reshape { .. } => {
            let mut flat = to.iter().zip(&point).fold(0_u64, |sum, (&extent, &at)| sum * extent + at);
            let mut result = Point::from_elem(0, from.len());
            for axis in (0..from.len()).rev() {
                result[axis] = flat % from[axis].max(1);
                flat /= from[axis].max(1);
            }
            return Some(result);
        }
        View::Permute { axes } => {
            let mut result = Point::from_elem(0, from.len());
            for (&axis, &at) in axes.iter().zip(&point) {
                *result.get_mut(axis as usize)? = at;
            }
            return Some(result);
        }
        View::Expand { .. } => return broadcast(from, &point),
        View::Slice { axis, start, step, .. } => {
            let at = point.get_mut(*axis as usize)?;
            *at = start.checked_add(at.checked_mul(*step)?)?;
        }
        View::Select { axis, index } => insert(&mut point, *axis as usize, *index)?,
        View::Unbind { axis } => insert(&mut point, *axis as usize, output as u64)?,
        View::Split { axis, sizes } => {
            let before = sizes.get(..output)?.iter().sum::<u64>();
            *point.get_mut(*axis as usize)? += before;
        }
        View::Subscript { items } => {
            let mut shown = point.iter();
            let mut result = Point::new();
            for item in items {
                match *item {
                    Index::New => drop(shown.next()?),
                    Index::At(index) => result.push(index),
                    Index::Range { start, step, .. } => {
                        result.push(start.checked_add(shown.next()?.checked_mul(step)?)?);
                    }
                }
            }
            return Some(result);
        }
        View::Alias => {}
        View::Reinterpret { .. } => return None,
    }
    Some(point)
}

fn insert(point: &mut Point, axis: usize, index: u64) -> Option<()> {
    (axis <= point.len()).then(|| point.insert(axis, index))
}

/// Where an element lies with respect to a part of a tensor.
pub(super) enum Place {
    /// In it, at this index.
    Inside(Point),
    /// Beside it.
    Outside,
    /// Not known.
    Unknown,
}

/// Where in the part of x that a view shows its element `point` lies.
pub(super) fn shown_at(view: &View, point: &[u64]) -> Place {
    let along = |at: Option<&u64>, start: u64, length: u64, step: u64| {
        let steps = at?.checked_sub(start)?;
        (steps.is_multiple_of(step.max(1)) && steps / step.max(1) < length).then(|| steps / step.max(1))
    };
    let mut result = Point::from_slice(point);
    match view {
        View::Slice { axis, start, length, step } => {
            let axis = *axis as usize;
            match along(point.get(axis), *start, *length, *step) {
                Some(inside) => result[axis] = inside,
                None => return Place::Outside,
            }
        }
        View::Select { axis, index } => {
            if point.get(*axis as usize) != Some(index) {
                return Place::Outside;
            }
            result.remove(*axis as usize);
        }
        View::Subscript { items } => {
            result.clear();
            let mut at = point.iter();
            for item in items {
                let inside = match *item {
                    Index::New => Some(0),
                    Index::At(index) if at.next() == Some(&index) => continue,
                    Index::At(_) => None,
                    Index::Range { start, length, step } => along(at.next(), start, length, step),
                };
                match inside {
                    Some(inside) => result.push(inside),
                    None => return Place::Outside,
                }
            }
        }
        View::Alias => {}
        _ => return Place::Unknown,
    }
    Place::Inside(result)
}

/// The element of x behind one of its padded form.
pub(super) fn inside_padding(pads: &[i64], from: &[u64], point: &[u64]) -> Place {
    let mut result = Point::new();
    for (axis, (&at, &extent)) in point.iter().zip(from).enumerate() {
        let Some(&before) = pads.get(2 * axis) else { return Place::Unknown };
        match u64::try_from(i128::from(at) - i128::from(before)) {
            Ok(inside) if inside < extent => result.push(inside),
            _ => return Place::Outside,
        }
    }
    Place::Inside(result)
}

/// The element of x that a cyclic shift moved to `point`.
pub(super) fn unrolled(shifts: &[i64], along: &[i64], from: &[u64], point: &[u64]) -> Option<Point> {
    let mut result = Point::from_slice(point);
    for (&shift, &axis) in shifts.iter().zip(along) {
        let axis = axes::position_of(axis, from.len())?;
        let extent = i128::from(*from.get(axis)?);
        let at = result.get_mut(axis)?;
        *at = u64::try_from((i128::from(*at) - i128::from(shift)).rem_euclid(extent.max(1))).ok()?;
    }
    Some(result)
}

/// The element of x that a reversal of some axes moved to `point`.
pub(super) fn reversed(along: &[i64], from: &[u64], point: &[u64]) -> Option<Point> {
    let mut result = Point::from_slice(point);
    for &axis in along {
        let axis = axes::position_of(axis, from.len())?;
        let at = result.get_mut(axis)?;
        *at = from[axis].checked_sub(*at + 1)?;
    }
    Some(result)
}

/// What a mask for cyclically shifted windows holds: 0 inside a region, −100 across its border.
pub(super) fn shift_mask(grid: [u64; 2], window: [u64; 2], shift: [u64; 2], point: &[u64]) -> Option<f64> {
    let &[of, row, column] = point else { return None };
    let region = |position: u64| -> Option<[u64; 2]> {
        let [rows, columns] = window;
        let places = [
            (of / grid[1].max(1) * rows).checked_add(position / columns.max(1))?,
            (of % grid[1].max(1) * columns).checked_add(position % columns.max(1))?,
        ];
        let mut region = [0; 2];
        for axis in 0..2 {
            let extent = grid[axis].checked_mul(window[axis])?;
            let bounds = [extent.checked_sub(window[axis])?, extent.checked_sub(shift[axis])?];
            region[axis] =
                if shift[axis] == 0 { 0 } else { bounds.iter().filter(|&&bound| places[axis] >= bound).count() as u64 };
        }
        Some(region)
    };
    Some(if region(row)? == region(column)? { 0.0 } else { -100.0 })
}
