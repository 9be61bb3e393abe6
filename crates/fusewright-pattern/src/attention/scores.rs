//! From a softmax back to the product of queries and keys, and forward to the product with the values.
//!
//! What may stand between is whatever adjusts scores and keeps their axes: scales, masks, position biases, soft caps,
//! sinks, casts, views, a subtracted maximum, a mixing of heads; after the softmax also dropout and guards against rows
//! without a visible key. The axis of keys is followed through all of it.

use fusewright_ir::ops::{Binary, Contraction, Copy, Pointwise, Unary, View};
use fusewright_ir::{Consumers, Graph, Node, NodeId, Op, Origin, Storage, ValueId};

use super::axes;
use super::marks::{Marks, Walked};
use super::product::{Operand, ScoreProduct, factors, is_activation_product, score_product, value_operand};

/// One step of a walk: the node, which of its inputs the walk follows, and which output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hop {
    pub(super) node: NodeId,
    pub(super) operand: usize,
    pub(super) output: ValueId,
}

/// Most steps looked at in one direction from a softmax. Real scores pass fewer than thirty, but masks that are built
/// beside them may be looked at first. The bound keeps the search linear.
const BUDGET: u32 = 256;

/// A graph as the searches see it.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) graph: &'a Graph,
    pub(super) storage: &'a Storage,
    pub(super) consumers: &'a Consumers,
    pub(super) marks: &'a Marks,
}

/// A search with its memory.
pub(super) struct Search<'a> {
    scene: Scene<'a>,
    budget: u32,
    walked: Walked<'a>,
    /// The walk so far, the step nearest to the softmax first.
    pub(super) path: Vec<Hop>,
    /// The first place where the search could not go on: a value, and the node that stopped it.
    pub(super) stuck: Option<(ValueId, Option<NodeId>)>,
}

impl<'a> Search<'a> {
    pub(super) fn new(scene: Scene<'a>) -> Self {
        Self { scene, budget: BUDGET, walked: scene.marks.walk(), path: Vec::new(), stuck: None }
    }

    fn enter(&mut self, value: ValueId) -> bool {
        if self.budget == 0 || !self.walked.enter(value) {
            return false;
        }
        self.budget -= 1;
        true
    }

    fn stop(&mut self, value: ValueId, node: Option<NodeId>) {
        self.stuck.get_or_insert((value, node));
    }

    /// Back from a value of scores, whose axis of keys is given, to the product of queries and keys.
    pub(super) fn scores(&mut self, value: ValueId, key_axis: usize) -> Option<ScoreProduct> {
        if !self.enter(value) {
            return None;
        }
        let graph = self.scene.graph;
        let Some(id) = graph.producer(value) else {
            self.stop(value, None);
            return None;
        };
        if is_activation_product(graph, id) {
            let product = score_product(graph, id, key_axis);
            if product.is_none() {
                self.stop(value, Some(id));
            }
            return product;
        }
        let node = graph.node(id);
        let mut operands = score_operands(self.scene, id, value, key_axis);
        // Full scores before what is broadcast to them: masks are built by long chains.
        let elements =
            |operand: usize| graph.tensor(node.inputs[operand]).map_or(0, fusewright_ir::TensorType::elements);
        operands.sort_by_key(|&operand| std::cmp::Reverse(elements(operand)));
        if operands.is_empty() {
            self.stop(value, Some(id));
        }
        for operand in operands {
            let Some(axis) = axes::before(graph, node, operand, value, key_axis) else {
                self.stop(value, Some(id));
                continue;
            };
            self.path.push(Hop { node: id, operand, output: value });
            if let Some(product) = self.scores(node.inputs[operand], axis) {
                return Some(product);
            }
            self.path.pop();
        }
        None
    }

    /// Forward from weights, whose axis of keys is given, to the product with the values.
    pub(super) fn values(&mut self, value: ValueId, key_axis: usize) -> Option<(NodeId, Operand)> {
        if !self.enter(value) {
            return None;
        }
        let graph = self.scene.graph;
        for &reader in self.scene.consumers.of_value(value) {
            let node = graph.node(reader);
            if is_activation_product(graph, reader) && factors(graph, reader).is_some_and(|both| both.contains(&value))
            {
                match value_operand(graph, reader, value, key_axis) {
                    Some(values) => return Some((reader, values)),
                    None => self.stop(value, Some(reader)),
                }
                continue;
            }
            for (operand, &input) in node.inputs.iter().enumerate() {
                if input != value || !carries_weights(self.scene, reader, operand, key_axis) {
                    continue;
                }
                for (position, &output) in node.outputs.iter().enumerate() {
                    let is_tuple = matches!(&node.op, Op::View(view) if matches!(**view, View::Alias));
                    let Some(axis) = axes::after(graph, node, operand, output, key_axis) else { continue };
                    if is_tuple && position != operand {
                        continue;
                    }
                    self.path.push(Hop { node: reader, operand, output });
                    if let Some(found) = self.values(output, axis) {
                        return Some(found);
                    }
                    self.path.pop();
                }
            }
        }
        if self.stuck.is_none() {
            let reader = self.scene.consumers.of_value(value).first().copied();
            self.stop(value, reader);
        }
        None
    }
}

/// The operand that a result continues: of a tuple its own member, else the first.
pub(super) fn handed_on(graph: &Graph, node: &Node, value: ValueId) -> usize {
    match (&node.op, &graph.value(value).origin) {
        (Op::View(view), Origin::Node { index, .. }) if matches!(**view, View::Alias) => *index as usize,
        _ => 0,
    }
}

/// The node re-describes its operand, in place or as a copy, or hands it on.
pub(super) fn passes_on(graph: &Graph, storage: &Storage, id: NodeId) -> bool {
    let op = &graph.node(id).op;
    matches!(op, Op::View(_)) || storage.is_free(id) && !op.is_host()
}

/// A copy that keeps every score.
fn moves_scores(copy: &Copy) -> bool {
    matches!(copy, Copy::Cast { .. } | Copy::Contiguous | Copy::Clone)
}

/// A product with a weight along an axis that is not the one of keys: heads are mixed.
fn mixes_heads(graph: &Graph, node: &Node, operand: usize, key_axis: usize) -> bool {
    let linear = matches!(node.op, Op::Contraction(Contraction::Linear | Contraction::MatMul));
    let rank = graph.tensor(node.inputs[operand]).map_or(0, fusewright_ir::TensorType::rank);
    linear && operand == 0 && rank >= 3 && key_axis + 1 != rank
}

/// The inputs through which scores may have come.
fn score_operands(scene: Scene, id: NodeId, value: ValueId, key_axis: usize) -> Vec<usize> {
    let graph = scene.graph;
    let node = graph.node(id);
    match &node.op {
        _ if passes_on(graph, scene.storage, id) => vec![handed_on(graph, node, value)],
        Op::Pointwise(pointwise) => match pointwise {
            Pointwise::WithScalar {
                kind: Binary::Add | Binary::Mul | Binary::Div | Binary::Sub | Binary::Max, ..
            }
            | Pointwise::MaskedFill { .. }
            | Pointwise::MaskedKeep { .. }
            | Pointwise::Clamp { .. }
            | Pointwise::Dropout { .. }
            | Pointwise::Unary(Unary::Tanh)
            | Pointwise::Binary(Binary::Div) => vec![0],
            Pointwise::Binary(Binary::Add | Binary::Mul | Binary::Sub | Binary::Max | Binary::Min) => vec![0, 1],
            Pointwise::Where => vec![1, 2],
            _ => Vec::new(),
        },
        Op::Copy(copy) if moves_scores(copy) => vec![0],
        Op::Copy(copy) => match &**copy {
            Copy::Concat { axis } => {
                let rank = graph.tensor(value).map_or(0, fusewright_ir::TensorType::rank);
                let joins_keys = axes::position_of(*axis, rank) == Some(key_axis);
                if joins_keys { (0..node.inputs.len().min(8)).collect() } else { Vec::new() }
            }
            _ => Vec::new(),
        },
        _ if mixes_heads(graph, node, 0, key_axis) => vec![0],
        _ => Vec::new(),
    }
}

/// Weights stay weights through the node.
fn carries_weights(scene: Scene, id: NodeId, operand: usize, key_axis: usize) -> bool {
    let node = scene.graph.node(id);
    match &node.op {
        Op::View(_) => operand == 0 || matches!(&node.op, Op::View(view) if matches!(**view, View::Alias)),
        Op::Pointwise(Pointwise::Where) => operand > 0,
        Op::Pointwise(Pointwise::Binary(Binary::Mul | Binary::Add)) => true,
        Op::Pointwise(
            Pointwise::Dropout { .. }
            | Pointwise::MaskedFill { .. }
            | Pointwise::MaskedKeep { .. }
            | Pointwise::WithScalar { kind: Binary::Mul | Binary::Div | Binary::Add, .. }
            | Pointwise::Binary(Binary::Div),
        ) => operand == 0,
        Op::Copy(copy) => moves_scores(copy),
        _ if scene.storage.is_free(id) && !node.op.is_host() => operand == 0,
        _ => mixes_heads(scene.graph, node, operand, key_axis),
    }
}
