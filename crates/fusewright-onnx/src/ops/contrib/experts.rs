//! Mixtures of experts as one operator: routing, products in groups, and the weighted sum.

use fusewright_ir::ops::{
    Binary, Contraction, Copy, Gather, Normalization, Pointwise, ReduceKind, Reduction, Scatter, Unary,
};
use fusewright_ir::{Op, Shape};

use super::heads::parts;
use super::{Row, size};
use crate::build::{Build, Built, Operand, one};

pub(super) const ROWS: &[Row] = &[
    Row::new("MoE", experts).weights(&[2, 3, 4, 5, 6, 7]),
    Row::new("QMoE", packed_experts).weights(&[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]),
];

/// Tokens in the order of the experts that they are sent to, `k` times each.
struct Routed {
    /// Which expert each row goes to, `[tokens · k]`.
    experts: Operand,
    /// Which token each row is.
    tokens: Operand,
    /// What each row's result weighs, `[tokens · k, 1]`.
    weights: Operand,
}

fn experts(build: &mut Build<'_, '_>) -> Built {
    if build.attributes.flag("use_sparse_mixer", false) {
        return Err("its router is a sparse mixer".to_owned());
    }
    let x = build.input(0)?;
    let shape = build.shape(x)?;
    let width = build.extent(x, -1)?;
    let count = build.ty(x)?.elements().checked_div(width).ok_or("its rows are empty")?;
    let flat = build.reshape(x, Shape::from_slice(&[count, width]))?;
    let routed = route(build, count)?;
    let rows = build.add(Op::Gather(Gather::IndexSelect { axis: 0 }), &[flat, routed.tokens])?;
    let first = product(build, rows, 2, &routed)?;
    let inner = activated(build, first, rows, &routed)?;
    let result = product(build, inner, 4, &routed)?;
    let weighed = build.binary(Binary::Mul, result, routed.weights)?;
    let zeros = Copy::Full { shape: vec![count, width], dtype: build.dtype(x)?, value: 0.0 };
    let zeros = build.add(zeros, &[])?;
    let sum = build.add(Op::Scatter(Scatter::Slices { axis: 0, add: true }), &[zeros, weighed, routed.tokens])?;
    one(build.reshape(sum, shape)?)
}

fn route(build: &mut Build<'_, '_>, count: u64) -> Result<Routed, String> {
    let k = if build.attributes.has("k") { size(build, "k")? } else { 1 };
    let probabilities = Op::Normalization(Normalization::Softmax { axis: -1, log: false, zero_masked: false });
    let probabilities = build.add(probabilities, &[build.input(1)?])?;
    let best = build.add(Op::Reduction(Reduction::TopK { k, axis: -1 }), &[probabilities])?;
    let (mut weights, chosen) = (best, Build::sibling(best, 1));
    if build.attributes.flag("normalize_routing_weights", false) {
        let sum = Reduction::Reduce { kind: ReduceKind::Sum, axes: vec![-1], keep: true };
        let sum = build.add(Op::Reduction(sum), &[weights])?;
        weights = build.binary(Binary::Div, weights, sum)?;
    }
    let rows = count.saturating_mul(k);
    let chosen = build.reshape(chosen, Shape::from_slice(&[rows]))?;
    let weights = build.reshape(weights, Shape::from_slice(&[rows]))?;
    let experts = build.add(Op::Reduction(Reduction::Sort { axis: 0 }), &[chosen])?;
    let order = Build::sibling(experts, 1);
    #[allow(clippy::cast_precision_loss, reason = "the number of experts is small")]
    let tokens = if k == 1 { order } else { build.scalar(Binary::FloorDiv, order, k as f64, false)? };
    let weights = build.add(Op::Gather(Gather::IndexSelect { axis: 0 }), &[weights, order])?;
    let weights = build.reshape(weights, Shape::from_slice(&[rows, 1]))?;
    Ok(Routed { experts, tokens, weights })
}

/// Rows times the matrices of their experts, input `index`, with the biases that follow them.
fn product(build: &mut Build<'_, '_>, rows: Operand, index: usize, routed: &Routed) -> Result<Operand, String> {
    let op = Op::Contraction(Contraction::GroupedMatMul { transposed: true });
    let result = build.add(op, &[rows, build.input(index)?])?;
    let Some(bias) = build.optional(index.saturating_add(1)) else { return Ok(result) };
    let bias = build.add(Op::Gather(Gather::Embedding), &[routed.experts, bias])?;
    build.binary(Binary::Add, result, bias)
}

fn activated(build: &mut Build<'_, '_>, x: Operand, rows: Operand, routed: &Routed) -> Result<Operand, String> {
    let kind = match build.attributes.text("activation_type").unwrap_or("relu") {
        "relu" => Unary::Relu,
        "gelu" => Unary::Gelu,
        "silu" => Unary::Silu,
        "identity" => return Ok(x),
        "swiglu" => return gated(build, x, rows, routed),
        other => return Err(format!("its activation is `{other}`")),
    };
    let bent = build.unary(kind, x)?;
    if !build.has(6) {
        return Ok(bent);
    }
    let gate = product(build, rows, 6, routed)?;
    build.binary(Binary::Mul, bent, gate)
}

/// `gate · σ(α · gate) · (value + β)`; both may come from one product, in halves or in turn.
fn gated(build: &mut Build<'_, '_>, x: Operand, rows: Operand, routed: &Routed) -> Result<Operand, String> {
    if build.attributes.flag("swiglu_limit_after_activation", false) {
        return Err("its gate is clamped after its activation".to_owned());
    }
    let [mut gate, mut value] = match build.attributes.int("swiglu_fusion", 0) {
        0 => [x, product(build, rows, 6, routed)?],
        1 => {
            let (count, half) = (build.extent(x, 0)?, build.extent(x, 1)? / 2);
            let pairs = build.reshape(x, Shape::from_slice(&[count, half, 2]))?;
            super::heads::unbound(build, pairs, 2)?
        }
        2 => {
            let half = build.extent(x, 1)? / 2;
            parts(build, x, 1, [half, half])?
        }
        other => return Err(format!("its gates lie as {other} says")),
    };
    if let Some(limit) = build.attributes.optional_float("swiglu_limit") {
        let below = Pointwise::Clamp { min: None, max: Some(limit) };
        gate = build.add(Op::Pointwise(below), &[gate])?;
        let inside = Pointwise::Clamp { min: Some(-limit), max: Some(limit) };
        value = build.add(Op::Pointwise(inside), &[value])?;
    }
    let (alpha, beta) =
        (build.attributes.float("activation_alpha", 1.0), build.attributes.float("activation_beta", 0.0));
    let bent = super::super::pointwise::sigmoid_gate(build, gate, alpha)?;
    if beta != 0.0 {
        value = build.scalar(Binary::Add, value, beta, false)?;
    }
    build.binary(Binary::Mul, bent, value)
}

/// The experts' weights are packed in blocks.
fn packed_experts(build: &mut Build<'_, '_>) -> Built {
    let ty = build.ty(build.input(0)?)?.clone();
    build.opaque("the weights of its experts are packed", [ty])
}
