//! The way from the scores to the softmax.

use fusewright_ir::ops::{Binary, Copy, Pointwise, Unary};
use fusewright_ir::{NodeId, Op, ValueId};

use crate::facts::Facts;

/// A step on the way.
#[derive(Clone, Copy)]
pub(super) struct Hop {
    pub(super) node: NodeId,
    pub(super) operand: usize,
    pub(super) output: ValueId,
}

/// The way from the product to a value, the nearest step to the value last.
pub(super) fn path(facts: &Facts, value: ValueId, product: NodeId, budget: &mut usize) -> Option<Vec<Hop>> {
    *budget = budget.checked_sub(1)?;
    let graph = &facts.graph;
    let id = graph.producer(value)?;
    if id == product {
        return Some(Vec::new());
    }
    let node = graph.node(id);
    let mut operands: Vec<usize> = match &node.op {
        _ if facts.scaled(id).is_some() => facts.scaled(id).map(|(operand, _)| operand).into_iter().collect(),
        Op::View(_) | Op::Pointwise(Pointwise::Unary(Unary::Tanh)) => vec![0],
        Op::Copy(copy) if matches!(**copy, Copy::Contiguous | Copy::Clone) => vec![0],
        Op::Pointwise(Pointwise::Binary(Binary::Add)) => vec![0, 1],
        Op::Pointwise(Pointwise::Where) => vec![1, 2],
        _ => return None,
    };
    operands.sort_by_key(|&operand| {
        let elements = node
            .inputs
            .get(operand)
            .map_or(0, |&input| graph.tensor(input).map_or(0, fusewright_ir::TensorType::elements));
        std::cmp::Reverse(elements)
    });
    for operand in operands {
        let Some(&input) = node.inputs.get(operand) else { continue };
        if let Some(mut hops) = path(facts, input, product, budget) {
            hops.push(Hop { node: id, operand, output: value });
            return Some(hops);
        }
    }
    None
}
