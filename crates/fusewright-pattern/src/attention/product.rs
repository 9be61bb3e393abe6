//! The two products of an attention: queries with keys, and weights with values, as matrix products or sums over named
//! indices.

use fusewright_ir::ops::Contraction;
use fusewright_ir::{Graph, NodeId, Op, ValueId};

use crate::projection::weight_of;

/// One operand of a product.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operand {
    /// The tensor.
    pub(super) value: ValueId,
    /// Its axis of positions; of several the innermost.
    pub(super) positions: usize,
    /// Its axis of features; of several the innermost.
    pub(super) features: usize,
    /// Number of features.
    pub(super) width: u64,
    /// Number of positions.
    pub(super) length: u64,
}

/// The product of queries and keys.
#[derive(Clone, Debug)]
pub(super) struct ScoreProduct {
    pub(super) node: NodeId,
    pub(super) query: Operand,
    pub(super) key: Operand,
    /// Axes of the result: queries (the innermost of several) and keys.
    pub(super) axes: [usize; 2],
    /// Factor on the product.
    pub(super) factor: f64,
    /// What is added to it, and with which factor.
    pub(super) addend: Option<(ValueId, f64)>,
}

/// The node multiplies two activations, in contrast to one with a weight. A learned tensor counts as an activation where
/// it stands in the place of queries, as one matrix per batch or head.
pub(super) fn is_activation_product(graph: &Graph, id: NodeId) -> bool {
    let Some([a, b]) = factors(graph, id) else { return false };
    let rank = |value| graph.tensor(value).map_or(0, fusewright_ir::TensorType::rank);
    rank(a) >= 2 && rank(b) >= 2 && weight_of(graph, b).is_none() && (rank(a) >= 3 || weight_of(graph, a).is_none())
}

/// The two tensors that a contraction multiplies.
pub(super) fn factors(graph: &Graph, id: NodeId) -> Option<[ValueId; 2]> {
    let node = graph.node(id);
    match (&node.op, &node.inputs[..]) {
        (Op::Contraction(Contraction::MatMul | Contraction::Linear | Contraction::Einsum(_)), &[a, b])
        | (Op::Contraction(Contraction::MatMulAdd { .. }), &[_, a, b]) => Some([a, b]),
        _ => None,
    }
}

/// The product as one of queries and keys, given the axis of its result that the softmax runs over.
pub(super) fn score_product(graph: &Graph, id: NodeId, key_axis: usize) -> Option<ScoreProduct> {
    let [a, b] = factors(graph, id)?;
    let node = graph.node(id);
    let (mut factor, mut addend) = (1.0, None);
    let transposed = match &node.op {
        Op::Contraction(Contraction::Einsum(einsum)) => return named_scores(graph, id, einsum.equation(), key_axis),
        Op::Contraction(Contraction::MatMulAdd { alpha, beta }) => {
            factor = *alpha;
            addend = (*beta != 0.0).then_some((node.inputs[0], *beta));
            false
        }
        Op::Contraction(Contraction::Linear) => true,
        _ => false,
    };
    let rank = graph.tensor(*node.outputs.first()?)?.rank();
    let left = matrix_operand(graph, a, false)?;
    let right = matrix_operand(graph, b, !transposed)?;
    let (query, key, query_axis) = match rank.checked_sub(key_axis)? {
        1 => (left, right, rank.checked_sub(2)?),
        2 => (right, left, rank - 1),
        _ => return None,
    };
    Some(ScoreProduct { node: id, query, key, axes: [query_axis, key_axis], factor, addend })
}

/// The operand that holds the values, given the other one and its axis of keys; `None` if the product does not sum
/// over keys.
pub(super) fn value_operand(graph: &Graph, id: NodeId, weights: ValueId, key_axis: usize) -> Option<Operand> {
    let [a, b] = factors(graph, id)?;
    let rank = graph.tensor(weights)?.rank();
    match &graph.node(id).op {
        Op::Contraction(Contraction::Einsum(einsum)) => {
            named_values(graph, [a, b], einsum.equation(), weights, key_axis)
        }
        Op::Contraction(Contraction::Linear) => {
            let other = if a == weights { b } else { a };
            (key_axis + 1 == rank).then(|| matrix_operand(graph, other, false).map(Operand::exchanged))?
        }
        _ if a == weights && key_axis + 1 == rank => matrix_operand(graph, b, false),
        _ if b == weights && key_axis + 2 == rank => matrix_operand(graph, a, true),
        _ => None,
    }
}

impl Operand {
    /// The last axis holds positions, not features.
    fn exchanged(self) -> Self {
        Self { positions: self.features, features: self.positions, width: self.length, length: self.width, ..self }
    }
}

/// A factor of a matrix product with its features in the last axis, or in the one before.
fn matrix_operand(graph: &Graph, value: ValueId, features_first: bool) -> Option<Operand> {
    let shape = &graph.tensor(value)?.shape;
    let &[.., length, width] = shape.as_slice() else { return None };
    let operand = Operand { value, positions: shape.len() - 2, features: shape.len() - 1, width, length };
    Some(if features_first { operand.exchanged() } else { operand })
}

/// Indices of a tensor by what they do: extents multiplied, and the position of the innermost.
fn indices(graph: &Graph, value: ValueId, letters: &str, wanted: impl Fn(char) -> bool) -> Option<(usize, u64)> {
    let shape = &graph.tensor(value)?.shape;
    let found = letters.chars().enumerate().filter(|&(_, letter)| wanted(letter));
    found.fold(None, |known: Option<(usize, u64)>, (position, _)| {
        let product = known.map_or(1, |(_, product)| product);
        Some((position, product.saturating_mul(*shape.get(position)?)))
    })
}

fn named_scores(graph: &Graph, id: NodeId, equation: &str, key_axis: usize) -> Option<ScoreProduct> {
    let [a, b] = factors(graph, id)?;
    let (operands, result) = equation.split_once("->")?;
    let (left, right) = operands.split_once(',')?;
    let key = result.chars().nth(key_axis)?;
    let ((q, q_letters), (k, k_letters)) = match (left.contains(key), right.contains(key)) {
        (true, false) => ((b, right), (a, left)),
        (false, true) => ((a, left), (b, right)),
        _ => return None,
    };
    let is_query = |letter: char| result.contains(letter) && !k_letters.contains(letter);
    let summed = |letter: char| q_letters.contains(letter) && k_letters.contains(letter) && !result.contains(letter);
    let query_axis = result.chars().enumerate().filter(|&(_, letter)| is_query(letter)).last()?.0;
    let operand = |value, letters: &str, (positions, length)| {
        let (features, width) = indices(graph, value, letters, summed)?;
        Some(Operand { value, positions, features, width, length })
    };
    let query = operand(q, q_letters, indices(graph, q, q_letters, is_query)?)?;
    let key = operand(k, k_letters, indices(graph, k, k_letters, |letter| letter == key)?)?;
    Some(ScoreProduct { node: id, query, key, axes: [query_axis, key_axis], factor: 1.0, addend: None })
}

fn named_values(
    graph: &Graph,
    [a, b]: [ValueId; 2],
    equation: &str,
    weights: ValueId,
    key_axis: usize,
) -> Option<Operand> {
    let (operands, result) = equation.split_once("->")?;
    let (left, right) = operands.split_once(',')?;
    let (p_letters, value, letters) = if a == weights { (left, b, right) } else { (right, a, left) };
    let key = p_letters.chars().nth(key_axis)?;
    if result.contains(key) {
        return None;
    }
    let (positions, length) = indices(graph, value, letters, |letter| letter == key)?;
    let is_feature = |letter: char| result.contains(letter) && !p_letters.contains(letter);
    let (features, width) = indices(graph, value, letters, is_feature)?;
    Some(Operand { value, positions, features, width, length })
}
