//! How one tensor is made of another by at most a slice, a reshape, a transpose and a reshape.

use crate::layout::{Axis, Factor, extent_of, merged};

/// An extent in the first and the second reading; an open one differs.
pub(crate) type Extent = (u64, u64);

/// The steps, each where it is needed; extents of one reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recipe {
    /// Extents of the source.
    source: Vec<u64>,
    /// First index and number of indices of the last axis.
    slice: Option<(u64, u64)>,
    /// Extents before axes are moved.
    split: Option<Vec<u64>>,
    /// Axes in their new order.
    order: Option<Vec<usize>>,
    /// Extents of the result.
    join: Option<Vec<u64>>,
}

/// A recipe for every size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenRecipe {
    pub(crate) slice: Option<(u64, u64)>,
    /// What the first reshape is told, in the terms of the operator: an extent, 0 for the operand's, −1 for the rest.
    pub(crate) split: Option<Vec<i64>>,
    pub(crate) order: Option<Vec<usize>>,
    pub(crate) join: Option<Vec<i64>>,
}

impl Recipe {
    /// How a tensor with these axes, given as places in a source of this shape, is made of it.
    pub(crate) fn new(source: &[u64], offset: u64, target: &[Axis]) -> Option<Self> {
        let elements = |shape: &[u64]| shape.iter().fold(1, |product: u64, &extent| product.saturating_mul(extent));
        let shape: Vec<u64> = target.iter().map(|axis| extent_of(axis)).collect();
        if source.contains(&0) || target.iter().flatten().any(|factor| factor.stride == 0) {
            return None;
        }
        let mut placed: Vec<(usize, Factor)> = Vec::new();
        for axis in target {
            for factor in merged(axis) {
                placed.push((placed.len(), factor));
            }
        }
        let mut source = source.to_vec();
        let mut slice = None;
        if offset != 0 || elements(&source) != elements(&shape) {
            let line = *source.last()?;
            let inner = |factor: &Factor| factor.stride < line;
            let taken =
                placed.iter().filter(|(_, factor)| inner(factor)).fold(1, |p: u64, (_, f)| p.saturating_mul(f.extent));
            if offset.checked_add(taken)? > line {
                return None;
            }
            for (_, factor) in placed.iter_mut().filter(|(_, factor)| !inner(factor)) {
                if factor.stride % line != 0 {
                    return None;
                }
                factor.stride = factor.stride / line * taken;
            }
            *source.last_mut()? = taken;
            slice = Some((offset, taken));
        }
        placed.sort_by_key(|(_, factor)| std::cmp::Reverse(factor.stride));
        let mut expected = 1_u64;
        for (_, factor) in placed.iter().rev() {
            if factor.stride != expected {
                return None;
            }
            expected = expected.saturating_mul(factor.extent);
        }
        if expected != elements(&source) {
            return None;
        }
        let split: Vec<u64> = placed.iter().map(|(_, factor)| factor.extent).collect();
        let mut order: Vec<usize> = (0..placed.len()).collect();
        order.sort_by_key(|&at| placed[at].0);
        if order.is_sorted() {
            let join = (shape != source).then_some(shape);
            return Some(Self { source, slice, split: None, order: None, join });
        }
        let moved: Vec<u64> = order.iter().map(|&at| split[at]).collect();
        Some(Self {
            split: (split != source).then_some(split),
            order: Some(order),
            join: (moved != shape).then_some(shape),
            source,
            slice,
        })
    }

    /// Number of nodes that it takes.
    pub(crate) fn cost(&self) -> usize {
        [self.slice.is_some(), self.split.is_some(), self.order.is_some(), self.join.is_some()]
            .into_iter()
            .filter(|&needed| needed)
            .count()
    }

    /// This recipe at one size and another at a second size as one for every size.
    pub(crate) fn join(&self, other: &Self) -> Option<OpenRecipe> {
        if self.slice != other.slice || self.order != other.order {
            return None;
        }
        let pairs = |a: &[u64], b: &[u64]| -> Option<Vec<Extent>> {
            (a.len() == b.len()).then(|| a.iter().copied().zip(b.iter().copied()).collect())
        };
        let both = |a: &Option<Vec<u64>>, b: &Option<Vec<u64>>| -> Option<Option<Vec<Extent>>> {
            match (a, b) {
                (None, None) => Some(None),
                (Some(a), Some(b)) => pairs(a, b).map(Some),
                _ => None,
            }
        };
        let source = pairs(&self.source, &other.source)?;
        let split = both(&self.split, &other.split)?;
        let join = both(&self.join, &other.join)?;
        let before = split.clone().unwrap_or_else(|| source.clone());
        let moved: Vec<Extent> = match &self.order {
            Some(order) => order.iter().map(|&at| before.get(at).copied()).collect::<Option<_>>()?,
            None => before,
        };
        let split = match split {
            Some(split) => Some(told(&source, &split)?),
            None => None,
        };
        let join = match join {
            Some(join) => Some(told(&moved, &join)?),
            None => None,
        };
        Some(OpenRecipe { slice: self.slice, split, order: self.order.clone(), join })
    }
}

/// What a reshape is told to make `to` of `from`.
pub(crate) fn told(from: &[Extent], to: &[Extent]) -> Option<Vec<i64>> {
    let mut left = 1;
    let mut entries = Vec::with_capacity(to.len());
    for (at, &extent) in to.iter().enumerate() {
        let (first, second) = extent;
        entries.push(if first == second {
            i64::try_from(first).ok()?
        } else if from.get(at) == Some(&extent) {
            0
        } else if left == 1 {
            left = 0;
            -1
        } else {
            return None;
        });
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use smallvec::smallvec;

    fn axis(extent: u64, stride: u64) -> Axis {
        smallvec![Factor { extent, stride }]
    }

    #[test]
    fn rows_that_are_there_take_nothing() {
        let whole = Layout::whole(&[2, 5, 32]);
        let recipe = Recipe::new(&[2, 5, 32], 0, &whole.axes).unwrap();
        assert_eq!(recipe.cost(), 0);
    }

    #[test]
    fn a_part_of_a_packed_projection_is_a_slice() {
        let recipe = Recipe::new(&[2, 5, 96], 32, &[axis(2, 480), axis(5, 96), axis(32, 1)]).unwrap();
        assert_eq!((recipe.cost(), recipe.slice), (1, Some((32, 32))));
    }

    #[test]
    fn heads_are_moved_back_into_rows() {
        // [B, H, S, d] → [B, S, H·d], with an open batch and an open length.
        let of = |batch: u64, rows: u64| {
            let heads: Axis = smallvec![Factor { extent: 4, stride: rows * 8 }, Factor { extent: 8, stride: 1 }];
            Recipe::new(&[batch, 4, rows, 8], 0, &[axis(batch, 32 * rows), axis(rows, 8), heads]).unwrap()
        };
        let open = of(3, 5).join(&of(7, 11)).unwrap();
        assert_eq!(
            open,
            OpenRecipe { slice: None, split: None, order: Some(vec![0, 2, 1, 3]), join: Some(vec![0, 0, 32]) }
        );
        let fixed = of(3, 5).join(&of(3, 5)).unwrap();
        assert_eq!(fixed.join, Some(vec![3, 5, 32]));
    }

    #[test]
    fn two_open_extents_cannot_be_split_off_one() {
        let of = |batch: u64, rows: u64| {
            Recipe::new(&[batch * rows, 32], 0, &[axis(batch, 32 * rows), axis(rows, 32), axis(32, 1)]).unwrap()
        };
        assert_eq!(of(3, 5).join(&of(7, 11)), None);
        assert_eq!(of(3, 5).join(&of(3, 7)).unwrap().join, Some(vec![3, -1, 32]));
    }
}
