//! Element by element: activations, arithmetic, comparisons, selection, dropout.

use fusewright_ir::ops::{Binary, Copy, Pointwise, Unary};
use fusewright_ir::{DType, Op};
use smallvec::smallvec;

use super::super::arguments::{Built, Call, Inputs};
use super::super::values::Operand;
use super::{Results, Row, Step, row};

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
    row("log1p", X, |call| unary(call, Unary::Log1p)),
    row("log2", X, |call| unary(call, Unary::Log2)),
    row("exp2", X, |call| unary(call, Unary::Exp2)),
    row("expm1", X, |call| unary(call, Unary::Expm1)),
    row("atan arctan", X, |call| unary(call, Unary::Atan)),
    row("isinf", X, |call| unary(call, Unary::IsInf)),
    row("trunc fix", X, |call| unary(call, Unary::Trunc)),
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
    row("add iadd __add__ __radd__", XY, |call| sum(call, Binary::Add, "input", "other")).after(scale_other),
    row("sub subtract isub __sub__", XY, |call| sum(call, Binary::Sub, "input", "other")).after(scale_other),
    row("rsub __rsub__", XY, |call| sum(call, Binary::Sub, "other", "input")).after(scale_input),
    row("mul multiply imul __mul__ __rmul__", XY, |call| binary(call, Binary::Mul)),
    row("div divide true_divide truediv itruediv __truediv__", "input other rounding_mode", divide)
        .after(prepare_divide),
    row("fmod", XY, |call| binary(call, Binary::Fmod)),
    row("polar", "input/abs other/angle", |call| binary(call, Binary::Polar)),
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
    row("logical_and", XY, |call| logical(call, Binary::And)).after(as_truth),
    row("logical_or", XY, |call| logical(call, Binary::Or)).after(as_truth),
    row("logical_xor", XY, |call| logical(call, Binary::Xor)).after(as_truth),
    row("clamp clip", "input min max", |call| clamp(call, "min", "max")).after(prepare_clamp),
    row("clamp_min", "input min", |call| clamp(call, "min", "")),
    row("clamp_max", "input max", |call| clamp(call, "", "max")),
    row("hardtanh", "input min_val max_val inplace", hardtanh),
    row("where", "condition input other", select).after(prepare_select),
    row("masked_fill", "input mask value", masked_fill).after(prepare_masked_fill),
    row("dropout", "input p training/train inplace", |call| dropout(call, false)),
    row("native_dropout", "input p training/train", |call| dropout(call, false)).with_results(Results::First),
    row("dropout1d dropout2d dropout3d feature_dropout", "input p training/train inplace", |call| {
        unusual_dropout(call, true)
    }),
    row("alpha_dropout feature_alpha_dropout", "input p training/train inplace", |call| unusual_dropout(call, false)),
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

/// Its second operand may be scaled.
fn sum(call: &Call<'_>, kind: Binary, first: &str, second: &str) -> Built {
    two(call, kind, first, if call.given("scaled").is_some() { "scaled" } else { second })
}

/// What `alpha` scales is scaled first.
fn scale_other(call: &Call<'_>) -> Result<Option<Step>, String> {
    scale(call, "other")
}

fn scale_input(call: &Call<'_>) -> Result<Option<Step>, String> {
    scale(call, "input")
}

fn scale(call: &Call<'_>, name: &'static str) -> Result<Option<Step>, String> {
    let alpha = call.number_or("alpha", 1.0)?;
    if alpha.to_bits() == 1.0_f64.to_bits() || call.given("scaled").is_some() {
        return Ok(None);
    }
    let Some(Operand::Tensor(value)) = call.given(name) else {
        return Err("`alpha` scales a number".to_owned());
    };
    let op = Pointwise::WithScalar { kind: Binary::Mul, scalar: alpha, reversed: false };
    Ok(Some(("scaled", Op::Pointwise(op), smallvec![value])))
}

/// A quotient without its fraction is a quotient first.
fn prepare_divide(call: &Call<'_>) -> Result<Option<Step>, String> {
    if call.text("rounding_mode")? != Some("trunc") || call.given("quotient").is_some() {
        return Ok(None);
    }
    let (op, inputs) = two(call, Binary::Div, "input", "other")?;
    Ok(Some(("quotient", op, inputs)))
}

fn divide(call: &Call<'_>) -> Built {
    match call.text("rounding_mode")? {
        None => two(call, Binary::Div, "input", "other"),
        Some("floor") => two(call, Binary::FloorDiv, "input", "other"),
        Some("trunc") => Ok((Op::Pointwise(Pointwise::Unary(Unary::Trunc)), smallvec![call.tensor("quotient")?])),
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

/// Logical ops are bitwise ones on truth values.
fn logical(call: &Call<'_>, kind: Binary) -> Built {
    two(call, kind, "input", "other")
}

fn as_truth(call: &Call<'_>) -> Result<Option<Step>, String> {
    for name in ["input", "other"] {
        let (value, ty) = call.typed(name)?;
        if ty.dtype != DType::Bool {
            let op = Pointwise::WithScalar { kind: Binary::Ne, scalar: 0.0, reversed: false };
            return Ok(Some((name, Op::Pointwise(op), smallvec![value])));
        }
    }
    Ok(None)
}

/// Bounds that are tensors are a maximum and a minimum.
fn prepare_clamp(call: &Call<'_>) -> Result<Option<Step>, String> {
    let (Some(Operand::Tensor(low)), Some(Operand::Tensor(_))) = (call.given("min"), call.given("max")) else {
        return Ok(None);
    };
    let bounded = call.given("bounded").is_some();
    let op = Op::Pointwise(Pointwise::Binary(Binary::Max));
    Ok((!bounded).then_some(("bounded", op, smallvec![call.tensor("input")?, low])))
}

fn clamp(call: &Call<'_>, min: &str, max: &str) -> Built {
    for (name, kind) in [(max, Binary::Min), (min, Binary::Max)] {
        if let Some(Operand::Tensor(bound)) = call.given(name) {
            let other = if name == max { min } else { max };
            let x = match (call.optional_tensor("bounded")?, call.given(other)) {
                (Some(bounded), _) => bounded,
                (None, None) => call.tensor("input")?,
                (None, Some(_)) => return Err("one bound is a tensor and the other a number".to_owned()),
            };
            return Ok((Op::Pointwise(Pointwise::Binary(kind)), smallvec![x, bound]));
        }
    }
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
    let Some(Operand::Tensor(other)) = call.given("other") else {
        let value = call.optional_number("other")?.ok_or("the argument `other` is missing")?;
        let inputs = smallvec![call.tensor("input")?, condition];
        return Ok((Op::Pointwise(Pointwise::MaskedKeep { value }), inputs));
    };
    if let Some(Operand::Tensor(input)) = call.given("input") {
        return Ok((Op::Pointwise(Pointwise::Where), smallvec![condition, input, other]));
    }
    let value = call.optional_number("input")?.ok_or("the argument `input` is missing")?;
    Ok((Op::Pointwise(Pointwise::MaskedFill { value }), smallvec![other, condition]))
}

/// Between two numbers, one is a tensor of one element first. A tensor next to a number has the recorded element type.
fn prepare_select(call: &Call<'_>) -> Result<Option<Step>, String> {
    let dtype = call.result()?.dtype;
    let tensor = |name| match call.given(name) {
        Some(Operand::Tensor(value)) => Some(value),
        _ => None,
    };
    let (name, value) = match (tensor("input"), tensor("other")) {
        (Some(_), Some(_)) => return Ok(None),
        (Some(value), None) => ("input", value),
        (None, Some(value)) => ("other", value),
        (None, None) => {
            let value = call.optional_number("input")?.ok_or("the argument `input` is missing")?;
            return Ok(Some(("input", Copy::Full { shape: Vec::new(), dtype, value }.into(), Inputs::new())));
        }
    };
    let found = call.env.tensor_type(value)?.dtype;
    Ok((found != dtype).then(|| (name, Copy::Cast { dtype }.into(), smallvec![value])))
}

/// A value that is a tensor has the element type of what it fills.
fn prepare_masked_fill(call: &Call<'_>) -> Result<Option<Step>, String> {
    let Some(Operand::Tensor(value)) = call.given("value") else { return Ok(None) };
    let (found, dtype) = (call.env.tensor_type(value)?.dtype, call.result()?.dtype);
    Ok((found != dtype).then(|| ("value", Copy::Cast { dtype }.into(), smallvec![value])))
}

fn masked_fill(call: &Call<'_>) -> Built {
    if let Some(Operand::Tensor(value)) = call.given("value") {
        let inputs = smallvec![call.tensor("mask")?, value, call.tensor("input")?];
        return Ok((Op::Pointwise(Pointwise::Where), inputs));
    }
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
