//! In which element type an op runs under autocast.
//!
//! After the op lists that PyTorch registers for CUDA (`AT_FORALL_LOWER_PRECISION_FP`, `AT_FORALL_FP32` and the others
//! in `ATen/autocast_mode.h`). What is on no list runs in the type of its operands. Division by a tensor counts as its
//! reciprocal when a number is divided, a square as the power that it is computed by.

use fusewright_ir::ops::{Binary, Contraction, Copy, Normalization, Pointwise, Pooling, ReduceKind, Reduction, Unary};
use fusewright_ir::{Form, Op};

/// What autocast does to the floating-point operands of an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// All become the lower precision.
    Lower,
    /// All become `f32`.
    Full,
    /// All become the widest among them.
    Widest,
    /// They stay; the result follows from them.
    Follow,
}

/// The policy for an op that the source wrote in some form.
pub(super) fn policy(op: &Op, form: Form, fast_norms: bool) -> Policy {
    match op {
        Op::Normalization(
            Normalization::LayerNorm { .. } | Normalization::RmsNorm { .. } | Normalization::GroupNorm { .. },
        ) if fast_norms && form != Form::Module => Policy::Lower,
        Op::Contraction(Contraction::QuantizedMatMul { .. } | Contraction::PackedLinear { .. }) => Policy::Follow,
        Op::Contraction(_) | Op::Convolution(_) | Op::Attention(_) => Policy::Lower,
        Op::Normalization(
            Normalization::LayerNorm { .. }
            | Normalization::RmsNorm { .. }
            | Normalization::GroupNorm { .. }
            | Normalization::Softmax { .. },
        )
        | Op::Reduction(
            Reduction::CumulativeSum { .. }
            | Reduction::Reduce {
                kind: ReduceKind::Sum | ReduceKind::Prod | ReduceKind::Norm | ReduceKind::LogSumExp,
                ..
            },
        ) => Policy::Full,
        Op::Pooling(pooling) if matches!(**pooling, Pooling::Resize { .. }) => Policy::Full,
        Op::Pointwise(pointwise) if runs_in_full(pointwise) => Policy::Full,
        Op::Copy(copy) if matches!(**copy, Copy::Concat { .. } | Copy::Stack { .. }) => Policy::Widest,
        _ => Policy::Follow,
    }
}

fn runs_in_full(pointwise: &Pointwise) -> bool {
    match pointwise {
        Pointwise::Unary(kind) => matches!(
            kind,
            Unary::Exp
                | Unary::Expm1
                | Unary::Log
                | Unary::Log1p
                | Unary::Log2
                | Unary::Reciprocal
                | Unary::Rsqrt
                | Unary::Square
        ),
        Pointwise::Binary(kind) => *kind == Binary::Pow,
        Pointwise::WithScalar { kind, reversed, .. } => *kind == Binary::Pow || *kind == Binary::Div && *reversed,
        Pointwise::Softplus { .. } => true,
        _ => false,
    }
}
