//! Norms by the root mean square that a library writes in steps: x · rsqrt(mean(x²) + ε), and that times a weight.

use fusewright_ir::ops::{Binary, Pointwise, ReduceKind, Reduction, Unary};
use fusewright_ir::{Consumers, Graph, NodeId, Op, Origin, ValueId};

/// Marks the nodes of such norms.
pub(super) fn written_norms(graph: &Graph) -> Vec<bool> {
    let consumers = Consumers::of(graph);
    let mut marks = vec![false; graph.node_count()];
    for (square, node) in graph.nodes() {
        if !matches!(node.op, Op::Pointwise(Pointwise::Unary(Unary::Square))) {
            continue;
        }
        let Some(&x) = node.inputs.first() else { continue };
        let steps = Steps { graph, consumers: &consumers };
        for id in steps.from(square, x).unwrap_or_default() {
            marks[id.index()] = true;
        }
    }
    marks
}

struct Steps<'a> {
    graph: &'a Graph,
    consumers: &'a Consumers,
}

impl Steps<'_> {
    /// The nodes of the norm of `x` that begins with its square.
    fn from(&self, square: NodeId, x: ValueId) -> Option<Vec<NodeId>> {
        let mean = self.then(square, |op| {
            matches!(op, Op::Reduction(Reduction::Reduce { kind: ReduceKind::Mean, keep: true, .. }))
        })?;
        let plus =
            self.then(mean, |op| matches!(op, Op::Pointwise(Pointwise::WithScalar { kind: Binary::Add, .. })))?;
        let root = self.then(plus, |op| matches!(op, Op::Pointwise(Pointwise::Unary(Unary::Rsqrt))))?;
        let is_product = |op: &Op| matches!(op, Op::Pointwise(Pointwise::Binary(Binary::Mul)));
        let normed = self.then(root, is_product).filter(|&id| self.graph.node(id).inputs.contains(&x))?;
        let mut nodes = vec![square, mean, plus, root, normed];
        let weighted = self.then(normed, is_product);
        nodes.extend(weighted.filter(|&id| self.graph.node(id).inputs.iter().any(|&value| self.is_weight(value))));
        Some(nodes)
    }

    /// The only reader of a node's result, if it is of this kind.
    fn then(&self, id: NodeId, kind: impl Fn(&Op) -> bool) -> Option<NodeId> {
        let &result = self.graph.node(id).outputs.first()?;
        match self.consumers.of_value(result) {
            &[reader] if kind(&self.graph.node(reader).op) => Some(reader),
            _ => None,
        }
    }

    /// A parameter, in whatever shape.
    fn is_weight(&self, value: ValueId) -> bool {
        match self.graph.producer(value).map(|id| self.graph.node(id)) {
            Some(node) if matches!(node.op, Op::View(_)) => node.inputs.first().is_some_and(|&of| self.is_weight(of)),
            Some(_) => false,
            None => matches!(self.graph.value(value).origin, Origin::Parameter | Origin::Part { .. }),
        }
    }
}
