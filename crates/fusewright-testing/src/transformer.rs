//! A synthetic pre-norm transformer of any size, for benchmarks.

use fusewright_ir::ops::{Binary, Contraction, Copy, Normalization, Pointwise, Unary, View};
use fusewright_ir::{DType, Graph, Op, ValueId};

use crate::Builder;

const HEADS: u64 = 4;
const WIDTH: u64 = 64;
const LENGTH: u64 = 16;

/// A stack of encoder layers with open-coded attention, at least `nodes` nodes in all.
pub fn transformer(nodes: usize) -> Graph {
    let mut builder = Builder::new("synthetic transformer");
    let mut x = builder.input(DType::F32, &[1, LENGTH, WIDTH]);
    let mut layer = 0_u32;
    while builder.graph.node_count() < nodes {
        builder.enter(&format!("layers.{layer}"));
        let Some(next) = encoder_layer(&mut builder, x) else { break };
        x = next;
        layer += 1;
    }
    builder.graph.add_output(x);
    builder.graph
}

fn encoder_layer(b: &mut Builder, x: ValueId) -> Option<ValueId> {
    let normed = layer_norm(b, x)?;
    let query = heads(b, normed)?;
    let key = heads(b, normed)?;
    let value = heads(b, normed)?;
    let key = b.one(View::Permute { axes: [0, 1, 3, 2].as_slice().into() }.into(), &[key])?;
    let scores = b.one(Op::Contraction(Contraction::MatMul), &[query, key])?;
    let scale = Pointwise::WithScalar { kind: Binary::Mul, scalar: 0.25, reversed: false };
    let scores = b.one(Op::Pointwise(scale), &[scores])?;
    let weights =
        b.one(Op::Normalization(Normalization::Softmax { axis: -1, log: false, zero_masked: false }), &[scores])?;
    let context = b.one(Op::Contraction(Contraction::MatMul), &[weights, value])?;
    let context = b.one(View::Permute { axes: [0, 2, 1, 3].as_slice().into() }.into(), &[context])?;
    let context = b.one(View::Reshape { shape: [1, LENGTH, WIDTH].as_slice().into() }.into(), &[context])?;
    let context = b.one(Copy::Contiguous.into(), &[context])?;
    let attended = linear(b, context, WIDTH)?;
    let x = b.one(Op::Pointwise(Pointwise::Binary(Binary::Add)), &[x, attended])?;
    let normed = layer_norm(b, x)?;
    let wide = linear(b, normed, 4 * WIDTH)?;
    let active = b.one(Op::Pointwise(Pointwise::Unary(Unary::Gelu)), &[wide])?;
    let narrow = linear(b, active, WIDTH)?;
    b.one(Op::Pointwise(Pointwise::Binary(Binary::Add)), &[x, narrow])
}

fn layer_norm(b: &mut Builder, x: ValueId) -> Option<ValueId> {
    let (weight, bias) = (b.parameter(&[WIDTH]), b.parameter(&[WIDTH]));
    b.one(Op::Normalization(Normalization::LayerNorm { axes: 1, epsilon: 1e-6 }), &[x, weight, bias])
}

fn linear(b: &mut Builder, x: ValueId, out: u64) -> Option<ValueId> {
    let width = *b.shape(x).last()?;
    let (weight, bias) = (b.parameter(&[out, width]), b.parameter(&[out]));
    b.one(Op::Contraction(Contraction::Linear), &[x, weight, bias])
}

fn heads(b: &mut Builder, x: ValueId) -> Option<ValueId> {
    let projected = linear(b, x, WIDTH)?;
    let shape = [1, LENGTH, HEADS, WIDTH / HEADS];
    let split = b.one(View::Reshape { shape: shape.as_slice().into() }.into(), &[projected])?;
    b.one(View::Permute { axes: [0, 2, 1, 3].as_slice().into() }.into(), &[split])
}
