//! What a node is to the pair rules: its canonical kind, whatever the source called it, or the source's literal name.

use fusewright_ir::ops::{Binary, Contraction, Normalization, Pointwise, PoolKind, Pooling, Unary};
use fusewright_ir::{Graph, Node, NodeId, Op, Storage};

use crate::projection_of;

/// Canonical kinds that the pair rules speak about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Convolution over any number of axes.
    Convolution,
    /// Batch normalisation.
    BatchNorm,
    /// Layer normalisation.
    LayerNorm,
    /// max(x, 0).
    Relu,
    /// min(max(x, 0), 6).
    Relu6,
    /// x · sigmoid(x), also called swish.
    Silu,
    /// GELU in any approximation.
    Gelu,
    /// Logistic function.
    Sigmoid,
    /// Hard swish.
    HardSwish,
    /// Linear layer: a product with a weight that the model owns, whatever the source calls it.
    Linear,
    /// Live dropout of elements.
    Dropout,
    /// Live dropout of samples.
    StochasticDepth,
    /// Sum of two tensors.
    Add,
    /// Product with a tensor or a scalar, division by a scalar included.
    Mul,
    /// An addition, fill or choice that masks the scores of an attention.
    Mask,
    /// Adaptive average pooling.
    AdaptiveAvgPool,
    /// Product of two activations.
    MatMul,
    /// Softmax.
    Softmax,
    /// A view that needs a copy, or a layout copy.
    Copy,
}

impl Kind {
    /// Public name, as it stands in the ids of pair rules.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Convolution => "convolution",
            Kind::BatchNorm => "batch-norm",
            Kind::LayerNorm => "layer-norm",
            Kind::Relu => "relu",
            Kind::Relu6 => "relu6",
            Kind::Silu => "silu",
            Kind::Gelu => "gelu",
            Kind::Sigmoid => "sigmoid",
            Kind::HardSwish => "hard-swish",
            Kind::Linear => "linear",
            Kind::Dropout => "dropout",
            Kind::StochasticDepth => "stochastic-depth",
            Kind::Add => "add",
            Kind::Mul => "mul",
            Kind::Mask => "mask",
            Kind::AdaptiveAvgPool => "adaptive-avg-pool",
            Kind::MatMul => "matmul",
            Kind::Softmax => "softmax",
            Kind::Copy => "copy",
        }
    }
}

/// The canonical kind of a node; views that need no copy have none. [`Kind::Mask`] depends on the attention around the
/// node and is never the answer here.
pub fn kind_of(graph: &Graph, storage: &Storage, id: NodeId) -> Option<Kind> {
    if storage.is_free(id) {
        return None;
    }
    let node = graph.node(id);
    Some(match &node.op {
        Op::Contraction(Contraction::Linear) => Kind::Linear,
        Op::Contraction(_) if projection_of(graph, storage, id).is_some() => Kind::Linear,
        Op::Contraction(_) => Kind::MatMul,
        Op::Convolution(convolution) if convolution.transposed.is_none() => Kind::Convolution,
        Op::Pooling(pooling) if matches!(**pooling, Pooling::Adaptive { kind: PoolKind::Average, .. }) => {
            Kind::AdaptiveAvgPool
        }
        Op::Normalization(Normalization::BatchNorm { .. }) => Kind::BatchNorm,
        Op::Normalization(Normalization::LayerNorm { .. }) => Kind::LayerNorm,
        Op::Normalization(Normalization::Softmax { log: false, .. }) => Kind::Softmax,
        Op::Pointwise(pointwise) => return pointwise_kind(pointwise),
        Op::View(_) => Kind::Copy,
        Op::Copy(copy) if matches!(**copy, fusewright_ir::ops::Copy::Contiguous | fusewright_ir::ops::Copy::Clone) => {
            Kind::Copy
        }
        _ => return None,
    })
}

fn pointwise_kind(pointwise: &Pointwise) -> Option<Kind> {
    Some(match pointwise {
        Pointwise::Unary(Unary::Relu) => Kind::Relu,
        Pointwise::Unary(Unary::Relu6) => Kind::Relu6,
        Pointwise::Unary(Unary::Silu) => Kind::Silu,
        Pointwise::Unary(Unary::Gelu | Unary::GeluTanh | Unary::QuickGelu) => Kind::Gelu,
        Pointwise::Unary(Unary::Sigmoid) => Kind::Sigmoid,
        Pointwise::Unary(Unary::HardSwish) => Kind::HardSwish,
        Pointwise::Dropout { per_sample: false, .. } => Kind::Dropout,
        Pointwise::Dropout { per_sample: true, .. } => Kind::StochasticDepth,
        Pointwise::Binary(Binary::Add) => Kind::Add,
        Pointwise::Binary(Binary::Mul)
        | Pointwise::WithScalar { kind: Binary::Mul, .. }
        | Pointwise::WithScalar { kind: Binary::Div, reversed: false, .. } => Kind::Mul,
        _ => return None,
    })
}

/// The op can mask scores: it adds to them, fills them or chooses between them and a constant.
pub fn may_mask(op: &Op) -> bool {
    matches!(op, Op::Pointwise(Pointwise::Binary(Binary::Add) | Pointwise::MaskedFill { .. } | Pointwise::Where))
}

/// The last part of the source's op name: a module's class or a function's name.
pub fn literal_name<'a>(graph: &'a Graph, node: &Node) -> &'a str {
    let text = graph.text(node.source.op);
    text.rsplit('.').next().unwrap_or(text)
}

/// The name of a node in a default-profile group: that of its op, a view that needs a copy being one.
pub fn canonical_name(node: &Node) -> &'static str {
    if matches!(node.op, Op::View(_)) { "copy" } else { node.op.mnemonic() }
}
