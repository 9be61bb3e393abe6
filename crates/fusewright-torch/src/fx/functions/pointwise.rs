//! Element by element: activations, arithmetic, comparisons, selection, dropout.

use fusewright_ir::ops::{Binary, Pointwise, Unary};
use fusewright_ir::{DType, Op};
use smallvec::smallvec;

use super::super::arguments::{Built, Call};
use super::super::values::Operand;
use super::{Row, row};

const X: &str = "input inplace";
const XY: &str = "input other alpha";

pub(super) const ROWS: &[Row] = &[
    row("abs absolute __abs__", X, |call| unary(call, Unary::Abs)),
    row("bitwise_not invert inv __invert__", X, |call| unary(call, Unary::BitwiseNot)),
    row("ceil", X, |call| unary(call, Unary::Ceil)),
    row("cos", X, |call| unary(call, Unary::Cos)),
    row("elu", "input alpha inplace", elu),
    row("torch.elu", "input alpha scale input_scale", elu),
    row("erf", X, |call| unary(call, Unary::Erf)),
    row("exp", X, |call| unary(call, Unary::Exp)),
    row("floor", X, |call| unary(call, Unary::Floor)),
    row("gelu", "input approximate", gelu),
    row("hardsigmoid", X, |call| unary(call, Unary::HardSigmoid)),
    row("hardswish", X, |call| unary(call, Unary::HardSwish)),
    row("isnan", X, |call| unary(call, Unary::IsNan)),
    row("leaky_relu", "input negative_slope inplace", leaky_relu),
    row("log", X, |call| unary(call, Unary::Log)),
    row("logical_not", X, |call| unary(call, Unary::LogicalNot)),
    row("mish", X, |call| unary(call, Unary::Mish)),
    row("neg negative __neg__", X, |call| unary(call, Unary::Neg)),
    row("reciprocal", X, |call| unary(call, Unary::Reciprocal)),
    row("relu", X, |call| unary(call, Unary::Relu)),
    row("relu6", X, |call| unary(call, Unary::Relu6)),
    row("round", "input decimals", round),
    row("rsqrt", X, |call| unary(call, Unary::Rsqrt)),
    row("sigmoid expit", X, |call| unary(call, Unary::Sigmoid)),
    row("sign sgn", X, |call| unary(call, Unary::Sign)),
    row("silu", X, |call| unary(call, Unary::Silu)),
    row("sin", X, |call| unary(call, Unary::Sin)),
    row("softplus", "input beta threshold", softplus),
    row("sqrt", X, |call| unary(call, Unary::Sqrt)),
    row("square", X, |call| unary(call, Unary::Square)),
    row("tanh", X, |call| unary(call, Unary::Tanh)),
    row("add iadd __add__ __radd__", XY, |call| binary(call, Binary::Add)),
    row("sub subtract isub __sub__", XY, |call| binary(call, Binary::Sub)),
    row("rsub __rsub__", XY, reversed_sub),
    row("mul multiply imul __mul__ __rmul__", XY, |call| binary(call, Binary::Mul)),
    row("div divide true_divide truediv itruediv __truediv__", "input other rounding_mode", divide),
    row("floor_divide floordiv ifloordiv __floordiv__", XY, |call| binary(call, Binary::FloorDiv)),
    row("remainder mod imod __mod__", XY, |call| binary(call, Binary::Mod)),
    row("pow ipow __pow__", "input exponent", power),
    row("maximum", XY, |call| binary(call, Binary::Max)),
    row("minimum", XY, |call| binary(call, Binary::Min)),
    row("eq __eq__", XY, |call| binary(call, Binary::Eq)),
    row("ne not_equal __ne__", XY, |call| binary(call, Binary::Ne)),
    row("lt less __lt__", XY, |call| binary(call, Binary::Lt)),
    row("le less_equal __le__", XY, |call| binary(call, Binary::Le)),
    row("gt greater __gt__", XY, |call| binary(call, Binary::Gt)),
    row("ge greater_equal __ge__", XY, |call| binary(call, Binary::Ge)),
    row("bitwise_and and_ iand __and__", XY, |call| binary(call, Binary::And)),
    row("bitwise_or or_ ior __or__", XY, |call| binary(call, Binary::Or)),
    row("bitwise_xor xor ixor __xor__", XY, |call| binary(call, Binary::Xor)),
    row("logical_and", XY, |call| logical(call, Binary::And)),
    row("logical_or", XY, |call| logical(call, Binary::Or)),
    row("logical_xor", XY, |call| logical(call, Binary::Xor)),
    row("clamp clip", "input min max", |call| clamp(call, "min", "max")),
    row("clamp_min", "input min", |call| clamp(call, "min", "")),
    row("clamp_max", "input max", |call| clamp(call, "", "max")),
    row("hardtanh", "input min_val max_val inplace", hardtanh),
    row("where", "condition input other", select),
    row("masked_fill", "input mask value", masked_fill),
    row("dropout", "input p training inplace", |call| dropout(call, false)),
    row("dropout1d dropout2d dropout3d feature_dropout", "input p training inplace", |call| {
        unusual_dropout(call, true)
    }),
    row("alpha_dropout feature_alpha_dropout", "input p training inplace", |call| unusual_dropout(call, false)),
    row("torchvision.ops.stochastic_depth.stochastic_depth", "input p mode training inplace", |call| {
        dropout(call, true)
    }),
];

fn unary(call: &Call<'_>, kind: Unary) -> Built {
    activation(call, Pointwise::Unary(kind))
}

fn activation(call: &Call<'_>, op: Pointwise) -> Built {
    Ok((Op::Pointwise(op), smallvec![call.tensor("input")?]))
}

fn gelu(call: &Call<'_>) -> Built {
    match call.text("approximate")? {
        None | Some("none") => unary(call, Unary::Gelu),
        Some("tanh") => unary(call, Unary::GeluTanh),
        Some(other) => Err(format!("`approximate` is `{other}`, expected none or tanh")),
    }
}

fn leaky_relu(call: &Call<'_>) -> Built {
    activation(call, Pointwise::LeakyRelu { slope: call.number_or("negative_slope", 0.01)? })
}

/// `aten.elu` has two more factors, which also make it SELU and CELU.
fn elu(call: &Call<'_>) -> Built {
    for name in ["scale", "input_scale"] {
        if call.number_or(name, 1.0)?.to_bits() != 1.0_f64.to_bits() {
            return Err("its operand or result is scaled".to_owned());
        }
    }
    activation(call, Pointwise::Elu { alpha: call.number_or("alpha", 1.0)? })
}

fn softplus(call: &Call<'_>) -> Built {
    let (beta, threshold) = (call.number_or("beta", 1.0)?, call.number_or("threshold", 20.0)?);
    activation(call, Pointwise::Softplus { beta, threshold })
}

fn round(call: &Call<'_>) -> Built {
    call.refuse("decimals")?;
    unary(call, Unary::Round)
}

/// A function of two arguments, of which one may be a number.
fn binary(call: &Call<'_>, kind: Binary) -> Built {
    if call.number_or("alpha", 1.0)?.to_bits() != 1.0_f64.to_bits() {
        return Err("`alpha` scales the second operand".to_owned());
    }
    two(call, kind, "input", "other")
}

fn two(call: &Call<'_>, kind: Binary, first: &str, second: &str) -> Built {
    let with_scalar = |scalar, reversed| Op::Pointwise(Pointwise::WithScalar { kind, scalar, reversed });
    let number = |name: &str| call.optional_number(name)?.ok_or_else(|| format!("the argument `{name}` is missing"));
    match (call.given(first), call.given(second)) {
        (Some(Operand::Tensor(a)), Some(Operand::Tensor(b))) => {
            Ok((Op::Pointwise(Pointwise::Binary(kind)), smallvec![a, b]))
        }
        (Some(Operand::Tensor(a)), _) => Ok((with_scalar(number(second)?, false), smallvec![a])),
        (_, Some(Operand::Tensor(b))) => Ok((with_scalar(number(first)?, true), smallvec![b])),
        _ => Err("no operand is a tensor".to_owned()),
    }
}

fn reversed_sub(call: &Call<'_>) -> Built {
    if call.number_or("alpha", 1.0)?.to_bits() != 1.0_f64.to_bits() {
        return Err("`alpha` scales the second operand".to_owned());
    }
    two(call, Binary::Sub, "other", "input")
}

fn divide(call: &Call<'_>) -> Built {
    match call.text("rounding_mode")? {
        None => two(call, Binary::Div, "input", "other"),
        Some("floor") => two(call, Binary::FloorDiv, "input", "other"),
        Some(mode) => Err(format!("division that rounds by `{mode}` has no counterpart")),
    }
}

/// Squares are a kind of their own; other powers keep their exponent.
fn power(call: &Call<'_>) -> Built {
    let base_is_tensor = matches!(call.given("input"), Some(Operand::Tensor(_)));
    match call.given("exponent").and_then(|exponent| exponent.number()) {
        Some(exponent) if base_is_tensor && exponent.to_bits() == 2.0_f64.to_bits() => unary(call, Unary::Square),
        _ => two(call, Binary::Pow, "input", "exponent"),
    }
}

/// Logical ops are bitwise ones on truth values; on numbers they are not.
fn logical(call: &Call<'_>, kind: Binary) -> Built {
    for name in ["input", "other"] {
        let (_, ty) = call.typed(name)?;
        if ty.dtype != DType::Bool {
            return Err(format!("`{name}` is not of dtype bool"));
        }
    }
    two(call, kind, "input", "other")
}

fn clamp(call: &Call<'_>, min: &str, max: &str) -> Built {
    let (min, max) = (call.optional_number(min)?, call.optional_number(max)?);
    Ok((Op::Pointwise(Pointwise::Clamp { min, max }), smallvec![call.tensor("input")?]))
}

fn hardtanh(call: &Call<'_>) -> Built {
    let (min, max) = (call.number_or("min_val", -1.0)?, call.number_or("max_val", 1.0)?);
    let op = Pointwise::Clamp { min: Some(min), max: Some(max) };
    Ok((Op::Pointwise(op), smallvec![call.tensor("input")?]))
}

/// With a number for the true branch it is a masked fill of the other one.
fn select(call: &Call<'_>) -> Built {
    let condition = call.tensor("condition")?;
    let other = call.tensor("other")?;
    if let Some(Operand::Tensor(input)) = call.given("input") {
        return Ok((Op::Pointwise(Pointwise::Where), smallvec![condition, input, other]));
    }
    let value = call.optional_number("input")?.ok_or("the argument `input` is missing")?;
    Ok((Op::Pointwise(Pointwise::MaskedFill { value }), smallvec![other, condition]))
}

fn masked_fill(call: &Call<'_>) -> Built {
    let value = call.optional_number("value")?.ok_or("the argument `value` is missing")?;
    let inputs = smallvec![call.tensor("input")?, call.tensor("mask")?];
    Ok((Op::Pointwise(Pointwise::MaskedFill { value }), inputs))
}

fn dropout(call: &Call<'_>, per_sample: bool) -> Built {
    let op = Pointwise::Dropout { p: call.number_or("p", 0.5)?, training: call.flag("training", true)?, per_sample };
    Ok((Op::Pointwise(op), smallvec![call.tensor("input")?]))
}

/// Dropout of whole channels, or to other values than zero, passes its operand on outside training.
fn unusual_dropout(call: &Call<'_>, live_by_default: bool) -> Built {
    if call.flag("training", live_by_default)? {
        return Err("this kind of dropout, live in training mode, has no counterpart".to_owned());
    }
    let op = Pointwise::Dropout { p: call.number_or("p", 0.5)?, training: false, per_sample: false };
    Ok((Op::Pointwise(op), smallvec![call.tensor("input")?]))
}
