//! Which values share memory, how they lie in it, and which nodes therefore launch nothing.
//!
//! A view has no bytes of its own: it has a *root*, the value whose memory it describes, and strides. Following strides
//! decides whether a reshape is free or a copy. Example: heads split as `[B, S, H, d]` and transposed to
//! `[B, H, S, d]` still describe the projection's memory; transposed back and reshaped to `[B, S, H·d]` they are free,
//! while the same reshape of a freshly computed `[B, H, S, d]` result must copy.

use smallvec::SmallVec;

use crate::channels_last::{channels_last_strides, is_channels_last, keeps_order};
use crate::ops::{Copy, Index, Pointwise, View};
use crate::{Graph, Node, NodeId, Op, Origin, TensorType, Type, ValueId, row_major_strides};

type Strides = SmallVec<[i64; 4]>;

/// The memory behind every value of a graph.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    roots: Vec<ValueId>,
    /// `None` = row-major without gaps.
    strides: Vec<Option<Box<[i64]>>>,
    distinct: Vec<u64>,
    free: Vec<bool>,
}

impl Storage {
    /// Follows memory through the graph in one pass.
    pub fn of(graph: &Graph) -> Self {
        let mut storage = Self::default();
        storage.follow(graph);
        storage
    }

    /// Takes in what the graph, the same one each time, has grown by.
    pub fn follow(&mut self, graph: &Graph) {
        for id in (self.roots.len()..graph.value_count()).map(ValueId::new) {
            let value = graph.value(id);
            let root = if let Origin::Part { of, .. } = value.origin { self.roots[of.index()] } else { id };
            let tensor = graph.tensor(id);
            let stated =
                tensor.and_then(|tensor| tensor.strides.clone().filter(|s| **s != *row_major_strides(&tensor.shape)));
            self.roots.push(root);
            self.strides.push(stated);
            self.distinct.push(tensor.map_or(0, TensorType::elements));
        }
        for id in (self.free.len()..graph.node_count()).map(NodeId::new) {
            self.free.push(false);
            self.visit(graph, id, graph.node(id));
        }
    }

    /// The value whose memory `value` describes.
    #[inline]
    pub fn root(&self, value: ValueId) -> ValueId {
        self.roots[value.index()]
    }

    /// Number of different elements behind a value: less than its extents say after an expand.
    #[inline]
    pub fn distinct_elements(&self, value: ValueId) -> u64 {
        self.distinct[value.index()]
    }

    /// The node launches nothing: host work, a view that needs no copy, or an op that passes its operand on.
    #[inline]
    pub fn is_free(&self, node: NodeId) -> bool {
        self.free[node.index()]
    }

    /// The value lies row-major without gaps.
    pub fn is_contiguous(&self, value: ValueId) -> bool {
        self.strides[value.index()].is_none()
    }

    /// The value can be described in another shape of as many elements where it lies.
    pub fn can_reshape(&self, value: ValueId, tensor: &TensorType, shape: &[u64]) -> bool {
        reshaped_strides(&tensor.shape, &self.strides_of(value, tensor), shape).is_some()
    }

    /// The value is an image whose channels lie innermost.
    pub fn is_channels_last(&self, value: ValueId, tensor: &TensorType) -> bool {
        self.strides[value.index()].as_deref().is_some_and(|strides| is_channels_last(&tensor.shape, strides))
    }

    fn strides_of(&self, value: ValueId, tensor: &TensorType) -> Strides {
        match &self.strides[value.index()] {
            Some(strides) => Strides::from_slice(strides),
            None => row_major_strides(&tensor.shape),
        }
    }

    fn visit(&mut self, graph: &Graph, id: NodeId, node: &Node) {
        if node.op.is_host() {
            self.free[id.index()] = true;
            return;
        }
        let described: Option<SmallVec<[(ValueId, Strides); 1]>> = match &node.op {
            Op::View(view) if matches!(**view, View::Alias) => {
                let same = |&input: &ValueId| {
                    (input, graph.tensor(input).map_or(Strides::new(), |t| self.strides_of(input, t)))
                };
                Some(node.inputs.iter().map(same).collect())
            }
            op => node.inputs.first().and_then(|&x| {
                let tensor = graph.tensor(x)?;
                let results = self.view_strides(op, x, tensor, graph.output_types(node).as_slice())?;
                Some(results.into_iter().map(|strides| (x, strides)).collect())
            }),
        };
        if let Some(described) = described {
            self.free[id.index()] = true;
            for (&output, (source, strides)) in node.outputs.iter().zip(described) {
                let Some(tensor) = graph.tensor(output) else { continue };
                self.roots[output.index()] = self.roots[source.index()];
                let distinct = self.distinct[source.index()];
                // Other elements of the same bytes are counted in other units.
                let reinterpreted = matches!(&node.op, Op::View(view) if matches!(**view, View::Reinterpret { .. }));
                let whole = reinterpreted && graph.tensor(source).is_some_and(|t| t.elements() == distinct);
                self.distinct[output.index()] = if whole { tensor.elements() } else { tensor.elements().min(distinct) };
                let row_major = strides_match(&tensor.shape, &strides, &row_major_strides(&tensor.shape));
                self.strides[output.index()] = if row_major { None } else { Some(strides.into_boxed_slice()) };
            }
        } else {
            self.keep_layout(graph, node);
        }
    }

    /// A pointwise op writes its result in the layout of a dense operand of the same shape, a convolution in the order of
    /// the image that it reads, as frameworks do.
    fn keep_layout(&mut self, graph: &Graph, node: &Node) {
        let Some(&output) = node.outputs.first() else { return };
        let Some(result) = graph.tensor(output) else { return };
        if result.strides.is_some() {
            return;
        }
        let is_pointwise = match &node.op {
            Op::Pointwise(_) => true,
            Op::Copy(copy) => matches!(**copy, Copy::Cast { .. } | Copy::Clone),
            _ => false,
        };
        if !is_pointwise {
            let image = node.inputs.first().and_then(|&x| Some((x, graph.tensor(x)?)));
            if keeps_order(&node.op)
                && image.is_some_and(|(x, tensor)| self.is_channels_last(x, tensor))
                && result.rank() == 4
            {
                self.strides[output.index()] = Some(channels_last_strides(&result.shape).into_vec().into());
            }
            return;
        }
        let like = node.inputs.iter().find(|&&input| graph.tensor(input).is_some_and(|t| t.shape == result.shape));
        if let Some(strides) = like.and_then(|input| self.strides[input.index()].clone())
            && is_dense(&result.shape, &strides)
        {
            self.strides[output.index()] = Some(strides);
        }
    }

    /// The strides of each result if the op can describe `x` in place.
    fn view_strides(
        &self,
        op: &Op,
        x: ValueId,
        tensor: &TensorType,
        results: &[&Type],
    ) -> Option<SmallVec<[Strides; 1]>> {
        let strides = self.strides_of(x, tensor);
        let one = |strides: Strides| Some(SmallVec::from_iter([strides]));
        match op {
            Op::View(view) => match &**view {
                View::Alias => None,
                View::Reshape { shape } => one(reshaped_strides(&tensor.shape, &strides, shape)?),
                View::Reinterpret { .. } => {
                    let result = results.first().and_then(|ty| ty.as_tensor())?;
                    if self.is_contiguous(x) { one(row_major_strides(&result.shape)) } else { None }
                }
                View::Permute { axes } => one(axes.iter().map(|&axis| strides[axis as usize]).collect()),
                View::Expand { shape } => {
                    let missing = shape.len() - tensor.rank();
                    let stride = |axis: usize| match axis.checked_sub(missing) {
                        Some(own) if tensor.shape[own] == shape[axis] => strides[own],
                        _ => 0,
                    };
                    one((0..shape.len()).map(stride).collect())
                }
                View::Slice { axis, step, .. } => {
                    let mut strides = strides;
                    let stride = &mut strides[*axis as usize];
                    *stride = stride.saturating_mul(i64::try_from(*step).unwrap_or(i64::MAX));
                    one(strides)
                }
                View::Select { axis, .. } => {
                    let mut strides = strides;
                    strides.remove(*axis as usize);
                    one(strides)
                }
                View::Subscript { items } => {
                    let mut axes = strides.iter();
                    let stride = |item: &Index| match item {
                        Index::New => Some(1),
                        Index::At(_) => axes.next().and(None),
                        Index::Range { step, .. } => {
                            axes.next().map(|s| s.saturating_mul(i64::try_from(*step).unwrap_or(i64::MAX)))
                        }
                    };
                    one(items.iter().filter_map(stride).collect())
                }
                View::Split { .. } => Some(results.iter().map(|_| strides.clone()).collect()),
                View::Unbind { axis } => {
                    let mut strides = strides;
                    strides.remove(*axis as usize);
                    Some(results.iter().map(|_| strides.clone()).collect())
                }
            },
            Op::Copy(copy) => match &**copy {
                Copy::Contiguous if self.is_contiguous(x) => one(strides),
                Copy::Cast { dtype } if *dtype == tensor.dtype => one(strides),
                _ => None,
            },
            Op::Pointwise(Pointwise::Dropout { training, p, .. }) if !training || *p == 0.0 => one(strides),
            _ => None,
        }
    }
}

/// Equal strides wherever they matter: an axis of extent 1 (or an empty tensor) has no stride to compare.
fn strides_match(shape: &[u64], a: &[i64], b: &[i64]) -> bool {
    shape.contains(&0) || shape.iter().zip(a.iter().zip(b)).all(|(&extent, (a, b))| extent == 1 || a == b)
}

/// Some permutation of the axes is row-major without gaps.
fn is_dense(shape: &[u64], strides: &[i64]) -> bool {
    let mut axes: SmallVec<[(i64, u64); 6]> =
        strides.iter().copied().zip(shape.iter().copied()).filter(|a| a.1 != 1).collect();
    axes.sort_unstable();
    let mut expected = 1_i64;
    axes.iter().all(|&(stride, extent)| {
        let fits = stride == expected;
        expected = expected.saturating_mul(i64::try_from(extent).unwrap_or(i64::MAX));
        fits
    })
}

/// Strides that describe the same memory in another shape, if there are any: a run of axes may merge when each stride
/// is the next one times the next extent, and an axis may always be split.
fn reshaped_strides(shape: &[u64], strides: &[i64], new_shape: &[u64]) -> Option<Strides> {
    if shape.contains(&0) {
        return Some(row_major_strides(new_shape));
    }
    let mut result: Strides = SmallVec::from_elem(1, new_shape.len());
    // Runs of mergeable axes are matched with groups of new axes of the same size, from the innermost outward.
    let mut new_axis = new_shape.len();
    let mut run_elements = 1_u64;
    let mut run_stride = strides.last().copied().unwrap_or(1);
    for axis in (0..shape.len()).rev() {
        if run_elements == 1 {
            run_stride = strides[axis];
        }
        run_elements = run_elements.saturating_mul(shape[axis]);
        let next = axis.checked_sub(1).map(|outer| (shape[outer], strides[outer]));
        let merges = next.is_some_and(|(extent, stride)| {
            extent == 1
                || run_elements == 1
                || i64::try_from(run_elements).ok().and_then(|n| n.checked_mul(run_stride)) == Some(stride)
        });
        if merges {
            continue;
        }
        let mut placed = 1_u64;
        while new_axis > 0 && (placed < run_elements || new_shape[new_axis - 1] == 1) {
            new_axis -= 1;
            result[new_axis] = run_stride.saturating_mul(i64::try_from(placed).ok()?);
            placed = placed.saturating_mul(new_shape[new_axis]);
        }
        if placed != run_elements {
            return None;
        }
        run_elements = 1;
    }
    (new_axis == 0 || new_shape[..new_axis].iter().all(|&extent| extent == 1)).then_some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitting_an_axis_is_free_and_merging_needs_matching_strides() {
        assert_eq!(reshaped_strides(&[2, 12], &[12, 1], &[2, 3, 4]).as_deref(), Some(&[12, 4, 1][..]));
        assert_eq!(reshaped_strides(&[2, 3, 4], &[12, 4, 1], &[6, 4]).as_deref(), Some(&[4, 1][..]));
        // [B, H, S, d] stored as [B, S, H, d]: heads and positions do not merge.
        assert_eq!(reshaped_strides(&[2, 3, 5, 4], &[60, 4, 12, 1], &[6, 5, 4]), None);
        // With one batch, batch and heads do.
        assert_eq!(reshaped_strides(&[1, 3, 5, 4], &[60, 4, 12, 1], &[3, 5, 4]).as_deref(), Some(&[4, 12, 1][..]));
        assert_eq!(reshaped_strides(&[4, 3], &[1, 4], &[12]), None);
        assert_eq!(reshaped_strides(&[4, 3], &[1, 4], &[1, 4, 1, 3]).map(|s| (s[1], s[3])), Some((1, 4)));
        assert_eq!(reshaped_strides(&[], &[], &[1, 1]).map(|s| s.len()), Some(2));
    }

    #[test]
    fn density_ignores_the_order_of_axes() {
        assert!(is_dense(&[2, 3, 4], &[1, 8, 2]));
        assert!(!is_dense(&[2, 3], &[6, 1]));
    }
}
