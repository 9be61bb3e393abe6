//! What a node can be to a kernel.

use fusewright_ir::ops::{Copy, Normalization};
use fusewright_ir::{Graph, Node, Op};

use super::loops::{Loop, loop_of};

/// What a node is to a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A product, convolution or attention op: one a kernel.
    Product,
    /// Follows or feeds a product element by element, or moves results to where they belong; may be part of a loop.
    Step(Loop),
    /// Needs a whole row or window, or other elements than it writes: part of loops only.
    Row(Loop),
    /// Its own kernel.
    Alone,
}

impl Role {
    pub(crate) fn of(graph: &Graph, node: &Node) -> Self {
        if matches!(node.op, Op::Contraction(_) | Op::Convolution(_) | Op::Attention(_)) {
            return Role::Product;
        }
        match loop_of(graph, node) {
            Some(own) if is_step(&node.op) => Role::Step(own),
            Some(own) => Role::Row(own),
            None => Role::Alone,
        }
    }
}

fn is_step(op: &Op) -> bool {
    match op {
        Op::Copy(copy) => !matches!(**copy, Copy::Concat { .. } | Copy::Stack { .. }),
        Op::Pointwise(_) | Op::View(_) | Op::Normalization(Normalization::BatchNorm { training: false, .. }) => true,
        _ => false,
    }
}
