//! Recognising attention by what it computes: a product of two activations, a softmax over its rows, and a product of
//! the result with a third.
//!
//! Starting from each softmax the walk goes back through steps that only adjust scores (scale, mask, cast, views) to
//! the matmul that made them, and forward through dropout to the matmul that uses the weights. What stands between
//! does not matter, so every source's spelling is found.

use fusewright_ir::ops::{Attention, Binary, Contraction, Copy, Normalization, Pointwise, Unary, View};
use fusewright_ir::{Consumers, Graph, NodeId, Op, Origin, Storage, ValueId};

/// Whether queries and keys come from one sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionKind {
    /// One sequence attends to itself.
    SelfAttention,
    /// Queries and keys have different sources.
    CrossAttention,
}

/// One attention found in a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttentionSite {
    /// Self or cross.
    pub kind: AttentionKind,
    /// Its steps from the scores' matmul to the values' matmul; a single node where the source has one op for all.
    pub chain: Vec<NodeId>,
    /// The nodes that project query, key and value, where they are projections.
    pub projections: [Option<NodeId>; 3],
}

/// A softmax that nearly is an attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttentionMiss {
    /// The softmax.
    pub softmax: NodeId,
    /// Why it is none.
    pub reason: &'static str,
}

/// All attentions of a graph, and the near misses, in topological order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attentions {
    /// What was found.
    pub sites: Vec<AttentionSite>,
    /// What nearly matched.
    pub misses: Vec<AttentionMiss>,
}

/// Finds every attention in time linear in the graph.
pub fn find_attentions(graph: &Graph, storage: &Storage, consumers: &Consumers) -> Attentions {
    let walk = Walk { graph, storage, consumers };
    let mut found = Attentions::default();
    for (id, node) in graph.nodes() {
        match &node.op {
            Op::Attention(Attention::ScaledDotProduct(_)) => {
                if let [q, k, v, ..] = node.inputs[..] {
                    found.sites.push(walk.site(vec![id], q, k, v));
                }
            }
            Op::Normalization(Normalization::Softmax { log: false, .. }) => match walk.around_softmax(id) {
                Ok(Some(site)) => found.sites.push(site),
                Ok(None) => {}
                Err(reason) => found.misses.push(AttentionMiss { softmax: id, reason }),
            },
            _ => {}
        }
    }
    found
}

/// Most steps looked at in one direction from a softmax or an operand: real ones pass fewer than twenty. The bound keeps
/// the search linear in graphs where steps without end stand in between.
const SEARCH_BUDGET: u32 = 64;

struct Walk<'a> {
    graph: &'a Graph,
    storage: &'a Storage,
    consumers: &'a Consumers,
}

impl Walk<'_> {
    fn around_softmax(&self, softmax: NodeId) -> Result<Option<AttentionSite>, &'static str> {
        let node = self.graph.node(softmax);
        let (Some(&input), Some(&output)) = (node.inputs.first(), node.outputs.first()) else { return Ok(None) };
        let mut back = Vec::new();
        let scores = self.scores_product(input, &mut { SEARCH_BUDGET }, &mut back);
        let mut chain: Vec<NodeId> = back.into_iter().rev().chain([softmax]).collect();
        let values = self.values_product(output, &mut { SEARCH_BUDGET }, &mut chain);
        match (scores, values) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err("its input does not come from a product of two activations"),
            (Some(_), None) => Err("its result is not multiplied with values"),
            (Some(scores), Some((values, operand))) => {
                let (q, k) = (self.graph.node(scores).inputs[0], self.graph.node(scores).inputs[1]);
                Ok(Some(self.site(chain, q, k, self.graph.node(values).inputs[operand])))
            }
        }
    }

    /// Back from the softmax's input to the product of queries and keys; collects the steps that launch something.
    fn scores_product(&self, value: ValueId, budget: &mut u32, chain: &mut Vec<NodeId>) -> Option<NodeId> {
        *budget = budget.checked_sub(1)?;
        let id = self.graph.producer(value)?;
        let node = self.graph.node(id);
        if is_activation_product(self.graph, id) {
            chain.push(id);
            return Some(id);
        }
        let operands = match &node.op {
            op if self.passes_on(id, op) => std::slice::from_ref(self.handed_on(value)?),
            Op::Pointwise(
                Pointwise::WithScalar { .. } | Pointwise::MaskedFill { .. } | Pointwise::Unary(Unary::Tanh),
            ) => &node.inputs[..1],
            Op::Pointwise(Pointwise::Binary(Binary::Add | Binary::Mul | Binary::Div | Binary::Sub)) => &node.inputs[..],
            Op::Pointwise(Pointwise::Where) => &node.inputs[1..],
            Op::Copy(copy) if moves_scores(copy) => &node.inputs[..1],
            _ => return None,
        };
        let length = chain.len();
        if !self.storage.is_free(id) {
            chain.push(id);
        }
        for &operand in operands {
            if let Some(product) = self.scores_product(operand, budget, chain) {
                return Some(product);
            }
        }
        chain.truncate(length);
        None
    }

    /// Forward from the softmax's result to the product with the values, and the position of the values in it; collects
    /// the steps that launch something.
    fn values_product(&self, value: ValueId, budget: &mut u32, chain: &mut Vec<NodeId>) -> Option<(NodeId, usize)> {
        for &reader in self.consumers.of_value(value) {
            *budget = budget.checked_sub(1)?;
            let node = self.graph.node(reader);
            if is_activation_product(self.graph, reader) {
                chain.push(reader);
                return Some((reader, usize::from(node.inputs[0] == value)));
            }
            let carries = match &node.op {
                Op::Pointwise(Pointwise::Dropout { .. }) => true,
                Op::Copy(copy) => moves_scores(copy),
                op => self.passes_on(reader, op),
            };
            if !carries {
                continue;
            }
            let length = chain.len();
            if !self.storage.is_free(reader) {
                chain.push(reader);
            }
            for &output in node.outputs.iter().filter(|&&output| self.handed_on(output) == Some(&value)) {
                if let Some(product) = self.values_product(output, budget, chain) {
                    return Some(product);
                }
            }
            chain.truncate(length);
        }
        None
    }

    /// The operand that a result continues: of a tuple its own member, else the first operand.
    fn handed_on(&self, value: ValueId) -> Option<&ValueId> {
        let Origin::Node { node, index } = self.graph.value(value).origin else { return None };
        let node = self.graph.node(node);
        let is_tuple = matches!(&node.op, Op::View(view) if matches!(**view, View::Alias));
        node.inputs.get(if is_tuple { index as usize } else { 0 })
    }

    /// The node re-describes its operand, in place or as a copy, or hands it on.
    fn passes_on(&self, id: NodeId, op: &Op) -> bool {
        matches!(op, Op::View(_)) || self.storage.is_free(id) && !op.is_host()
    }

    fn site(&self, chain: Vec<NodeId>, q: ValueId, k: ValueId, v: ValueId) -> AttentionSite {
        let [q, k, v] = [q, k, v].map(|operand| self.trail(operand));
        let one_sequence = match (q.projection, k.projection) {
            (Some(_), Some(_)) => q.memory.last() == k.memory.last(),
            _ => q.memory.iter().any(|root| k.memory.contains(root)),
        };
        let kind = if one_sequence { AttentionKind::SelfAttention } else { AttentionKind::CrossAttention };
        AttentionSite { kind, chain, projections: [q.projection, k.projection, v.projection] }
    }

    /// Back from an operand to the projection that made it.
    fn trail(&self, mut value: ValueId) -> Trail {
        let mut trail = Trail { projection: None, memory: vec![self.storage.root(value)] };
        for _ in 0..SEARCH_BUDGET {
            let Some(id) = self.graph.producer(value) else { break };
            let Some(&source) = self.handed_on(value) else { break };
            let op = &self.graph.node(id).op;
            let projects = matches!(op, Op::Contraction(_)) && !is_activation_product(self.graph, id);
            let passes = projects
                || self.passes_on(id, op)
                || matches!(
                    op,
                    Op::Pointwise(
                        Pointwise::WithScalar { .. }
                            | Pointwise::Dropout { .. }
                            | Pointwise::Binary(Binary::Add | Binary::Mul),
                    ) | Op::Normalization(_)
                        | Op::Copy(_)
                );
            if !passes {
                break;
            }
            value = if projects { projected_operand(self.graph, id) } else { source };
            trail.memory.push(self.storage.root(value));
            if projects {
                trail.projection = Some(id);
                break;
            }
        }
        trail
    }
}

/// Where an operand of an attention comes from.
struct Trail {
    /// The projection that made it, if one did.
    projection: Option<NodeId>,
    /// The memory passed on the way, the operand's first; with a projection, the last is what it reads.
    memory: Vec<ValueId>,
}

/// The activation that a projection reads: an addend comes first where there is one.
fn projected_operand(graph: &Graph, id: NodeId) -> ValueId {
    let node = graph.node(id);
    let has_addend = matches!(node.op, Op::Contraction(Contraction::MatMulAdd { .. }));
    node.inputs[usize::from(has_addend)]
}

/// A copy that keeps every score.
fn moves_scores(copy: &Copy) -> bool {
    matches!(copy, Copy::Cast { .. } | Copy::Contiguous | Copy::Clone)
}

/// A matmul of two activations, in contrast to one with a weight.
pub(crate) fn is_activation_product(graph: &Graph, id: NodeId) -> bool {
    let node = graph.node(id);
    let operands = match &node.op {
        Op::Contraction(Contraction::MatMul) => &node.inputs[..],
        Op::Contraction(Contraction::Einsum(_)) if node.inputs.len() == 2 => &node.inputs[..],
        Op::Contraction(Contraction::MatMulAdd { .. }) if node.inputs.len() == 3 => &node.inputs[1..],
        _ => return false,
    };
    let moves = |&value: &ValueId| matches!(graph.value(value).origin, Origin::Node { .. } | Origin::Input);
    operands.len() == 2 && operands.iter().all(moves)
}
