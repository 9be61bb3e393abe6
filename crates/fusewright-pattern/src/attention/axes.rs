//! Following one axis of a tensor through a step, backwards from its result or forwards from its operand.

use fusewright_ir::ops::{Copy, Gather, Index, View};
use fusewright_ir::{Graph, Node, Op, ValueId};

/// The axis of `operand` (the input at `position`) that becomes `axis` of `output`.
pub(super) fn before(graph: &Graph, node: &Node, position: usize, output: ValueId, axis: usize) -> Option<usize> {
    let operand = graph.tensor(*node.inputs.get(position)?)?;
    let result = graph.tensor(output)?;
    let candidate = match &node.op {
        Op::View(view) => match &**view {
            View::Reshape { .. } => holding(&result.shape, &operand.shape, axis)?,
            View::Permute { axes } => *axes.get(axis)? as usize,
            View::Expand { .. } => axis.checked_sub(result.rank().checked_sub(operand.rank())?)?,
            View::Slice { .. } | View::Split { .. } | View::Alias => axis,
            View::Select { axis: taken, .. } | View::Unbind { axis: taken } => {
                axis + usize::from(axis >= *taken as usize)
            }
            View::Subscript { items } => subscript_before(items, axis)?,
            // Numbers and their parts: the outer axes stay.
            View::Reinterpret { .. } => axis.min(operand.rank().checked_sub(1)?),
        },
        Op::Copy(copy) => match &**copy {
            Copy::Stack { axis: added } => {
                let added = position_of(*added, result.rank())?;
                if added == axis {
                    return None;
                }
                axis - usize::from(axis > added)
            }
            Copy::Repeat { .. } => axis.checked_sub(result.rank().checked_sub(operand.rank())?)?,
            _ => axis,
        },
        Op::Pointwise(_) => axis.checked_sub(result.rank().checked_sub(operand.rank())?)?,
        Op::Gather(Gather::IndexSelect { .. } | Gather::Elements { .. }) | Op::Normalization(_) | Op::Scatter(_) => {
            axis
        }
        _ if operand.rank() == result.rank() => axis,
        _ => return None,
    };
    (candidate < operand.rank()).then_some(candidate)
}

/// The axis of `output` that `axis` of the operand at `position` becomes, its extent kept unless the step cuts it.
pub(super) fn after(graph: &Graph, node: &Node, position: usize, output: ValueId, axis: usize) -> Option<usize> {
    let operand = graph.tensor(*node.inputs.get(position)?)?;
    let result = graph.tensor(output)?;
    let candidate = match &node.op {
        Op::View(view) => match &**view {
            View::Reshape { .. } => whole(&operand.shape, &result.shape, axis)?,
            View::Permute { axes } => axes.iter().position(|&source| source as usize == axis)?,
            View::Expand { .. } => axis + result.rank().checked_sub(operand.rank())?,
            View::Slice { .. } | View::Split { .. } | View::Alias => axis,
            View::Select { axis: taken, .. } | View::Unbind { axis: taken } => {
                if axis == *taken as usize {
                    return None;
                }
                axis - usize::from(axis > *taken as usize)
            }
            View::Reinterpret { .. } => return None,
            View::Subscript { items } => (0..result.rank()).find(|&at| subscript_before(items, at) == Some(axis))?,
        },
        Op::Copy(copy) if matches!(**copy, Copy::Stack { .. }) => return None,
        _ => axis + result.rank().checked_sub(operand.rank())?,
    };
    (candidate < result.rank()).then_some(candidate)
}

/// A possibly negative axis as a position.
pub(super) fn position_of(axis: i64, rank: usize) -> Option<usize> {
    let rank_signed = i64::try_from(rank).ok()?;
    usize::try_from(if axis < 0 { axis + rank_signed } else { axis }).ok().filter(|&position| position < rank)
}

fn subscript_before(items: &[Index], axis: usize) -> Option<usize> {
    let (mut source, mut result) = (0, 0);
    for item in items {
        match item {
            Index::New => {
                if result == axis {
                    return None;
                }
                result += 1;
            }
            Index::At(_) => source += 1,
            Index::Range { .. } => {
                if result == axis {
                    return Some(source);
                }
                source += 1;
                result += 1;
            }
        }
    }
    None
}

fn inner(shape: &[u64], axis: usize) -> u64 {
    shape[axis + 1..].iter().fold(1, |product: u64, &extent| product.saturating_mul(extent))
}

/// The axis of `to` that is `axis` of `from` undivided: as long, with as many elements inside it. Of several axes of
/// extent 1 the one as far from the end is taken.
pub(super) fn whole(from: &[u64], to: &[u64], axis: usize) -> Option<usize> {
    let extent = *from.get(axis)?;
    let (stride, from_end) = (inner(from, axis), from.len() - axis);
    let fits = |&at: &usize| to[at] == extent && inner(to, at) == stride;
    (0..to.len()).filter(fits).min_by_key(|&at| (to.len() - at).abs_diff(from_end))
}

/// The axis of `to` in which neighbours along `axis` of `from` are apart.
fn holding(from: &[u64], to: &[u64], axis: usize) -> Option<usize> {
    if *from.get(axis)? == 1 {
        return whole(from, to, axis);
    }
    let stride = inner(from, axis);
    (0..to.len()).find(|&at| {
        let apart = inner(to, at);
        to[at] > 1 && stride >= apart && stride < apart.saturating_mul(to[at])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_or_merged_axis_is_held_by_one_axis() {
        // [B, S, H·d] ← [B, S, H, d]: both the head axis and the feature axis lie in the last.
        assert_eq!(holding(&[2, 5, 3, 4], &[2, 5, 12], 3), Some(2));
        assert_eq!(holding(&[2, 5, 3, 4], &[2, 5, 12], 2), Some(2));
        assert_eq!(holding(&[2, 5, 3, 4], &[2, 5, 12], 1), Some(1));
        assert_eq!(whole(&[2, 5, 3, 4], &[2, 5, 12], 3), None);
        assert_eq!(whole(&[6, 5, 7], &[2, 3, 5, 7], 1), Some(2));
        assert_eq!(whole(&[1, 1, 7], &[1, 1, 1, 7], 1), Some(2));
    }
}
