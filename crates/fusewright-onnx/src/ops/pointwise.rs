//! Functions of single elements.

use fusewright_ir::ops::{Binary, Pointwise, Unary};
use fusewright_ir::{DType, Op};

use super::Row;
use crate::build::{Build, Built, Operand, one};

pub(super) const ROWS: &[Row] = &[
    Row::new("Neg", |build| unary(build, Unary::Neg)),
    Row::new("Abs", |build| unary(build, Unary::Abs)),
    Row::new("Sign", |build| unary(build, Unary::Sign)),
    Row::new("Floor", |build| unary(build, Unary::Floor)),
    Row::new("Ceil", |build| unary(build, Unary::Ceil)),
    Row::new("Round", |build| unary(build, Unary::Round)),
    Row::new("Exp", |build| unary(build, Unary::Exp)),
    Row::new("Log", |build| unary(build, Unary::Log)),
    Row::new("Sqrt", |build| unary(build, Unary::Sqrt)),
    Row::new("Reciprocal", |build| unary(build, Unary::Reciprocal)),
    Row::new("Sin", |build| unary(build, Unary::Sin)),
    Row::new("Cos", |build| unary(build, Unary::Cos)),
    Row::new("Tanh", |build| unary(build, Unary::Tanh)),
    Row::new("Erf", |build| unary(build, Unary::Erf)),
    Row::new("Relu", |build| unary(build, Unary::Relu)),
    Row::new("Sigmoid", |build| unary(build, Unary::Sigmoid)),
    Row::new("HardSwish", |build| unary(build, Unary::HardSwish)),
    Row::new("Mish", |build| unary(build, Unary::Mish)),
    Row::new("Not", |build| unary(build, Unary::LogicalNot)),
    Row::new("BitwiseNot", |build| unary(build, Unary::BitwiseNot)),
    Row::new("IsNaN", |build| unary(build, Unary::IsNan)),
    Row::new("HardSigmoid", hard_sigmoid),
    Row::new("Gelu", gelu),
    Row::new("Swish", swish),
    Row::new("LeakyRelu", leaky_relu),
    Row::new("PRelu", parametric_relu).weights(&[1]),
    Row::new("Elu", elu),
    Row::new("Celu", celu),
    Row::new("Softplus", softplus),
    Row::new("Softsign", softsign),
    Row::new("ThresholdedRelu", thresholded_relu),
    Row::new("Clip", clip),
    Row::new("Where", choose),
    Row::new("Dropout", dropout),
    Row::new("Add", |build| binary(build, Binary::Add)),
    Row::new("Sub", |build| binary(build, Binary::Sub)),
    Row::new("Mul", |build| binary(build, Binary::Mul)),
    Row::new("Div", divide),
    Row::new("Mod", |build| binary(build, Binary::Mod)),
    Row::new("Pow", power),
    Row::new("Equal", |build| binary(build, Binary::Eq)),
    Row::new("Less", |build| binary(build, Binary::Lt)),
    Row::new("LessOrEqual", |build| binary(build, Binary::Le)),
    Row::new("Greater", |build| binary(build, Binary::Gt)),
    Row::new("GreaterOrEqual", |build| binary(build, Binary::Ge)),
    Row::new("And", |build| binary(build, Binary::And)),
    Row::new("Or", |build| binary(build, Binary::Or)),
    Row::new("Xor", |build| binary(build, Binary::Xor)),
    Row::new("BitwiseAnd", |build| binary(build, Binary::And)),
    Row::new("BitwiseOr", |build| binary(build, Binary::Or)),
    Row::new("BitwiseXor", |build| binary(build, Binary::Xor)),
    Row::new("Max", |build| joined(build, Binary::Max)),
    Row::new("Min", |build| joined(build, Binary::Min)),
    Row::new("Sum", |build| joined(build, Binary::Add)),
    Row::new("Mean", mean),
];

fn unary(build: &mut Build<'_, '_>, kind: Unary) -> Built {
    let x = build.input(0)?;
    one(build.unary(kind, x)?)
}

fn binary(build: &mut Build<'_, '_>, kind: Binary) -> Built {
    let (a, b) = (build.input(0)?, build.input(1)?);
    one(build.binary(kind, a, b)?)
}

/// Division of integers drops the remainder.
fn divide(build: &mut Build<'_, '_>) -> Built {
    let float = build.dtype(build.input(0)?)?.is_float();
    binary(build, if float { Binary::Div } else { Binary::FloorDiv })
}

/// The result has the type of the base, whatever that of the exponent.
fn power(build: &mut Build<'_, '_>) -> Built {
    let (base, exponent) = (build.input(0)?, build.input(1)?);
    let dtype = build.dtype(base)?;
    let result = build.binary(Binary::Pow, base, exponent)?;
    one(build.cast(result, dtype)?)
}

/// One function over any number of operands.
fn joined(build: &mut Build<'_, '_>, kind: Binary) -> Built {
    let mut result = build.input(0)?;
    for operand in build.inputs_from(1) {
        result = build.binary(kind, result, operand)?;
    }
    one(result)
}

fn mean(build: &mut Build<'_, '_>) -> Built {
    let count = build.inputs_from(0).len();
    let sum = joined(build, Binary::Add)?.first().copied().ok_or("it has no operands")?;
    let count = u32::try_from(count).map_err(|_| "it has too many operands")?;
    one(build.scalar(Binary::Div, sum, f64::from(count), false)?)
}

fn gelu(build: &mut Build<'_, '_>) -> Built {
    let tanh = build.attributes.text("approximate") == Some("tanh");
    unary(build, if tanh { Unary::GeluTanh } else { Unary::Gelu })
}

/// `x · σ(αx)`.
pub(super) fn sigmoid_gate(build: &mut Build<'_, '_>, x: Operand, alpha: f64) -> Result<Operand, String> {
    if (alpha - 1.0).abs() < 1e-6 {
        return build.unary(Unary::Silu, x);
    }
    if (alpha - 1.702).abs() < 1e-3 {
        return build.unary(Unary::QuickGelu, x);
    }
    let scaled = build.scalar(Binary::Mul, x, alpha, false)?;
    let gate = build.unary(Unary::Sigmoid, scaled)?;
    build.binary(Binary::Mul, x, gate)
}

fn swish(build: &mut Build<'_, '_>) -> Built {
    let (x, alpha) = (build.input(0)?, build.attributes.float("alpha", 1.0));
    one(sigmoid_gate(build, x, alpha)?)
}

/// `max(0, min(1, αx + β))`; one sixth and one half are an op of their own.
fn hard_sigmoid(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let (alpha, beta) = (build.attributes.float("alpha", 0.2), build.attributes.float("beta", 0.5));
    if (alpha - 1.0 / 6.0).abs() < 1e-6 && (beta - 0.5).abs() < 1e-6 {
        return one(build.unary(Unary::HardSigmoid, x)?);
    }
    let scaled = build.scalar(Binary::Mul, x, alpha, false)?;
    let moved = build.scalar(Binary::Add, scaled, beta, false)?;
    one(build.add(Op::Pointwise(Pointwise::Clamp { min: Some(0.0), max: Some(1.0) }), &[moved])?)
}

fn leaky_relu(build: &mut Build<'_, '_>) -> Built {
    let (x, slope) = (build.input(0)?, build.attributes.float("alpha", 0.01));
    one(build.add(Op::Pointwise(Pointwise::LeakyRelu { slope }), &[x])?)
}

fn parametric_relu(build: &mut Build<'_, '_>) -> Built {
    let (x, slope) = (build.input(0)?, build.input(1)?);
    let negative = build.scalar(Binary::Lt, x, 0.0, false)?;
    let scaled = build.binary(Binary::Mul, x, slope)?;
    one(build.add(Op::Pointwise(Pointwise::Where), &[negative, scaled, x])?)
}

fn elu(build: &mut Build<'_, '_>) -> Built {
    let (x, alpha) = (build.input(0)?, build.attributes.float("alpha", 1.0));
    one(build.add(Op::Pointwise(Pointwise::Elu { alpha }), &[x])?)
}

/// Elu of `x / α`, times α where it is negative.
fn celu(build: &mut Build<'_, '_>) -> Built {
    let (x, alpha) = (build.input(0)?, build.attributes.float("alpha", 1.0));
    if (alpha - 1.0).abs() < f64::EPSILON {
        return one(build.add(Op::Pointwise(Pointwise::Elu { alpha }), &[x])?);
    }
    let scaled = build.scalar(Binary::Div, x, alpha, false)?;
    let bent = build.add(Op::Pointwise(Pointwise::Elu { alpha: 1.0 }), &[scaled])?;
    one(build.scalar(Binary::Mul, bent, alpha, false)?)
}

fn softplus(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    one(build.add(Op::Pointwise(Pointwise::Softplus { beta: 1.0, threshold: f64::INFINITY }), &[x])?)
}

fn softsign(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let size = build.unary(Unary::Abs, x)?;
    let below = build.scalar(Binary::Add, size, 1.0, false)?;
    one(build.binary(Binary::Div, x, below)?)
}

fn thresholded_relu(build: &mut Build<'_, '_>) -> Built {
    let (x, alpha) = (build.input(0)?, build.attributes.float("alpha", 1.0));
    let above = build.scalar(Binary::Gt, x, alpha, false)?;
    let kept = build.cast(above, build.dtype(x)?)?;
    one(build.binary(Binary::Mul, x, kept)?)
}

/// Bounds are inputs since version 11, attributes before.
fn clip(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let (min, max) = if build.version < 11 {
        (build.attributes.optional_float("min"), build.attributes.optional_float("max"))
    } else {
        match (build.known_scalar(1), build.known_scalar(2)) {
            (Ok(min), Ok(max)) => (min, max),
            _ => return clip_by_tensors(build, x),
        }
    };
    if min == Some(0.0) && max == Some(6.0) {
        return one(build.unary(Unary::Relu6, x)?);
    }
    one(build.add(Op::Pointwise(Pointwise::Clamp { min, max }), &[x])?)
}

fn clip_by_tensors(build: &mut Build<'_, '_>, x: Operand) -> Built {
    let mut result = x;
    for (index, kind) in [(1, Binary::Max), (2, Binary::Min)] {
        if let Some(bound) = build.optional(index) {
            result = build.binary(kind, result, bound)?;
        }
    }
    one(result)
}

fn choose(build: &mut Build<'_, '_>) -> Built {
    let operands = [build.input(0)?, build.input(1)?, build.input(2)?];
    one(build.add(Op::Pointwise(Pointwise::Where), &operands)?)
}

/// Outside training it hands its operand on; the mask, if asked for, keeps everything.
fn dropout(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let ratio = if build.has(1) { build.known_scalar(1)?.unwrap_or(0.5) } else { build.attributes.float("ratio", 0.5) };
    let training = build.known_scalar(2).ok().flatten().is_some_and(|flag| flag != 0.0);
    let mut results = if training && ratio > 0.0 {
        one(build.add(Op::Pointwise(Pointwise::Dropout { p: ratio, training, per_sample: false }), &[x])?)?
    } else {
        one(x)?
    };
    if build.outputs > 1 {
        let shape = build.shape(x)?.to_vec();
        let op = fusewright_ir::ops::Copy::Full { shape, dtype: DType::Bool, value: 1.0 };
        results.push(build.add(op, &[])?);
    }
    Ok(results)
}
