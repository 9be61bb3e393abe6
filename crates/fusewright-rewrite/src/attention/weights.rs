//! What happens to the weights between the softmax and the product with the values.

use fusewright_ir::ops::{Copy, Pointwise, Unary, View};
use fusewright_ir::{NodeId, Op, ValueId};

use super::fills::Fills;
use super::scores::{Reason, STEPS, Steps};
use crate::facts::Facts;

impl Steps {
    /// Follows the weights from the softmax to the product with the values.
    pub(super) fn behind(
        &mut self,
        facts: &Facts,
        fills: &Fills,
        output: ValueId,
        weights: ValueId,
        end: NodeId,
    ) -> Result<(), Reason> {
        let graph = &facts.graph;
        let mut current = output;
        for _ in 0..STEPS {
            if facts.is_result(current) {
                return Err("its weights are a result of the model");
            }
            let readers = facts.consumers.of_value(current);
            if current == weights {
                return if readers == [end] { Ok(()) } else { Err("its weights are read elsewhere too") };
            }
            let is_guard = |id: &&NodeId| matches!(graph.node(**id).op, Op::Pointwise(Pointwise::Unary(Unary::IsNan)));
            let guards: Vec<NodeId> = readers.iter().filter(is_guard).copied().collect();
            let others: Vec<NodeId> = readers.iter().filter(|id| !is_guard(id)).copied().collect();
            let &[next] = &others[..] else { return Err("its weights are read elsewhere too") };
            let node = graph.node(next);
            let &[result] = &node.outputs[..] else { return Err("its weights are split") };
            let made_by_guard = |value: Option<&ValueId>| {
                let maker = value.and_then(|&value| graph.producer(value));
                maker.is_some_and(|maker| guards == [maker])
                    && value.is_some_and(|&value| facts.consumers.of_value(value) == [next])
            };
            match &node.op {
                Op::Pointwise(Pointwise::Where)
                    if made_by_guard(node.inputs.first())
                        && node.inputs.get(2) == Some(&current)
                        && fills.beside(facts.name(result), 2) == Some(0.0) =>
                {
                    self.guarded = true;
                }
                Op::Pointwise(Pointwise::Dropout { training: false, .. }) if guards.is_empty() => {}
                Op::View(view) if guards.is_empty() && matches!(**view, View::Reshape { .. } | View::Alias) => {}
                Op::Copy(copy) if guards.is_empty() && matches!(**copy, Copy::Contiguous | Copy::Clone) => {}
                _ => return Err("a step between softmax and values is of an unknown kind"),
            }
            current = result;
        }
        Err("its weights take too many steps")
    }
}
