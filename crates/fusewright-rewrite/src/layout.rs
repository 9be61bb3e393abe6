//! Where the elements of a tensor lie in another one, axis by axis.
//!
//! An axis is a list of factors, outermost first, each an extent and a distance in memory. Any reshape only regroups
//! factors, any transpose only moves axes, so what exporters write around an attention (heads split off, axes moved
//! and merged, parts of a packed projection taken) comes down to a list of distances.

use fusewright_ir::ops::{Copy, Index, Pointwise, View};
use fusewright_ir::{NodeId, Op, ValueId};
use smallvec::{SmallVec, smallvec};

use crate::facts::Facts;

/// Part of an axis: so many steps of so many elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Factor {
    pub(crate) extent: u64,
    pub(crate) stride: u64,
}

/// The factors of an axis, outermost first; none where its extent is 1.
pub(crate) type Axis = SmallVec<[Factor; 2]>;

/// A tensor as a view of another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    pub(crate) axes: Vec<Axis>,
    pub(crate) offset: u64,
    /// Numbers that the elements were multiplied with on the way.
    pub(crate) factor: f64,
}

/// A step of a walk along views.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) node: NodeId,
    /// The operand that is viewed, and which result is meant.
    pub(crate) from: ValueId,
    pub(crate) to: ValueId,
}

/// Most steps of a walk.
const STEPS: usize = 48;

impl Layout {
    /// A tensor of this shape as it lies in memory.
    pub(crate) fn whole(shape: &[u64]) -> Self {
        let mut stride = 1_u64;
        let mut axes: Vec<Axis> = Vec::with_capacity(shape.len());
        for &extent in shape.iter().rev() {
            axes.push(if extent == 1 { Axis::new() } else { smallvec![Factor { extent, stride }] });
            stride = stride.saturating_mul(extent);
        }
        axes.reverse();
        Self { axes, offset: 0, factor: 1.0 }
    }

    /// The tensor after one step; `None` where the step is none of the kinds that only move.
    pub(crate) fn after(&self, facts: &Facts, step: Step) -> Option<Self> {
        let node = facts.graph.node(step.node);
        let shape = facts.shape(step.to);
        let position = node.outputs.iter().position(|&output| output == step.to)?;
        if let Some((_, factor)) = facts.scaled(step.node) {
            return self.scaled(factor);
        }
        match &node.op {
            Op::View(view) => self.viewed(view, position, shape),
            Op::Copy(copy) => match &**copy {
                Copy::Contiguous | Copy::Clone => Some(self.clone()),
                Copy::Repeat { counts } => self.repeated(counts),
                _ => None,
            },
            Op::Pointwise(Pointwise::Dropout { training: false, .. }) => Some(self.clone()),
            _ => None,
        }
    }

    fn scaled(&self, by: f64) -> Option<Self> {
        let factor = self.factor * by;
        (factor.is_finite() && factor != 0.0).then(|| Self { factor, ..self.clone() })
    }

    fn viewed(&self, view: &View, position: usize, shape: &[u64]) -> Option<Self> {
        let mut next = self.clone();
        match view {
            View::Alias => {}
            View::Permute { axes } => {
                next.axes = axes.iter().map(|&axis| self.axes.get(axis as usize).cloned()).collect::<Option<_>>()?;
            }
            View::Reshape { shape } => next.axes = regrouped(self.axes.iter().flatten().copied(), shape)?,
            View::Expand { shape } => {
                let added = shape.len().checked_sub(self.axes.len())?;
                next.axes = std::iter::repeat_n(Axis::new(), added).chain(self.axes.iter().cloned()).collect();
                for (axis, &extent) in next.axes.iter_mut().zip(shape) {
                    if axis.is_empty() && extent != 1 {
                        axis.push(Factor { extent, stride: 0 });
                    }
                }
            }
            View::Slice { axis, start, length, step } => next.cut(*axis as usize, *start, *length, *step)?,
            View::Split { axis, sizes } => {
                let start = sizes.get(..position)?.iter().sum();
                next.cut(*axis as usize, start, *sizes.get(position)?, 1)?;
            }
            View::Select { axis, index } => next.pick(*axis as usize, *index)?,
            View::Unbind { axis } => next.pick(*axis as usize, position as u64)?,
            View::Subscript { items } => next.subscript(items)?,
            View::Reinterpret { .. } => return None,
        }
        let extents: Vec<u64> = next.axes.iter().map(|axis| extent_of(axis)).collect();
        (extents == shape).then_some(next)
    }

    fn cut(&mut self, axis: usize, start: u64, length: u64, step: u64) -> Option<()> {
        let axis = self.axes.get_mut(axis)?;
        match axis[..] {
            [] => (start == 0 && length == 1).then_some(()),
            [factor] => {
                self.offset = self.offset.checked_add(start.checked_mul(factor.stride)?)?;
                let stride = factor.stride.checked_mul(step)?;
                *axis = if length == 1 { Axis::new() } else { smallvec![Factor { extent: length, stride }] };
                Some(())
            }
            _ => (start == 0 && step == 1 && length == extent_of(axis)).then_some(()),
        }
    }

    fn pick(&mut self, axis: usize, index: u64) -> Option<()> {
        let factors = (axis < self.axes.len()).then(|| self.axes.remove(axis))?;
        let mut rest = index;
        for factor in factors.iter().rev() {
            let digit = rest % factor.extent;
            self.offset = self.offset.checked_add(digit.checked_mul(factor.stride)?)?;
            rest /= factor.extent;
        }
        (rest == 0).then_some(())
    }

    fn subscript(&mut self, items: &[Index]) -> Option<()> {
        let mut axis = 0;
        for item in items {
            match *item {
                Index::New => {
                    self.axes.insert(axis, Axis::new());
                    axis += 1;
                }
                Index::At(index) => self.pick(axis, index)?,
                Index::Range { start, length, step } => {
                    self.cut(axis, start, length, step)?;
                    axis += 1;
                }
            }
        }
        Some(())
    }

    /// Each axis repeated as a whole, as tiling does.
    fn repeated(&self, counts: &[u64]) -> Option<Self> {
        let added = counts.len().checked_sub(self.axes.len())?;
        let mut next = self.clone();
        next.axes = std::iter::repeat_n(Axis::new(), added).chain(self.axes.iter().cloned()).collect();
        for (axis, &count) in next.axes.iter_mut().zip(counts) {
            if count != 1 {
                axis.insert(0, Factor { extent: count, stride: 0 });
            }
        }
        Some(next)
    }
}

/// Number of indices of an axis.
pub(crate) fn extent_of(axis: &[Factor]) -> u64 {
    axis.iter().fold(1, |product: u64, factor| product.saturating_mul(factor.extent))
}

/// The same factors in axes of other extents; `None` where an axis would end inside a factor.
pub(crate) fn regrouped(factors: impl Iterator<Item = Factor>, shape: &[u64]) -> Option<Vec<Axis>> {
    let mut rest: Vec<Factor> = factors.collect();
    let mut axes: Vec<Axis> = Vec::with_capacity(shape.len());
    for &extent in shape.iter().rev() {
        let mut parts = Axis::new();
        let mut wanted = extent;
        while wanted > 1 {
            let inner = rest.pop()?;
            if wanted.is_multiple_of(inner.extent) {
                parts.push(inner);
                wanted /= inner.extent;
            } else if inner.extent.is_multiple_of(wanted) {
                parts.push(Factor { extent: wanted, stride: inner.stride });
                let stride = inner.stride.checked_mul(wanted)?;
                rest.push(Factor { extent: inner.extent / wanted, stride });
                wanted = 1;
            } else {
                return None;
            }
        }
        parts.reverse();
        axes.push(merged(&parts));
    }
    axes.reverse();
    rest.is_empty().then_some(axes)
}

/// Neighbouring factors that are one piece of memory, as one.
pub(crate) fn merged(axis: &[Factor]) -> Axis {
    let mut joined = Axis::new();
    for &factor in axis {
        match joined.last_mut() {
            Some(last) if last.stride == factor.stride.saturating_mul(factor.extent) => {
                last.extent = last.extent.saturating_mul(factor.extent);
                last.stride = factor.stride;
            }
            _ => joined.push(factor),
        }
    }
    joined
}

/// Back from a value along steps that only move elements, the nearest step first.
pub(crate) fn back(facts: &Facts, value: ValueId) -> Vec<Step> {
    let graph = &facts.graph;
    let mut steps = Vec::new();
    let mut to = value;
    while let Some(id) = graph.producer(to) {
        let node = graph.node(id);
        let member = match &node.op {
            Op::View(view) if matches!(**view, View::Alias) => node.outputs.iter().position(|&output| output == to),
            _ => Some(facts.scaled(id).map_or(0, |(operand, _)| operand)),
        };
        let Some(&from) = member.and_then(|member| node.inputs.get(member)) else { break };
        let step = Step { node: id, from, to };
        let shape = graph.tensor(from).map(|tensor| tensor.shape.clone()).unwrap_or_default();
        if steps.len() >= STEPS || Layout::whole(&shape).after(facts, step).is_none() {
            break;
        }
        steps.push(step);
        to = from;
    }
    steps
}

/// The layout of a walk's end in its beginning; steps with the nearest to the end first.
pub(crate) fn along(facts: &Facts, steps: &[Step]) -> Option<Layout> {
    let start = steps.last()?.from;
    let whole = Layout::whole(facts.shape(start));
    steps.iter().rev().try_fold(whole, |layout, &step| layout.after(facts, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(extent: u64, stride: u64) -> Factor {
        Factor { extent, stride }
    }

    #[test]
    fn heads_of_a_packed_projection() {
        // [B, S, 3·H·d] → [B, S, 3, H, d] → [3, B, H, S, d] → the second of three.
        let (batch, rows, heads, width) = (2, 5, 4, 8);
        let whole = Layout::whole(&[batch, rows, 3 * heads * width]);
        let split = [batch, rows, 3, heads, width];
        let split = whole.viewed(&View::Reshape { shape: split.as_slice().into() }, 0, &split).unwrap();
        let axes = [2, 0, 3, 1, 4].as_slice().into();
        let moved = split.viewed(&View::Permute { axes }, 0, &[3, batch, heads, rows, width]).unwrap();
        let keys = moved.viewed(&View::Select { axis: 0, index: 1 }, 0, &[batch, heads, rows, width]).unwrap();
        let line = 3 * heads * width;
        assert_eq!(keys.offset, heads * width);
        let expected = [factor(batch, rows * line), factor(heads, width), factor(rows, line), factor(width, 1)];
        assert_eq!(keys.axes.iter().flatten().copied().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn repeated_heads_have_no_distance() {
        let whole = Layout::whole(&[2, 3, 5, 8]);
        let shape = [2, 3, 1, 5, 8];
        let apart = whole.viewed(&View::Reshape { shape: shape.as_slice().into() }, 0, &shape).unwrap();
        let shape = [2, 3, 4, 5, 8];
        let wide = apart.viewed(&View::Expand { shape: shape.as_slice().into() }, 0, &shape).unwrap();
        let shape = [2, 12, 5, 8];
        let heads = wide.viewed(&View::Reshape { shape: shape.as_slice().into() }, 0, &shape).unwrap();
        assert_eq!(heads.axes[1].as_slice(), [factor(3, 40), factor(4, 0)]);
    }

    #[test]
    fn axes_that_end_inside_a_factor_are_refused() {
        let whole = Layout::whole(&[4, 6]);
        assert!(regrouped(whole.axes.iter().flatten().copied(), &[8, 3]).is_some());
        let turned = [factor(6, 1), factor(4, 6)];
        assert!(regrouped(turned.into_iter(), &[4, 6]).is_none());
    }
}
