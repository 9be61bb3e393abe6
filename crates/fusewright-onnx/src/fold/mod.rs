//! Calls whose result is known while reading: shapes, masks and scales, computed from numbers that are in the file.
//!
//! Such a call never enters the graph. `Shape` and `Size` need the type of their operand only; everything else needs
//! the elements of all operands, and gives at most [`LIMIT`] elements.

mod arithmetic;
mod fill;
mod reduce;
mod scatter;
mod select;
mod view;

use fusewright_ir::TensorType;

use super::attributes::Attributes;
use super::content::{Content, LIMIT};
use super::held::Held;

/// A call that may be computed now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fold<'a, 'm> {
    pub(crate) attributes: Attributes<'a, 'm>,
    pub(crate) version: i64,
    pub(crate) outputs: usize,
    pub(crate) inputs: &'a [Option<&'a Held>],
}

impl<'a> Fold<'a, '_> {
    fn content(&self, index: usize) -> Option<&'a Content> {
        self.inputs.get(index).copied().flatten()?.known.as_deref()
    }

    fn ty(&self, index: usize) -> Option<&'a TensorType> {
        self.inputs.get(index).copied().flatten()?.ty.as_ref()
    }

    fn has(&self, index: usize) -> bool {
        self.inputs.get(index).is_some_and(Option::is_some)
    }

    /// The integers of an operand.
    fn ints(&self, index: usize) -> Option<&'a [i64]> {
        self.content(index)?.as_ints()
    }

    /// Axes, which newer versions give as operand `index` and older ones as an attribute.
    fn axes(&self, index: usize) -> Option<Vec<i64>> {
        if self.has(index) {
            return self.ints(index).map(<[i64]>::to_vec);
        }
        self.attributes.ints("axes").map(<[i64]>::to_vec)
    }
}

/// How one operator of the standard domain is computed; the results in order.
type Rule = fn(&Fold<'_, '_>) -> Option<Vec<Content>>;

/// The results of a call, if they can be computed now.
pub(crate) fn results(op: &str, call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let needs_elements = !matches!(op, "Shape" | "Size");
    if needs_elements && call.inputs.iter().flatten().any(|held| held.known.is_none()) {
        return None;
    }
    let families: [fn(&str) -> Option<Rule>; 6] =
        [fill::rule, view::rule, select::rule, arithmetic::rule, reduce::rule, scatter::rule];
    let results = families.iter().find_map(|family| family(op))?(call)?;
    (results.len() >= call.outputs).then_some(results)
}

/// An axis, counted from the end when negative, as a position.
fn position(axis: i64, rank: usize) -> Option<usize> {
    crate::build::position(axis, rank).ok()
}

/// Number of elements of a shape, if few enough to compute with.
fn few(shape: &[u64]) -> Option<usize> {
    let count = fusewright_ir::checked_elements(shape).filter(|&count| count <= LIMIT)?;
    usize::try_from(count).ok()
}

/// For each element of a row-major tensor of this shape, where it lies in memory with these strides.
fn offsets(shape: &[u64], strides: &[usize], start: usize) -> Option<Vec<usize>> {
    let mut offsets = vec![start];
    few(shape)?;
    for (&extent, &stride) in shape.iter().zip(strides) {
        let mut next = Vec::with_capacity(offsets.len());
        for &offset in &offsets {
            for index in 0..usize::try_from(extent).ok()? {
                next.push(offset.checked_add(index.checked_mul(stride)?)?);
            }
        }
        offsets = next;
    }
    Some(offsets)
}

/// Row-major strides of a shape.
fn strides(shape: &[u64]) -> Vec<usize> {
    let mut step = 1_usize;
    let mut strides = Vec::with_capacity(shape.len());
    for &extent in shape.iter().rev() {
        strides.push(step);
        step = step.saturating_mul(usize::try_from(extent.max(1)).unwrap_or(usize::MAX));
    }
    strides.reverse();
    strides
}

/// Where the elements of a tensor of `shape` lie for each element of what it is broadcast to.
fn broadcast_offsets(shape: &[u64], target: &[u64]) -> Option<Vec<usize>> {
    let missing = target.len().checked_sub(shape.len())?;
    let own = strides(shape);
    let mut steps = vec![0; missing];
    for ((&extent, &wanted), &stride) in shape.iter().zip(target.iter().skip(missing)).zip(&own) {
        if extent != wanted && extent != 1 {
            return None;
        }
        steps.push(if extent == 1 { 0 } else { stride });
    }
    offsets(target, &steps, 0)
}

/// The shape that two shapes broadcast to.
fn broadcast(a: &[u64], b: &[u64]) -> Option<Vec<u64>> {
    let rank = a.len().max(b.len());
    let padded = |shape: &[u64]| -> Vec<u64> {
        std::iter::repeat_n(1, rank.saturating_sub(shape.len())).chain(shape.iter().copied()).collect()
    };
    let pairs = padded(a).into_iter().zip(padded(b));
    let joined = pairs.map(|pair| match pair {
        (1, extent) | (extent, 1) => Some(extent),
        (x, y) => (x == y).then_some(x),
    });
    joined.collect()
}
