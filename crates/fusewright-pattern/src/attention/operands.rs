//! From queries, keys and values back to the projections that made them, and from there to the sequence they come from.
//!
//! # What self-attention means
//! Queries and keys come from one sequence when the walks back from both, through views, norms, rotary embeddings,
//! sums with position embeddings and projections (low-rank ones are two in a row), meet in a value that depends on the
//! model's inputs. They may also meet in one that does not (learned queries), if it is what both projections read. No
//! walk crosses an attention, so what a decoder has already read from an encoder does not make them one sequence.

use fusewright_ir::ops::{Binary, Contraction, Copy, Gather, Normalization, Pointwise, Unary};
use fusewright_ir::{Graph, Node, NodeId, Op, ValueId};

use super::axes;
use super::marks::Walked;
use super::product::{Operand, factors, is_activation_product};
use super::scores::{Hop, Scene, handed_on, passes_on};
use crate::projection::weight_of;

/// Most steps from an operand to its projection that are looked at; rotary embeddings written out take about twenty.
const TRAIL_BUDGET: u32 = 256;
/// Most values behind an operand that are compared with those behind another.
const SOURCE_BUDGET: usize = 128;

/// Where an operand of an attention comes from.
pub(super) struct Trail {
    operand: Operand,
    /// From the operand to the projection, or as far as the first way leads.
    pub(super) path: Vec<Hop>,
    /// The projection that made it, if one did.
    pub(super) projection: Option<NodeId>,
}

/// Back from an operand to the projection that made it.
pub(super) fn trail(scene: Scene, operand: Operand) -> Trail {
    let mut walk = Walk { scene, budget: TRAIL_BUDGET, walked: scene.marks.walk(), path: Vec::new(), first: None };
    let projection = walk.back(operand.value);
    let path = if projection.is_some() { walk.path } else { walk.first.unwrap_or_default() };
    Trail { operand, path, projection }
}

struct Walk<'a> {
    scene: Scene<'a>,
    budget: u32,
    walked: Walked<'a>,
    path: Vec<Hop>,
    /// The path to the first dead end.
    first: Option<Vec<Hop>>,
}

impl Walk<'_> {
    fn back(&mut self, value: ValueId) -> Option<NodeId> {
        if !self.walked.enter(value) {
            return None;
        }
        self.budget = self.budget.checked_sub(1)?;
        let graph = self.scene.graph;
        let id = graph.producer(value);
        if let Some(id) = id {
            if projected_operand(graph, id).is_some() {
                return Some(id);
            }
            for operand in carried_operands(self.scene, id, value) {
                let Some(&input) = graph.node(id).inputs.get(operand) else { continue };
                self.path.push(Hop { node: id, operand, output: value });
                if let Some(projection) = self.back(input) {
                    return Some(projection);
                }
                self.path.pop();
            }
        }
        if self.first.is_none() {
            self.first = Some(self.path.clone());
        }
        None
    }
}

/// The position of the activation among the inputs of a projection.
pub(super) fn projected_operand(graph: &Graph, id: NodeId) -> Option<usize> {
    let node = graph.node(id);
    match &node.op {
        Op::Contraction(
            Contraction::Linear | Contraction::MatMul | Contraction::MatMulAdd { .. } | Contraction::Einsum(_),
        ) => {
            if is_activation_product(graph, id) {
                return None;
            }
            let [a, b] = match factors(graph, id) {
                Some(both) => both,
                None => [*node.inputs.first()?, *node.inputs.get(1)?],
            };
            let first = usize::from(matches!(node.op, Op::Contraction(Contraction::MatMulAdd { .. })));
            let [a_owned, b_owned] = [a, b].map(|value| weight_of(graph, value).is_some());
            match (a_owned, b_owned) {
                (_, true) => Some(first),
                (true, false) => Some(first + 1),
                (false, false) => None,
            }
        }
        Op::Contraction(
            Contraction::GroupedMatMul { .. } | Contraction::QuantizedMatMul { .. } | Contraction::PackedLinear { .. },
        ) => Some(0),
        Op::Convolution(convolution) if convolution.groups == 1 => Some(0),
        _ => None,
    }
}

/// Number of features that a projection gives each row.
fn projected_width(graph: &Graph, id: NodeId) -> Option<u64> {
    let node = graph.node(id);
    let result = graph.tensor(*node.outputs.first()?)?;
    let at = projected_operand(graph, id)?;
    match &node.op {
        Op::Contraction(Contraction::Einsum(einsum)) => {
            let (operands, letters) = einsum.equation().split_once("->")?;
            let (left, right) = operands.split_once(',')?;
            let read = if at == 0 { left } else { right };
            let own = letters.chars().zip(&result.shape).filter(|&(letter, _)| !read.contains(letter));
            Some(own.fold(1, |product: u64, (_, &extent)| product.saturating_mul(extent)))
        }
        Op::Convolution(_) => {
            let spatial = graph.tensor(*node.inputs.get(1)?)?.rank().checked_sub(2)?;
            result.shape.get(result.rank().checked_sub(spatial + 1)?).copied()
        }
        Op::Contraction(Contraction::MatMul) if at == 1 => result.shape.get(result.rank().checked_sub(2)?).copied(),
        _ => result.shape.last().copied(),
    }
}

/// The inputs through which an operand's content came, the likeliest first.
fn carried_operands(scene: Scene, id: NodeId, value: ValueId) -> Vec<usize> {
    let graph = scene.graph;
    let node = graph.node(id);
    match &node.op {
        _ if passes_on(graph, scene.storage, id) => vec![handed_on(graph, node, value)],
        Op::Copy(copy) => match &**copy {
            Copy::Concat { .. } | Copy::Stack { .. } => (0..node.inputs.len().min(16)).collect(),
            Copy::PatchMerge | Copy::ShiftMask { .. } | Copy::Full { .. } | Copy::Range { .. } => Vec::new(),
            _ => vec![0],
        },
        Op::Pointwise(pointwise) => match pointwise {
            Pointwise::Binary(Binary::Add | Binary::Mul | Binary::Sub) => vec![0, 1],
            Pointwise::Where => vec![1, 2],
            Pointwise::WithScalar { .. }
            | Pointwise::Binary(Binary::Div)
            | Pointwise::Unary(Unary::Neg)
            | Pointwise::Dropout { .. }
            | Pointwise::MaskedFill { .. }
            | Pointwise::MaskedKeep { .. }
            | Pointwise::Clamp { .. }
            | Pointwise::Rotary { .. } => vec![0],
            _ => Vec::new(),
        },
        Op::Normalization(Normalization::Softmax { .. }) => Vec::new(),
        // Depthwise convolutions mix positions of one channel.
        Op::Normalization(_)
        | Op::Convolution(_)
        | Op::Pooling(_)
        | Op::Opaque(_)
        | Op::Gather(
            Gather::IndexSelect { .. } | Gather::Indexed { .. } | Gather::Nd { .. } | Gather::Elements { .. },
        ) => vec![0],
        // A cache that the new positions are written into.
        Op::Scatter(_) => vec![1, 0],
        _ => Vec::new(),
    }
}

impl Trail {
    /// What the projection reads, or the end of the trail.
    pub(super) fn source(&self, graph: &Graph) -> ValueId {
        let end = self.end(graph);
        let read = self.projection.and_then(|id| graph.node(id).inputs.get(projected_operand(graph, id)?).copied());
        read.unwrap_or(end)
    }

    /// The result of the projection that the operand is made from, or the last value of the trail.
    fn end(&self, graph: &Graph) -> ValueId {
        self.path.last().map_or(self.operand.value, |hop| graph.node(hop.node).inputs[hop.operand])
    }

    /// How many heads the operand holds, groups of queries that share a key counted once; `None` where the shapes do
    /// not tell.
    ///
    /// A projection gives each row a number of features. What is cut out of them and laid on the operand, in heads of
    /// `width` features, tells the heads, however the axes were split, merged and moved in between. Positions that are
    /// added or cut and heads that are repeated do not count.
    pub(super) fn heads(&self, graph: &Graph) -> Option<u64> {
        let Some(projection) = self.projection else { return self.heads_by_axis(graph) };
        let mut kept = u128::from(projected_width(graph, projection)?);
        let mut of = u128::from(self.operand.width);
        let mut positions = Some(self.operand.positions);
        for hop in &self.path {
            let node = graph.node(hop.node);
            let input = node.inputs[hop.operand];
            let earlier = positions.and_then(|axis| axes::before(graph, node, hop.operand, hop.output, axis));
            let (from, to) = (graph.tensor(input)?, graph.tensor(hop.output)?);
            let features = |shape: &[u64], axis: Option<usize>| {
                let others = shape.iter().enumerate().filter(|&(at, _)| Some(at) != axis);
                others.fold(1_u128, |product, (_, &extent)| product.saturating_mul(u128::from(extent)))
            };
            let both = positions.zip(earlier);
            let before = features(&from.shape, both.map(|pair| pair.1));
            let after = features(&to.shape, both.map(|pair| pair.0));
            if changes_features(node, before < after) && before != 0 && after != 0 {
                kept = kept.checked_mul(after)?;
                of = of.checked_mul(before)?;
            }
            positions = earlier;
        }
        let exact = of != 0 && kept.is_multiple_of(of) && kept > 0;
        exact.then(|| u64::try_from(kept / of).ok())?
    }

    /// Heads of an operand that no projection made: the axis before positions and features, repeated ones once.
    fn heads_by_axis(&self, graph: &Graph) -> Option<u64> {
        let shape = &graph.tensor(self.operand.value)?.shape;
        let axis = self.operand.positions.min(self.operand.features).checked_sub(1)?;
        let mut heads = if shape.len() >= 4 { shape[axis] } else { 1 };
        for hop in &self.path {
            let node = graph.node(hop.node);
            let (from, to) = (graph.tensor(node.inputs[hop.operand])?, graph.tensor(hop.output)?);
            let repeats = repeats(node) && from.elements() > 0 && to.elements() > from.elements();
            if repeats && heads.is_multiple_of(to.elements() / from.elements()) {
                heads /= to.elements() / from.elements();
            }
        }
        Some(heads)
    }

    /// The factors that stand between projection and product: those known multiplied, and the tensors whose value is
    /// to be looked up.
    pub(super) fn factors(&self, graph: &Graph) -> (f64, Vec<(ValueId, bool)>) {
        let mut known = 1.0;
        let mut tensors = Vec::new();
        for hop in &self.path {
            let node = graph.node(hop.node);
            match &node.op {
                Op::Pointwise(Pointwise::WithScalar { kind: Binary::Mul, scalar, .. }) => known *= scalar,
                Op::Pointwise(Pointwise::WithScalar { kind: Binary::Div, scalar, reversed: false }) => known /= scalar,
                Op::Pointwise(Pointwise::Binary(kind @ (Binary::Mul | Binary::Div))) => {
                    let other = node.inputs[1 - hop.operand.min(1)];
                    if graph.tensor(other).is_some_and(|tensor| tensor.elements() == 1) {
                        tensors.push((other, *kind == Binary::Div));
                    }
                }
                _ => {}
            }
        }
        (known, tensors)
    }

    /// The operand's values on the way to what the projection reads, as memory.
    fn memory(&self, scene: Scene) -> Vec<ValueId> {
        let values = self.path.iter().map(|hop| hop.output);
        let ends = [self.operand.value, self.end(scene.graph), self.source(scene.graph)];
        ends.into_iter().chain(values).map(|value| scene.storage.root(value)).collect()
    }
}

/// Queries and keys come from one sequence (see the module documentation).
pub(super) fn one_sequence(scene: Scene, varies: &[bool], query: &Trail, key: &Trail) -> bool {
    let is_activation = |value: ValueId| scene.graph.producer(value).is_some() || varies[value.index()];
    let common = |a: &[ValueId], b: &[ValueId], counts: &dyn Fn(ValueId) -> bool| {
        let walked = scene.marks.walk();
        for &value in a {
            walked.enter(value);
        }
        b.iter().any(|&value| walked.has(value) && counts(value))
    };
    let (q, k) = (query.memory(scene), key.memory(scene));
    let same_end = scene.storage.root(query.source(scene.graph)) == scene.storage.root(key.source(scene.graph));
    if same_end || common(&q, &k, &is_activation) {
        return true;
    }
    let [q, k] = [(query, q), (key, k)].map(|(trail, mut known)| {
        sources(scene, trail.source(scene.graph), &mut known);
        known
    });
    let none_varies = !q.iter().chain(&k).any(|value| varies[value.index()]);
    common(&q, &k, &|value| varies[value.index()] || none_varies && is_activation(value))
}

/// Values behind an activation, the nearest first.
fn sources(scene: Scene, value: ValueId, found: &mut Vec<ValueId>) {
    let graph = scene.graph;
    let walked = scene.marks.walk();
    walked.enter(value);
    let mut reached = vec![value];
    let mut next = 0;
    while let Some(&value) = reached.get(next) {
        next += 1;
        let Some(id) = graph.producer(value) else { continue };
        let operands = match projected_operand(graph, id) {
            Some(operand) => vec![operand],
            None => source_operands(scene, id, value),
        };
        for operand in operands {
            let Some(&input) = graph.node(id).inputs.get(operand) else { continue };
            if reached.len() < SOURCE_BUDGET && graph.tensor(input).is_some() && walked.enter(input) {
                reached.push(input);
            }
        }
    }
    found.extend(reached.into_iter().map(|value| scene.storage.root(value)));
}

/// As [`carried_operands`], and through functions of one tensor; rows picked by an index end the walk.
fn source_operands(scene: Scene, id: NodeId, value: ValueId) -> Vec<usize> {
    match &scene.graph.node(id).op {
        Op::Gather(_) | Op::Opaque(_) => Vec::new(),
        Op::Pointwise(Pointwise::Unary(_) | Pointwise::LeakyRelu { .. } | Pointwise::Elu { .. }) => vec![0],
        _ => carried_operands(scene, id, value),
    }
}

fn repeats(node: &Node) -> bool {
    match &node.op {
        Op::View(view) => matches!(**view, fusewright_ir::ops::View::Expand { .. }),
        Op::Copy(copy) => matches!(**copy, Copy::Repeat { .. }),
        Op::Gather(_) | Op::Pointwise(_) => true,
        _ => false,
    }
}

/// The step adds or takes features of the operand, rather than repeating or re-describing them.
fn changes_features(node: &Node, grows: bool) -> bool {
    match &node.op {
        Op::View(view) => {
            use fusewright_ir::ops::View;
            matches!(
                **view,
                View::Slice { .. }
                    | View::Select { .. }
                    | View::Split { .. }
                    | View::Unbind { .. }
                    | View::Subscript { .. }
            )
        }
        Op::Copy(copy) => matches!(**copy, Copy::Concat { .. } | Copy::Stack { .. } | Copy::Pad { .. }),
        Op::Gather(_) => !grows,
        Op::Opaque(_) => true,
        _ => false,
    }
}
