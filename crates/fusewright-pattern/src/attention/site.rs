//! The facts of one attention, read off the walks around it.

use fusewright_ir::ops::{Binary, Copy, Pointwise, ReduceKind, Reduction, ScaledDotProduct, Unary};
use fusewright_ir::{Graph, NodeId, Op, Shape, ValueId};

use super::mask::{Action, MaskFacts, Masks, Term, hides, operand_action};
use super::operands::{Trail, one_sequence, trail};
use super::product::{Operand, ScoreProduct};
use super::scores::{Hop, Scene};
use super::{AttentionKind, AttentionSite, MaskKind, axes};

/// What happens to scores between their product and the softmax.
#[derive(Default)]
pub(super) struct Adjusted {
    /// Factor on the product; `None` where it is not a number that the graph holds.
    scale: Option<f64>,
    softcap: Option<f64>,
    sinks: bool,
    terms: Vec<Term>,
}

/// Follows the scores from their product to the softmax.
pub(super) fn adjusted(graph: &Graph, masks: &mut Masks, product: &ScoreProduct, path: &[Hop]) -> Adjusted {
    let mut scores = Adjusted { scale: Some(product.factor), ..Adjusted::default() };
    let mut after_cap: Option<f64> = None;
    let mut place = product.axes;
    if let (Some((value, factor)), Some(&output)) = (product.addend, graph.node(product.node).outputs.first()) {
        let action = if factor < 0.0 { Action::Subtract } else { Action::Add };
        scores.term(graph, value, action, output, place);
    }
    for hop in path.iter().rev() {
        let node = graph.node(hop.node);
        let moved = place.map(|axis| axes::after(graph, node, hop.operand, hop.output, axis));
        let [Some(query), Some(key)] = moved else { break };
        place = [query, key];
        let other = node.inputs.get(1 - hop.operand.min(1)).copied();
        match (&node.op, other) {
            (Op::Pointwise(Pointwise::WithScalar { kind: Binary::Mul, scalar, .. }), _) => {
                scores.times(&mut after_cap, Some(*scalar));
            }
            (Op::Pointwise(Pointwise::WithScalar { kind: Binary::Div, scalar, reversed: false }), _) => {
                scores.times(&mut after_cap, Some(scalar.recip()));
            }
            (Op::Pointwise(Pointwise::Binary(kind @ (Binary::Mul | Binary::Div))), Some(other)) => {
                let is_one = graph.tensor(other).is_some_and(|tensor| tensor.elements() == 1);
                let factor = if is_one { masks.probe.scalar(other) } else { None };
                scores.times(&mut after_cap, factor.map(|f| if *kind == Binary::Div { f.recip() } else { f }));
            }
            (Op::Pointwise(Pointwise::Unary(Unary::Tanh)), _) => after_cap = Some(1.0),
            (Op::Pointwise(Pointwise::Binary(Binary::Add)), Some(other)) => {
                scores.term(graph, other, Action::Add, hop.output, place);
            }
            (Op::Pointwise(Pointwise::Binary(Binary::Sub)), Some(other)) => {
                if hop.operand == 1 {
                    scores.times(&mut after_cap, Some(-1.0));
                    scores.term(graph, other, Action::Add, hop.output, place);
                } else if !is_maximum(graph, other) {
                    scores.term(graph, other, Action::Subtract, hop.output, place);
                }
            }
            (Op::Pointwise(Pointwise::Where), _) => {
                let filled = node.inputs[3 - hop.operand];
                if hides(masks.probe.scalar(filled)) || is_wide(graph, filled) {
                    scores.term(graph, node.inputs[0], Action::Keep(hop.operand == 1), hop.output, place);
                }
            }
            (Op::Pointwise(Pointwise::MaskedKeep { value }), Some(mask)) if hides(Some(*value)) => {
                scores.term(graph, mask, Action::Keep(true), hop.output, place);
            }
            (Op::Pointwise(Pointwise::MaskedFill { value }), Some(mask)) if hides(Some(*value)) => {
                scores.term(graph, mask, Action::Keep(false), hop.output, place);
            }
            (Op::Copy(copy), Some(_)) if matches!(**copy, Copy::Concat { .. }) => {
                let extent = |value: ValueId| graph.tensor(value).and_then(|tensor| tensor.shape.get(key).copied());
                let others = node.inputs.iter().enumerate().filter(|&(at, _)| at != hop.operand);
                scores.sinks |= others.map(|(_, &value)| value).any(|value| extent(value) == Some(1));
            }
            _ => {}
        }
    }
    scores.softcap = after_cap;
    scores
}

impl Adjusted {
    fn times(&mut self, after_cap: &mut Option<f64>, factor: Option<f64>) {
        self.scale = self.scale.zip(factor).map(|(scale, factor)| scale * factor);
        if let (Some(cap), Some(factor)) = (after_cap, factor) {
            *cap *= factor;
        }
    }

    fn term(&mut self, graph: &Graph, value: ValueId, action: Action, scores: ValueId, axes: [usize; 2]) {
        if let Some(tensor) = graph.tensor(scores) {
            self.terms.push(Term { value, action, shape: tensor.shape.to_vec(), axes });
        }
    }

    /// What the settings and the mask operand of an attention op amount to.
    pub(super) fn of_op(graph: &Graph, id: NodeId, core: &ScaledDotProduct, query: Operand, key: Operand) -> Self {
        let node = graph.node(id);
        let width = query.width.max(1) as f64;
        let mut scores = Adjusted {
            scale: Some(core.scale.unwrap_or_else(|| width.sqrt().recip())),
            softcap: core.softcap,
            sinks: core.sinks,
            terms: Vec::new(),
        };
        let mask = core.mask_operand(node.inputs.len()).map(|at| node.inputs[at]);
        if let (Some(mask), Some(batch)) = (mask, graph.tensor(query.value)) {
            let outer = &batch.shape[..batch.rank().saturating_sub(2)];
            let shape: Shape = outer.iter().copied().chain([query.length, key.length]).collect();
            if let Some(tensor) = graph.tensor(mask) {
                let axes = [shape.len() - 2, shape.len() - 1];
                let action = operand_action(tensor.dtype);
                scores.terms.push(Term { value: mask, action, shape: shape.to_vec(), axes });
            }
        }
        scores
    }
}

/// The three operands of an attention.
pub(super) struct Operands {
    pub(super) query: Operand,
    pub(super) key: Operand,
    pub(super) value: Operand,
}

/// Puts the facts of an attention together.
pub(super) fn describe(
    scene: Scene,
    varies: &[bool],
    masks: &mut Masks,
    anchor: NodeId,
    chain: Vec<NodeId>,
    operands: &Operands,
    scores: &Adjusted,
) -> AttentionSite {
    let graph = scene.graph;
    let [query, key, value] = [operands.query, operands.key, operands.value].map(|operand| trail(scene, operand));
    let stated = match &graph.node(anchor).op {
        Op::Attention(fusewright_ir::ops::Attention::ScaledDotProduct(core)) => stated_mask(core),
        _ => MaskFacts::NONE,
    };
    let mask = scores.terms.iter().fold(stated, |facts, term| facts.and(masks.classify(term)));
    let by_shape = heads_by_shape(graph, operands.query);
    let heads = query.heads(graph).unwrap_or(by_shape);
    let kv_heads = key.heads(graph).filter(|&own| own > 0 && heads.is_multiple_of(own)).unwrap_or(heads);
    let mut scale = scores.scale;
    for trail in [&query, &key] {
        scale = scale_on(graph, masks, trail, scale);
    }
    let kind = if one_sequence(scene, varies, &query, &key) {
        AttentionKind::SelfAttention
    } else {
        AttentionKind::CrossAttention
    };
    AttentionSite {
        anchor,
        kind,
        heads,
        kv_heads,
        head_dim: operands.query.width,
        value_dim: operands.value.width,
        queries: operands.query.length,
        keys: operands.value.length,
        mask: mask.kind,
        causal: mask.causal,
        scale: scale.map(rounded),
        bias: mask.bias,
        sinks: scores.sinks,
        softcap: scores.softcap.map(rounded),
        projections: [query.projection, key.projection, value.projection],
        chain,
    }
}

fn stated_mask(core: &ScaledDotProduct) -> MaskFacts {
    let kind = match core.window {
        Some(window) => MaskKind::Window(window),
        None if core.causal => MaskKind::Causal,
        None => MaskKind::None,
    };
    MaskFacts { kind, causal: core.causal, bias: false }
}

fn heads_by_shape(graph: &Graph, query: Operand) -> u64 {
    let shape = graph.tensor(query.value).map(|tensor| tensor.shape.clone()).unwrap_or_default();
    let axis = query.positions.min(query.features).checked_sub(1).filter(|_| shape.len() >= 4);
    axis.and_then(|axis| shape.get(axis).copied()).unwrap_or(1)
}

fn scale_on(graph: &Graph, masks: &mut Masks, trail: &Trail, scale: Option<f64>) -> Option<f64> {
    let (known, tensors) = trail.factors(graph);
    tensors.into_iter().fold(scale.map(|scale| scale * known), |scale, (value, divides)| {
        let factor = masks.probe.scalar(value)?;
        scale.map(|scale| if divides { scale / factor } else { scale * factor })
    })
}

/// The largest score of each row, subtracted for the sake of the exponential.
fn is_maximum(graph: &Graph, mut value: ValueId) -> bool {
    for _ in 0..8 {
        let Some(id) = graph.producer(value) else { return false };
        let node = graph.node(id);
        match &node.op {
            Op::Reduction(
                Reduction::Reduce { kind: ReduceKind::Max, .. } | Reduction::Extreme { largest: true, .. },
            ) => return true,
            Op::View(_) | Op::Copy(_) => {}
            _ => return false,
        }
        let Some(&input) = node.inputs.first() else { return false };
        value = input;
    }
    false
}

/// More than one element: a fill whose first element says nothing about the rest.
fn is_wide(graph: &Graph, value: ValueId) -> bool {
    graph.tensor(value).is_some_and(|tensor| tensor.elements() != 1)
}

/// Without what rounding has added: √s times √s is s.
fn rounded(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}
