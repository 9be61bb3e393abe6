//! Guards against rows of scores in which every key is hidden, whose softmax is not a number.

use fusewright_ir::ops::{Binary, Copy, Pointwise, ReduceKind, Reduction, Unary};
use fusewright_ir::{NodeId, Op, ValueId};

use super::attention::Unseen;
use super::compile::Compiler;

/// The nodes between a softmax and its guarded result.
pub(super) struct Guard {
    pub(super) nodes: Vec<NodeId>,
    pub(super) result: ValueId,
    pub(super) unseen: Unseen,
}

impl Compiler<'_> {
    /// The guard behind a softmax, if what chooses zeros looks at its weights or at the scores and at nothing else.
    pub(super) fn guard(&self, softmax: NodeId, free: &dyn Fn(&NodeId) -> bool) -> Option<Guard> {
        let node = self.graph.node(softmax);
        let (scores, weights) = (*node.inputs.first()?, *node.outputs.first()?);
        let is_choice = |id: &&NodeId| matches!(self.graph.node(**id).op, Op::Pointwise(Pointwise::Where));
        let &choice = self.consumers.of_value(weights).iter().find(is_choice)?;
        let &[condition, zeros, otherwise] = self.graph.node(choice).inputs.as_slice() else { return None };
        if otherwise != weights || self.is_output(weights) || !self.is_zero(zeros) {
            return None;
        }
        let (mut nodes, unseen) = if let Some(nodes) = self.row_without_key(condition, scores) {
            (nodes, Unseen::Zero)
        } else {
            let asks = self.inner(condition, |op| matches!(op, Op::Pointwise(Pointwise::Unary(Unary::IsNan))))?;
            let of_weights = self.graph.node(asks).inputs.first() == Some(&weights);
            (vec![asks], of_weights.then_some(Unseen::ZeroForNotANumber)?)
        };
        nodes.push(choice);
        let readers = self.consumers.of_value(weights);
        let inside = readers.iter().all(|reader| nodes.contains(reader)) && nodes.iter().all(free);
        let result = *self.graph.node(choice).outputs.first()?;
        inside.then_some(Guard { nodes, result, unseen })
    }

    /// The nodes of a condition that holds where no score of a row is above minus infinity: `not any(not (scores = -∞))`, or
    /// `all(scores = -∞)`.
    fn row_without_key(&self, condition: ValueId, scores: ValueId) -> Option<Vec<NodeId>> {
        let denies = |op: &Op| matches!(op, Op::Pointwise(Pointwise::Unary(Unary::LogicalNot)));
        let folds = |op: &Op, wanted: ReduceKind| match op {
            Op::Reduction(Reduction::Reduce { kind, axes, keep: true }) => *kind == wanted && matches!(axes[..], [-1]),
            _ => false,
        };
        let mut nodes = Vec::new();
        let operand = |id: NodeId| self.graph.node(id).inputs.first().copied();
        let hidden = if let Some(outer) = self.inner(condition, denies) {
            let any = self.inner(operand(outer)?, |op| folds(op, ReduceKind::Any))?;
            let seen = self.inner(operand(any)?, denies)?;
            nodes.extend([outer, any, seen]);
            operand(seen)?
        } else {
            let all = self.inner(condition, |op| folds(op, ReduceKind::All))?;
            nodes.push(all);
            operand(all)?
        };
        let hides = |op: &Op| match op {
            Op::Pointwise(Pointwise::WithScalar { kind: Binary::Eq, scalar, .. }) => *scalar == f64::NEG_INFINITY,
            _ => false,
        };
        let compared = self.inner(hidden, hides)?;
        nodes.push(compared);
        (operand(compared) == Some(scores)).then_some(nodes)
    }

    /// The maker of a value that nothing else reads, if its op is of a kind.
    fn inner(&self, value: ValueId, kind: impl Fn(&Op) -> bool) -> Option<NodeId> {
        self.only_reader(value)?;
        self.graph.producer(value).filter(|&maker| kind(&self.graph.node(maker).op))
    }

    /// All elements are zero, as the graph or its weights say.
    fn is_zero(&self, value: ValueId) -> bool {
        if let Some(held) = self.weights.get(value) {
            return held.floats().iter().all(|&element| element == 0.0);
        }
        let made = self.graph.producer(value).map(|maker| &self.graph.node(maker).op);
        matches!(made, Some(Op::Copy(copy)) if matches!(**copy, Copy::Full { value, .. } if value == 0.0))
    }
}
