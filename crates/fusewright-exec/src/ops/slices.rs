//! Functions of floats over slices: what the interpreter and fused kernels compute element by element, stated once.

use fusewright_ir::ops::{Binary, Unary};

use crate::lanes::vectorized;
use crate::math;

/// An operand along a row: as many elements as the row, or one for all.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lane<'a> {
    Row(&'a [f32]),
    One(f32),
}

#[inline(always)]
fn each(values: &mut [f32], f: impl Fn(f32) -> f32) {
    vectorized(
        #[inline(always)]
        || values.iter_mut().for_each(|value| *value = f(*value)),
    );
}

/// Applies a function to each element; false for functions that give no float.
pub(crate) fn unary(kind: Unary, values: &mut [f32]) -> bool {
    match kind {
        Unary::LogicalNot | Unary::IsNan | Unary::IsInf | Unary::BitwiseNot => return false,
        Unary::Neg => each(values, |v| -v),
        Unary::Abs => each(values, f32::abs),
        Unary::Sign => each(values, |v| {
            if v > 0.0 {
                1.0
            } else if v < 0.0 {
                -1.0
            } else {
                v
            }
        }),
        Unary::Floor => each(values, f32::floor),
        Unary::Ceil => each(values, f32::ceil),
        Unary::Round => each(values, f32::round_ties_even),
        Unary::Trunc => each(values, f32::trunc),
        Unary::Exp => each(values, math::exp),
        Unary::Exp2 => each(values, f32::exp2),
        Unary::Expm1 => each(values, f32::exp_m1),
        Unary::Log => each(values, f32::ln),
        Unary::Log1p => each(values, f32::ln_1p),
        Unary::Log2 => each(values, f32::log2),
        Unary::Sqrt => each(values, f32::sqrt),
        Unary::Rsqrt => each(values, |v| 1.0 / v.sqrt()),
        Unary::Reciprocal => each(values, |v| 1.0 / v),
        Unary::Square => each(values, |v| v * v),
        Unary::Sin => each(values, f32::sin),
        Unary::Cos => each(values, f32::cos),
        Unary::Atan => each(values, f32::atan),
        Unary::Tanh => each(values, math::tanh),
        Unary::Erf => each(values, math::erf),
        Unary::Relu => each(values, |v| if v < 0.0 { 0.0 } else { v }),
        Unary::Relu6 => each(values, |v| v.clamp(0.0, 6.0)),
        Unary::Sigmoid => each(values, math::sigmoid),
        Unary::HardSigmoid => each(values, hard_sigmoid),
        Unary::Silu => each(values, |v| v * math::sigmoid(v)),
        Unary::HardSwish => each(values, |v| v * hard_sigmoid(v)),
        Unary::Mish => each(values, |v| v * (if v > 20.0 { v } else { v.exp().ln_1p() }).tanh()),
        Unary::Gelu => each(values, math::gelu),
        Unary::GeluTanh => each(values, math::gelu_tanh),
        Unary::QuickGelu => each(values, |v| v * math::sigmoid(1.702 * v)),
    }
    true
}

#[inline(always)]
fn hard_sigmoid(v: f32) -> f32 {
    ((v + 3.0) / 6.0).clamp(0.0, 1.0)
}

#[inline(always)]
fn pairs(out: &mut [f32], a: Lane<'_>, b: Lane<'_>, f: impl Fn(f32, f32) -> f32) {
    vectorized(
        #[inline(always)]
        || match (a, b) {
            (Lane::Row(a), Lane::Row(b)) => out.iter_mut().zip(a).zip(b).for_each(|((o, &a), &b)| *o = f(a, b)),
            (Lane::Row(a), Lane::One(b)) => out.iter_mut().zip(a).for_each(|(o, &a)| *o = f(a, b)),
            (Lane::One(a), Lane::Row(b)) => out.iter_mut().zip(b).for_each(|(o, &b)| *o = f(a, b)),
            (Lane::One(a), Lane::One(b)) => out.fill(f(a, b)),
        },
    );
}

/// Arithmetic that gives floats.
pub(crate) fn is_arithmetic(kind: Binary) -> bool {
    matches!(
        kind,
        Binary::Add
            | Binary::Sub
            | Binary::Mul
            | Binary::Div
            | Binary::FloorDiv
            | Binary::Mod
            | Binary::Fmod
            | Binary::Pow
            | Binary::Max
            | Binary::Min
    )
}

/// Applies arithmetic to pairs of elements.
pub(crate) fn binary(kind: Binary, out: &mut [f32], a: Lane<'_>, b: Lane<'_>) {
    match kind {
        Binary::Add => pairs(out, a, b, |a, b| a + b),
        Binary::Sub => pairs(out, a, b, |a, b| a - b),
        Binary::Mul => pairs(out, a, b, |a, b| a * b),
        Binary::Div => pairs(out, a, b, |a, b| a / b),
        Binary::FloorDiv => pairs(out, a, b, |a, b| (a / b).floor()),
        Binary::Mod => pairs(out, a, b, |a, b| a - b * (a / b).floor()),
        Binary::Fmod => pairs(out, a, b, |a, b| a % b),
        Binary::Pow => power(out, a, b),
        Binary::Max => pairs(out, a, b, |a, b| if a > b || a.is_nan() { a } else { b }),
        Binary::Min => pairs(out, a, b, |a, b| if a < b || a.is_nan() { a } else { b }),
        _ => pairs(out, a, b, |_, _| f32::NAN),
    }
}

/// Powers; the usual exponents are products and roots.
fn power(out: &mut [f32], a: Lane<'_>, b: Lane<'_>) {
    match b {
        Lane::One(2.0) => pairs(out, a, b, |a, _| a * a),
        Lane::One(0.5) => pairs(out, a, b, |a, _| a.sqrt()),
        Lane::One(3.0) => pairs(out, a, b, |a, _| a * a * a),
        _ => pairs(out, a, b, f32::powf),
    }
}

/// Values brought into a range.
pub(crate) fn clamp(values: &mut [f32], min: f32, max: f32) {
    each(values, |v| {
        let v = if v < min { min } else { v };
        if v > max { max } else { v }
    });
}
