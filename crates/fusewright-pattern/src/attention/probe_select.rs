//! Elements of gathers, scatters and reductions, for the probe.

use fusewright_ir::ops::{Gather, ReduceKind, Reduction, Scatter};
use fusewright_ir::{Node, ValueId};

use super::axes;
use super::probe::{Point, Probe, Sample, Taint};
use super::probe_index::{Place, broadcast, shown_at};

/// Longest line that is summed up.
const LONGEST_RUN: u64 = 1 << 16;

const OPEN: Sample = Sample { value: None, taint: Taint::OPEN };

/// A known sample as a position on an axis, negative ones counted from the end.
#[allow(clippy::cast_possible_truncation, reason = "indices are whole numbers below 2^53")]
fn position(sample: Sample, extent: u64) -> Option<u64> {
    let at = sample.value.filter(|at| at.fract() == 0.0 && at.abs() < 9e15)? as i64;
    let at = if at < 0 { at.checked_add_unsigned(extent)? } else { at };
    u64::try_from(at).ok().filter(|&at| at < extent)
}

pub(super) fn gathered(probe: &mut Probe, gather: &Gather, inputs: &[ValueId], point: &[u64]) -> Sample {
    let Some(&table) = inputs.get(gather.table_operand()) else { return OPEN };
    let Some(shape) = probe.graph.tensor(table).map(|table| table.shape.clone()) else { return OPEN };
    let indices = inputs[1 - gather.table_operand()];
    let mut taint = Taint::NONE;
    let mut from = Point::from_slice(point);
    let mut look = |probe: &mut Probe, indices: ValueId, at: &[u64], extent: u64| {
        let sample = probe.at(indices, at);
        taint = taint.and(sample.taint);
        position(sample, extent)
    };
    let found = match gather {
        Gather::Embedding => point.split_last().and_then(|(&column, rows)| {
            let row = look(probe, indices, rows, *shape.first()?)?;
            Some(Point::from_slice(&[row, column]))
        }),
        Gather::PositionBias { .. } => None,
        Gather::IndexSelect { axis } => axes::position_of(*axis, shape.len()).and_then(|axis| {
            let rank = probe.graph.tensor(indices)?.rank();
            let at = [*point.get(axis)?];
            from[axis] = look(probe, indices, if rank == 0 { &[] } else { &at }, shape[axis])?;
            Some(from)
        }),
        Gather::Elements { axis } => axes::position_of(*axis, shape.len()).and_then(|axis| {
            *from.get_mut(axis)? = look(probe, indices, point, shape[axis])?;
            Some(from)
        }),
        Gather::Indexed { axes } => indexed(probe, &inputs[1..], axes, &shape, point, &mut look),
        Gather::Nd { batch } => nd(probe, indices, *batch, &shape, point, &mut look),
    };
    if let Some(point) = found {
        return probe.at(table, &point).tainted(taint);
    }
    // Whatever row is picked, its content is as unknown as any other's.
    let content = probe.at(table, &Point::from_elem(0, shape.len()));
    let learned = content.value.is_none() && !content.taint.has(Taint::OPEN) && content.taint.has(Taint::LEARNED);
    Sample::unknown(if learned { content.taint } else { content.taint.and(taint).and(Taint::OPEN) })
}

type Look<'a> = &'a mut dyn FnMut(&mut Probe, ValueId, &[u64], u64) -> Option<u64>;

fn indexed(
    probe: &mut Probe,
    indices: &[ValueId],
    axes: &[u32],
    shape: &[u64],
    point: &[u64],
    look: Look,
) -> Option<Point> {
    let kept = shape.len().checked_sub(axes.len())?;
    let picked_rank = point.len().checked_sub(kept)?;
    let adjacent = axes.windows(2).all(|pair| pair[1] == pair[0] + 1);
    let place = if adjacent { *axes.first()? as usize } else { 0 };
    let picked = point.get(place..place.checked_add(picked_rank)?)?;
    let mut others = point[..place].iter().chain(&point[place + picked_rank..]);
    let mut from = Point::new();
    for (axis, &extent) in (0_u32..).zip(shape) {
        let at = match axes.iter().position(|&own| own == axis) {
            Some(number) => {
                let index = *indices.get(number)?;
                let at = broadcast(&probe.graph.tensor(index)?.shape, picked)?;
                look(probe, index, &at, extent)?
            }
            None => *others.next()?,
        };
        from.push(at);
    }
    Some(from)
}

fn nd(probe: &mut Probe, indices: ValueId, batch: u64, shape: &[u64], point: &[u64], look: Look) -> Option<Point> {
    let batch = usize::try_from(batch).ok()?;
    let index_shape = probe.graph.tensor(indices)?.shape.clone();
    let (&picked, outer) = index_shape.split_last()?;
    let rows = point.get(..outer.len())?;
    let mut from = Point::from_slice(point.get(..batch)?);
    for number in 0..picked {
        let mut at = Point::from_slice(rows);
        at.push(number);
        let extent = *shape.get(from.len())?;
        from.push(look(probe, indices, &at, extent)?);
    }
    from.extend_from_slice(point.get(outer.len()..)?);
    Some(from)
}

pub(super) fn scattered(probe: &mut Probe, scatter: &Scatter, inputs: &[ValueId], point: &[u64]) -> Sample {
    let (Scatter::Write { view }, &[x, values, ..]) = (scatter, inputs) else { return OPEN };
    match shown_at(view, point) {
        Place::Inside(inside) => probe.at(values, &inside),
        Place::Outside => probe.at(x, point),
        Place::Unknown => OPEN,
    }
}

pub(super) fn reduced(
    probe: &mut Probe,
    reduction: &Reduction,
    node: &Node,
    output: usize,
    point: &[u64],
    longest: u64,
) -> Sample {
    let Some(&x) = node.inputs.first() else { return OPEN };
    let Some(shape) = probe.graph.tensor(x).map(|x| x.shape.clone()) else { return OPEN };
    match reduction {
        Reduction::CumulativeSum { axis } => {
            let Some(axis) = axes::position_of(*axis, shape.len()) else { return OPEN };
            if point.get(axis).is_none_or(|&last| last >= LONGEST_RUN) {
                return OPEN;
            }
            probe.running_sum(x, &shape, axis, point)
        }
        Reduction::Extreme { largest, axis, keep } if output == 0 => {
            let kind = if *largest { ReduceKind::Max } else { ReduceKind::Min };
            fold(probe, x, &shape, kind, &[*axis], *keep, point, longest)
        }
        Reduction::Reduce { kind, axes, keep } => fold(probe, x, &shape, *kind, axes, *keep, point, longest),
        _ => OPEN,
    }
}

#[allow(clippy::too_many_arguments, reason = "the settings of one reduction and the element asked for")]
fn fold(
    probe: &mut Probe,
    x: ValueId,
    shape: &[u64],
    kind: ReduceKind,
    axes: &[i64],
    keep: bool,
    point: &[u64],
    longest: u64,
) -> Sample {
    let folded: Vec<usize> = if axes.is_empty() {
        (0..shape.len()).collect()
    } else {
        axes.iter().filter_map(|&axis| axes::position_of(axis, shape.len())).collect()
    };
    let count = folded.iter().fold(1_u64, |product, &axis| product.saturating_mul(shape[axis]));
    if count > longest || count == 0 {
        return OPEN;
    }
    let mut kept = point.iter();
    let mut from = Point::new();
    for axis in 0..shape.len() {
        let is_folded = folded.contains(&axis);
        let at = if is_folded && !keep { Some(&0) } else { kept.next() };
        let Some(&at) = at else { return OPEN };
        from.push(at);
    }
    let mut result: Option<f64> = None;
    let mut taint = Taint::NONE;
    let mut all_known = true;
    for number in 0..count {
        let mut rest = number;
        for &axis in &folded {
            from[axis] = rest % shape[axis];
            rest /= shape[axis];
        }
        let sample = probe.at(x, &from);
        taint = taint.and(sample.taint);
        let Some(value) = sample.value else {
            all_known = false;
            continue;
        };
        match kind {
            ReduceKind::Any if value != 0.0 => return Sample::known(1.0).tainted(sample.taint),
            ReduceKind::All if value == 0.0 => return Sample::known(0.0).tainted(sample.taint),
            _ => {}
        }
        result = Some(match (kind, result) {
            (ReduceKind::Any | ReduceKind::All, _) => value,
            (ReduceKind::Sum | ReduceKind::Mean, known) => known.unwrap_or(0.0) + value,
            (ReduceKind::Prod, known) => known.unwrap_or(1.0) * value,
            (ReduceKind::Max, known) => known.map_or(value, |known| known.max(value)),
            (ReduceKind::Min, known) => known.map_or(value, |known| known.min(value)),
            _ => return OPEN,
        });
    }
    let value = result.filter(|_| all_known).map(|value| match kind {
        ReduceKind::Any => 0.0,
        ReduceKind::All => 1.0,
        ReduceKind::Mean => value / count as f64,
        _ => value,
    });
    Sample { value, taint }
}
