//! From a group of nodes to kernels: attentions first, then products with what follows them, then loops; the rest runs
//! node by node.

use std::collections::{BTreeMap, BTreeSet};

use fusewright_ir::ops::Contraction;
use fusewright_ir::{Consumers, Graph, NodeId, Op, ValueId};

use super::attention::Attention;
use super::grow::{Growing, is_given};
use super::product::{Part, Product};
use super::row::RowLoop;
use crate::generate::extents;
use crate::panels::Panels;
use crate::weights::Weights;

/// What runs at a point of a group.
#[derive(Debug)]
pub(super) enum Kernel {
    /// One node by the interpreter.
    Node(NodeId),
    /// A loop over rows.
    Rows(RowLoop),
    /// Products of one input.
    Product(Product),
    /// One attention.
    Attention(Box<Attention>),
}

/// A kernel with the nodes that it stands for.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) kernel: Kernel,
    pub(super) nodes: Vec<NodeId>,
}

/// What a group is compiled with.
pub(super) struct Compiler<'a> {
    pub(super) graph: &'a Graph,
    pub(super) weights: &'a Weights,
    pub(super) consumers: &'a Consumers,
}

impl Compiler<'_> {
    /// The kernels of a group, in order; its nodes are sorted.
    pub(super) fn group(&self, nodes: &[NodeId]) -> Vec<Planned> {
        let members: BTreeSet<NodeId> = nodes.iter().copied().collect();
        let mut taken: BTreeSet<NodeId> = BTreeSet::new();
        // Kernels by the node that they run at.
        let mut kernels: BTreeMap<NodeId, Planned> = BTreeMap::new();
        let mut keep = |planned: Option<Planned>, taken: &mut BTreeSet<NodeId>| {
            if let Some(planned) = planned
                && let Some(&last) = planned.nodes.iter().max()
            {
                taken.extend(planned.nodes.iter().copied());
                kernels.insert(last, planned);
            }
        };
        for &id in nodes {
            let planned = self.attention(id, &members, &taken);
            keep(planned, &mut taken);
        }
        for &id in nodes {
            if !taken.contains(&id) {
                let planned = self.product(id, nodes, &members, &taken);
                keep(planned, &mut taken);
            }
        }
        for &id in nodes {
            if !taken.contains(&id) {
                let planned = self.rows(id, nodes, &members, &taken);
                keep(planned, &mut taken);
            }
        }
        for &id in nodes {
            if !taken.contains(&id) {
                kernels.insert(id, Planned { kernel: Kernel::Node(id), nodes: vec![id] });
            }
        }
        side_by_side(kernels.into_values().collect())
    }

    pub(super) fn shape(&self, value: ValueId) -> Option<Vec<usize>> {
        self.graph.tensor(value).map(|tensor| extents(&tensor.shape))
    }

    pub(super) fn is_output(&self, value: ValueId) -> bool {
        self.graph.outputs().contains(&value)
    }

    /// The only reader of a value, if there is one and the graph does not give the value out.
    pub(super) fn only_reader(&self, value: ValueId) -> Option<NodeId> {
        match self.consumers.of_value(value) {
            [reader] if !self.is_output(value) => Some(*reader),
            _ => None,
        }
    }

    /// Results of the loop that something outside of it reads.
    fn escaping(&self, growing: &Growing<'_>, nodes: &[NodeId]) -> Option<Vec<(usize, ValueId)>> {
        let inside: BTreeSet<NodeId> = nodes.iter().copied().collect();
        let last = *nodes.iter().max()?;
        let mut outputs = Vec::new();
        for &id in nodes {
            for &value in &self.graph.node(id).outputs {
                let readers = self.consumers.of_value(value);
                let outside = readers.iter().any(|reader| !inside.contains(reader));
                // Whoever reads it must run later.
                if readers.iter().any(|reader| !inside.contains(reader) && *reader < last) {
                    return None;
                }
                if outside || self.is_output(value) {
                    // What is folded stands for a whole row inside, and for one number outside.
                    let elements: usize = self.shape(value)?.iter().product();
                    if elements != growing.inner.width * growing.inner.rows {
                        return None;
                    }
                    outputs.push((growing.register(value)?, value));
                }
            }
        }
        Some(outputs)
    }

    /// Grows a loop by the nodes after `from` that it can take, as long as all it makes is read later.
    fn grow(
        &self,
        mut growing: Growing<'_>,
        start: Vec<NodeId>,
        nodes: &[NodeId],
        members: &BTreeSet<NodeId>,
        taken: &BTreeSet<NodeId>,
    ) -> Option<(RowLoop, Vec<NodeId>)> {
        let first = *start.first()?;
        let mut all = start;
        // What other nodes of the group make after the first one may depend on the loop.
        let ready = |value: ValueId| {
            is_given(self.graph, value)
                || self.graph.producer(value).is_some_and(|maker| !members.contains(&maker) || maker < first)
        };
        for &id in nodes.iter().filter(|&&id| id > first && !taken.contains(&id)) {
            let reads = self.graph.node(id).inputs.iter().any(|&value| growing.computes(value));
            if !reads {
                continue;
            }
            if growing.take(id, &ready) || growing.take_fold(id) {
                all.push(id);
            }
        }
        let outputs = self.escaping(&growing, &all)?;
        if outputs.is_empty() {
            return None;
        }
        let mut inner = growing.inner;
        inner.outputs = outputs;
        Some((inner, all))
    }

    fn rows(
        &self,
        id: NodeId,
        nodes: &[NodeId],
        members: &BTreeSet<NodeId>,
        taken: &BTreeSet<NodeId>,
    ) -> Option<Planned> {
        let node = self.graph.node(id);
        if !matches!(node.op, Op::Pointwise(_) | Op::Normalization(_)) {
            return None;
        }
        let shape = self.shape(*node.outputs.first()?)?;
        let mut growing = Growing::new(self.graph, &shape, None)?;
        let ready = |value: ValueId| {
            is_given(self.graph, value)
                || self.graph.producer(value).is_some_and(|maker| !members.contains(&maker) || maker < id)
        };
        if growing.inner.width < 8 || !growing.take(id, &ready) {
            return None;
        }
        let (inner, nodes) = self.grow(growing, vec![id], nodes, members, taken)?;
        (nodes.len() > 1).then_some(Planned { kernel: Kernel::Rows(inner), nodes })
    }

    fn product(
        &self,
        id: NodeId,
        nodes: &[NodeId],
        members: &BTreeSet<NodeId>,
        taken: &BTreeSet<NodeId>,
    ) -> Option<Planned> {
        let node = self.graph.node(id);
        let Op::Contraction(op) = &node.op else { return None };
        let (input, weight, turned, bias) = match (op, node.inputs.as_slice()) {
            (Contraction::Linear, [x, weight]) => (*x, *weight, true, None),
            (Contraction::Linear, [x, weight, bias]) => (*x, *weight, true, Some(*bias)),
            (Contraction::MatMul, [x, weight]) => (*x, *weight, false, None),
            (Contraction::MatMulAdd { alpha, beta }, [bias, x, weight]) => {
                let plain = (*alpha - 1.0).abs() < f64::EPSILON && (*beta - 1.0).abs() < f64::EPSILON;
                let vector = self.shape(*bias)?.len() == 1;
                (plain && vector).then_some((*x, *weight, false, Some(*bias)))?
            }
            _ => return None,
        };
        let output = *node.outputs.first()?;
        let result = self.graph.tensor(output)?;
        if result.dtype != fusewright_ir::DType::F32 || self.shape(input)?.len() < 2 {
            return None;
        }
        let matrix = self.weights.get(weight).filter(|matrix| matrix.shape.len() == 2)?;
        let data = matrix.raw_floats()?;
        let strides = [matrix.strides[0].unsigned_abs(), matrix.strides[1].unsigned_abs()];
        let mut panels = Panels::default();
        if turned {
            panels.pack(matrix.shape[1], matrix.shape[0], data, matrix.first, [strides[1], strides[0]]);
        } else {
            panels.pack(matrix.shape[0], matrix.shape[1], data, matrix.first, strides);
        }
        let mut growing = Growing::new(self.graph, &self.shape(output)?, Some(output))?;
        if let Some(bias) = bias {
            growing.add_bias(bias, output);
        }
        // What cannot be grown whole is a product alone.
        let grown = self.grow(growing.clone(), vec![id], nodes, members, taken);
        let (epilogue, nodes) = grown.or_else(|| self.grow(growing, vec![id], &[], members, taken))?;
        let product = Product { input, parts: vec![Part { panels, epilogue }] };
        Some(Planned { kernel: Kernel::Product(product), nodes })
    }
}

/// Joins products of one input that follow each other.
fn side_by_side(planned: Vec<Planned>) -> Vec<Planned> {
    let mut joined: Vec<Planned> = Vec::with_capacity(planned.len());
    for next in planned {
        let Planned { kernel: Kernel::Product(product), nodes } = next else {
            joined.push(next);
            continue;
        };
        let made: BTreeSet<ValueId> = joined
            .last()
            .into_iter()
            .flat_map(|last| match &last.kernel {
                Kernel::Product(last) => {
                    last.parts.iter().flat_map(|part| &part.epilogue.outputs).map(|o| o.1).collect()
                }
                _ => Vec::new(),
            })
            .collect();
        let reads =
            product.parts.iter().flat_map(|part| &part.epilogue.inputs).any(|input| made.contains(&input.value));
        match joined.last_mut() {
            Some(Planned { kernel: Kernel::Product(last), nodes: known }) if last.input == product.input && !reads => {
                last.parts.extend(product.parts);
                known.extend(nodes);
            }
            _ => joined.push(Planned { kernel: Kernel::Product(product), nodes }),
        }
    }
    joined
}
