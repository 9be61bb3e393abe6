//! From the steps of an attention to one pass: back from a softmax to the product that makes the scores, forward to the
//! product with the values.

use std::collections::BTreeSet;

use fusewright_ir::ops::{self, Contraction, Normalization, Pointwise};
use fusewright_ir::{NodeId, Op, ValueId};

use super::attention::{Attention, Unseen};
use super::compile::{Compiler, Kernel, Planned};
use super::grow::{Growing, is_given};

impl Compiler<'_> {
    pub(super) fn attention(
        &self,
        id: NodeId,
        members: &BTreeSet<NodeId>,
        taken: &BTreeSet<NodeId>,
    ) -> Option<Planned> {
        let node = self.graph.node(id);
        match &node.op {
            Op::Attention(ops::Attention::ScaledDotProduct(op)) => self.core(id, op),
            Op::Normalization(Normalization::Softmax { axis, log: false, zero_masked }) => {
                let rank = self.graph.tensor(node.inputs[0])?.rank();
                let last = *axis == -1 || usize::try_from(*axis).is_ok_and(|axis| axis + 1 == rank);
                if last { self.steps(id, *zero_masked, members, taken) } else { None }
            }
            _ => None,
        }
    }

    /// Attention that is one node.
    fn core(&self, id: NodeId, op: &ops::ScaledDotProduct) -> Option<Planned> {
        let node = self.graph.node(id);
        let output = *node.outputs.first()?;
        if op.sinks || op.dropout > 0.0 || self.graph.tensor(output)?.dtype != fusewright_ir::DType::F32 {
            return None;
        }
        if op.window.is_some() && !op.causal && op.offset > 0 {
            return None;
        }
        let [query, key, value, ..] = node.inputs.as_slice() else { return None };
        let query_shape = self.shape(*query)?;
        let keys = self.shape(*key)?;
        let width = *query_shape.last()?;
        let mut shape: Vec<usize> = query_shape.clone();
        *shape.last_mut()? = *keys.get(keys.len().checked_sub(2)?)?;
        let mask = op.mask_operand(node.inputs.len()).and_then(|index| node.inputs.get(index)).copied();
        let scale = crate::ops::narrow(op.scale.unwrap_or(1.0 / (width as f64).sqrt()));
        let truth =
            mask.and_then(|mask| self.graph.tensor(mask)).is_some_and(|t| t.dtype == fusewright_ir::DType::Bool);
        let (scores, scored) = super::row::score_steps(&shape, scale, op.softcap.map(crate::ops::narrow), mask, truth);
        let attention = Attention {
            query: *query,
            key: *key,
            turned: true,
            value: *value,
            scores,
            scored,
            shared: true,
            causal: op.causal.then_some(op.offset),
            window: op.window,
            unseen: Unseen::Zero,
            output,
            shape: self.shape(output)?,
        };
        Some(Planned { kernel: Kernel::Attention(Box::new(attention)), nodes: vec![id] })
    }

    /// Attention in steps: product, what is done with scores, softmax, product.
    fn steps(
        &self,
        softmax: NodeId,
        zero_masked: bool,
        members: &BTreeSet<NodeId>,
        taken: &BTreeSet<NodeId>,
    ) -> Option<Planned> {
        let free = |id: &NodeId| members.contains(id) && !taken.contains(id);
        let guard = self.guard(softmax, &free);
        // Back to the product that makes the scores.
        let mut chain = vec![softmax];
        let mut value = self.graph.node(softmax).inputs[0];
        let product = loop {
            let maker = self.graph.producer(value).filter(free)?;
            let readers = self.consumers.of_value(value);
            let guards = guard.as_ref().map_or(&[][..], |guard| &guard.nodes);
            if self.is_output(value) || readers.iter().filter(|reader| !guards.contains(reader)).count() != 1 {
                return None;
            }
            let node = self.graph.node(maker);
            if matches!(node.op, Op::Contraction(Contraction::MatMul)) {
                break maker;
            }
            chain.push(maker);
            if chain.len() > 12 {
                return None;
            }
            // The operand that is made in the group leads on.
            let shape = self.shape(value)?;
            let leads = |&&input: &&ValueId| {
                self.shape(input).as_deref() == Some(&shape)
                    && self
                        .graph
                        .producer(input)
                        .is_some_and(|maker| free(&maker) && self.leads_to_product(maker, &free))
            };
            value = *node.inputs.iter().find(leads)?;
        };
        chain.reverse();
        let node = self.graph.node(product);
        let scores_value = node.outputs[0];
        let shape = self.shape(scores_value)?;
        if shape.len() < 3 || self.graph.tensor(scores_value)?.dtype != fusewright_ir::DType::F32 {
            return None;
        }
        let (query, key) = (node.inputs[0], node.inputs[1]);
        let mut growing = Growing::new(self.graph, &shape, Some(scores_value))?;
        let first = product;
        let ready = |value: ValueId| {
            is_given(self.graph, value)
                || self
                    .graph
                    .producer(value)
                    .is_some_and(|maker| !chain.contains(&maker) && (!members.contains(&maker) || maker < first))
        };
        for &id in chain.iter().filter(|&&id| id != softmax) {
            let pointwise = matches!(&self.graph.node(id).op, Op::Pointwise(_) | Op::Copy(_));
            if !pointwise || !growing.take(id, &ready) {
                return None;
            }
        }
        let before = self.graph.node(softmax).inputs[0];
        let register = growing.register(before)?;
        let scores = growing.inner;
        // On to the product with the values.
        let mut value = guard.as_ref().map_or(self.graph.node(softmax).outputs[0], |guard| guard.result);
        let closing = loop {
            let reader = self.only_reader(value).filter(free)?;
            let node = self.graph.node(reader);
            let passes = match &node.op {
                Op::Pointwise(Pointwise::Dropout { p, training, .. }) => !training || *p == 0.0,
                Op::Copy(copy) => matches!(**copy, ops::Copy::Cast { dtype: fusewright_ir::DType::F32 }),
                _ => false,
            };
            if matches!(node.op, Op::Contraction(Contraction::MatMul)) && node.inputs[0] == value {
                break reader;
            }
            if !passes {
                return None;
            }
            chain.push(reader);
            value = node.outputs[0];
        };
        let values = self.graph.node(closing).inputs[1];
        let output = self.graph.node(closing).outputs[0];
        let result = self.shape(output)?;
        if result.len() != shape.len() || values == value {
            return None;
        }
        chain.push(product);
        chain.push(closing);
        let unseen =
            guard.as_ref().map_or(if zero_masked { Unseen::Zero } else { Unseen::NotANumber }, |guard| guard.unseen);
        chain.extend(guard.map(|guard| guard.nodes).unwrap_or_default());
        let attention = Attention {
            query,
            key,
            turned: false,
            value: values,
            scores,
            scored: register,
            shared: false,
            causal: None,
            window: None,
            unseen,
            output,
            shape: result,
        };
        Some(Planned { kernel: Kernel::Attention(Box::new(attention)), nodes: chain })
    }

    /// Somewhere before a node stands a product of the same group.
    fn leads_to_product(&self, maker: NodeId, free: &dyn Fn(&NodeId) -> bool) -> bool {
        let mut id = maker;
        for _ in 0..12 {
            let node = self.graph.node(id);
            match &node.op {
                Op::Contraction(Contraction::MatMul) => return true,
                Op::Pointwise(_) | Op::Copy(_) => {}
                _ => return false,
            }
            let next = node.inputs.iter().filter_map(|&input| self.graph.producer(input)).find(|maker| free(maker));
            match next {
                Some(next) => id = next,
                None => return false,
            }
        }
        false
    }
}
