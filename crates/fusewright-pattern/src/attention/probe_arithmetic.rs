//! Arithmetic on elements of which some are not known, for the probe.

use fusewright_ir::DType;
use fusewright_ir::ops::{Binary, Unary};

use super::probe::{HIDDEN, Sample, Taint};

/// Sums with what is not known are hidden from this number on.
const HIDES: f64 = -1e4;

/// Equal as the comparison of a mask finds them: to the last bit.
#[allow(clippy::float_cmp, reason = "positions and fills are compared as the model compares them")]
pub(super) fn same(x: f64, y: f64) -> bool {
    x == y
}

pub(super) fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

pub(super) fn cast(value: f64, dtype: DType) -> f64 {
    match dtype {
        DType::Bool => truth(value != 0.0),
        dtype if dtype.is_float() => value,
        _ => value.trunc(),
    }
}

/// One operand of this value settles the result.
pub(super) fn decides(kind: Binary, value: Option<f64>) -> bool {
    matches!((kind, value), (Binary::And | Binary::Mul, Some(0.0)))
}

/// A function of two elements, of which one may be unknown.
pub(super) fn combine(kind: Binary, a: Sample, b: Sample, dtype: DType) -> Sample {
    let taint = a.taint.and(b.taint);
    if let (Some(x), Some(y)) = (a.value, b.value) {
        let value = binary(kind, x, y).map(|value| if dtype.is_float() { value } else { value.trunc() });
        return Sample { value, taint };
    }
    let known = a.value.or(b.value);
    let (sample, unknown) = if a.value.is_some() { (a, b.taint) } else { (b, a.taint) };
    match (kind, known) {
        (Binary::And | Binary::Mul, Some(0.0)) => Sample::known(0.0).tainted(sample.taint),
        (Binary::Or, Some(value)) if dtype == DType::Bool && value != 0.0 => Sample::known(1.0).tainted(sample.taint),
        // A learned bias does not bring back what a mask hides, however mildly it does.
        (Binary::Add, Some(value)) if value <= HIDDEN && unknown == Taint::LEARNED => sample,
        (Binary::Add | Binary::Min, Some(value)) if value <= HIDES => Sample::known(value).tainted(sample.taint),
        (Binary::Sub, Some(value)) if a.value.is_some() && value <= HIDES => sample,
        (Binary::Sub, Some(value)) if b.value.is_some() && value >= -HIDES => Sample::known(-value).tainted(b.taint),
        // What is no padding differs from the padding token.
        (Binary::Ne, Some(_)) if taint == Taint::TOKEN => Sample::known(1.0).tainted(Taint::PADDING),
        (Binary::Eq, Some(_)) if taint == Taint::TOKEN => Sample::known(0.0).tainted(Taint::PADDING),
        _ => Sample::unknown(taint),
    }
}

pub(super) fn binary(kind: Binary, x: f64, y: f64) -> Option<f64> {
    let whole = |value: f64| value.abs() < 9e15 && value.fract() == 0.0;
    let bits = |op: fn(i64, i64) -> i64| {
        #[allow(clippy::cast_possible_truncation, reason = "both are whole numbers below 2^53")]
        (whole(x) && whole(y)).then(|| op(x as i64, y as i64) as f64)
    };
    Some(match kind {
        Binary::Add => x + y,
        Binary::Sub => x - y,
        Binary::Mul => x * y,
        Binary::Div => x / y,
        Binary::FloorDiv => (x / y).floor(),
        Binary::Mod => x - y * (x / y).floor(),
        Binary::Pow => x.powf(y),
        Binary::Max => x.max(y),
        Binary::Min => x.min(y),
        Binary::Eq => truth(same(x, y)),
        Binary::Ne => truth(!same(x, y)),
        Binary::Lt => truth(x < y),
        Binary::Le => truth(x <= y),
        Binary::Gt => truth(x > y),
        Binary::Ge => truth(x >= y),
        Binary::Fmod => x % y,
        Binary::Polar => return None,
        Binary::And => return bits(|x, y| x & y),
        Binary::Or => return bits(|x, y| x | y),
        Binary::Xor => return bits(|x, y| x ^ y),
    })
}

pub(super) fn unary(kind: Unary, x: f64, is_bool: bool) -> Option<f64> {
    Some(match kind {
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::Sign => truth(x > 0.0) - truth(x < 0.0),
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Sqrt => x.sqrt(),
        Unary::Rsqrt => x.sqrt().recip(),
        Unary::Reciprocal => x.recip(),
        Unary::Square => x * x,
        Unary::Relu => x.max(0.0),
        Unary::LogicalNot => truth(x == 0.0),
        Unary::BitwiseNot if is_bool => truth(x == 0.0),
        Unary::BitwiseNot => -x - 1.0,
        Unary::IsNan => truth(x.is_nan()),
        Unary::IsInf => truth(x.is_infinite()),
        Unary::Trunc => x.trunc(),
        Unary::Log2 => x.log2(),
        Unary::Exp2 => x.exp2(),
        Unary::Log1p => x.ln_1p(),
        Unary::Expm1 => x.exp_m1(),
        _ => return None,
    })
}
