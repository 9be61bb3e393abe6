//! Arithmetic and comparisons, element by element, with broadcasting.

use fusewright_ir::DType;

use super::{Fold, Rule, broadcast, broadcast_offsets};
use crate::content::{Content, Elements};

pub(super) fn rule(op: &str) -> Option<Rule> {
    Some(match op {
        "Add" => |call| both(call, i64::checked_add, |a, b| a + b),
        "Sub" => |call| both(call, i64::checked_sub, |a, b| a - b),
        "Mul" => |call| both(call, i64::checked_mul, |a, b| a * b),
        "Div" => |call| both(call, i64::checked_div, |a, b| a / b),
        "Mod" => modulo,
        "Pow" => power,
        "Min" => |call| fold(call, |a, b| Some(a.min(b)), f64::min),
        "Max" => |call| fold(call, |a, b| Some(a.max(b)), f64::max),
        "Sum" => |call| fold(call, i64::checked_add, |a, b| a + b),
        "Equal" => |call| compare(call, |a, b| a == b, |a, b| (a - b).abs() <= 0.0),
        "Less" => |call| compare(call, |a, b| a < b, |a, b| a < b),
        "LessOrEqual" => |call| compare(call, |a, b| a <= b, |a, b| a <= b),
        "Greater" => |call| compare(call, |a, b| a > b, |a, b| a > b),
        "GreaterOrEqual" => |call| compare(call, |a, b| a >= b, |a, b| a >= b),
        "And" | "BitwiseAnd" => |call| ints(call, |a, b| a & b),
        "Or" | "BitwiseOr" => |call| ints(call, |a, b| a | b),
        "Xor" | "BitwiseXor" => |call| ints(call, |a, b| a ^ b),
        "Not" => |call| each(call, |a| Some(i64::from(a == 0)), |a| a),
        "Neg" => |call| each(call, i64::checked_neg, |a| -a),
        "Abs" => |call| each(call, i64::checked_abs, f64::abs),
        "Sign" => |call| each(call, |a| Some(a.signum()), f64::signum),
        "Floor" => |call| floats(call, f64::floor),
        "Ceil" => |call| floats(call, f64::ceil),
        "Round" => |call| floats(call, f64::round_ties_even),
        "Sqrt" => |call| floats(call, f64::sqrt),
        "Reciprocal" => |call| floats(call, f64::recip),
        "Exp" => |call| floats(call, f64::exp),
        "Log" => |call| floats(call, f64::ln),
        "Sin" => |call| floats(call, f64::sin),
        "Cos" => |call| floats(call, f64::cos),
        "Where" => choose,
        _ => return None,
    })
}

fn pair(
    a: &Content,
    b: &Content,
    ints: impl Fn(i64, i64) -> Option<i64>,
    floats: impl Fn(f64, f64) -> f64,
) -> Option<Content> {
    let shape = broadcast(a.shape(), b.shape())?;
    let (left, right) = (broadcast_offsets(a.shape(), &shape)?, broadcast_offsets(b.shape(), &shape)?);
    let elements = if let (Elements::Ints(x), Elements::Ints(y)) = (&a.elements, &b.elements) {
        let pairs = left.iter().zip(&right);
        Elements::Ints(pairs.map(|(&l, &r)| ints(*x.get(l)?, *y.get(r)?)).collect::<Option<_>>()?)
    } else {
        let (x, y) = (a.to_floats(), b.to_floats());
        let pairs = left.iter().zip(&right);
        Elements::Floats(pairs.map(|(&l, &r)| Some(floats(*x.get(l)?, *y.get(r)?))).collect::<Option<_>>()?)
    };
    let dtype = if matches!(elements, Elements::Floats(_)) && !a.dtype().is_float() { b.dtype() } else { a.dtype() };
    Content::new(dtype, shape, elements)
}

fn both(
    call: &Fold<'_, '_>,
    ints: impl Fn(i64, i64) -> Option<i64>,
    floats: impl Fn(f64, f64) -> f64,
) -> Option<Vec<Content>> {
    pair(call.content(0)?, call.content(1)?, ints, floats).map(|content| vec![content])
}

fn fold(
    call: &Fold<'_, '_>,
    ints: impl Fn(i64, i64) -> Option<i64>,
    floats: impl Fn(f64, f64) -> f64,
) -> Option<Vec<Content>> {
    let mut result = call.content(0)?.clone();
    for index in 1..call.inputs.len() {
        result = pair(&result, call.content(index)?, &ints, &floats)?;
    }
    Some(vec![result])
}

fn modulo(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    if call.attributes.flag("fmod", false) {
        return both(call, i64::checked_rem, |a, b| a % b);
    }
    // The result has the sign of the divisor.
    let ints = |a: i64, b: i64| {
        let rest = a.checked_rem(b)?;
        if rest != 0 && (rest < 0) != (b < 0) { rest.checked_add(b) } else { Some(rest) }
    };
    both(call, ints, |a, b| a - (a / b).floor() * b)
}

fn power(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let (base, exponent) = (call.content(0)?, call.content(1)?);
    if base.dtype().is_float() == exponent.dtype().is_float() || base.dtype().is_float() {
        return both(call, |a, b| a.checked_pow(u32::try_from(b).ok()?), f64::powf);
    }
    None
}

fn compare(
    call: &Fold<'_, '_>,
    ints: impl Fn(i64, i64) -> bool,
    floats: impl Fn(f64, f64) -> bool,
) -> Option<Vec<Content>> {
    let result = pair(
        call.content(0)?,
        call.content(1)?,
        |a, b| Some(i64::from(ints(a, b))),
        |a, b| f64::from(u8::from(floats(a, b))),
    )?;
    let elements = match result.elements {
        Elements::Ints(values) => values,
        Elements::Floats(values) => values.into_iter().map(|value| i64::from(value != 0.0)).collect(),
    };
    Content::new(DType::Bool, result.ty.shape, Elements::Ints(elements)).map(|content| vec![content])
}

fn ints(call: &Fold<'_, '_>, apply: impl Fn(i64, i64) -> i64) -> Option<Vec<Content>> {
    call.ints(0)?;
    call.ints(1)?;
    both(call, |a, b| Some(apply(a, b)), |a, _| a)
}

fn each(call: &Fold<'_, '_>, ints: impl Fn(i64) -> Option<i64>, floats: impl Fn(f64) -> f64) -> Option<Vec<Content>> {
    let content = call.content(0)?;
    let elements = match &content.elements {
        Elements::Ints(values) => Elements::Ints(values.iter().map(|&value| ints(value)).collect::<Option<_>>()?),
        Elements::Floats(values) => Elements::Floats(values.iter().map(|&value| floats(value)).collect()),
    };
    Content::new(content.dtype(), content.shape().iter().copied(), elements).map(|content| vec![content])
}

fn floats(call: &Fold<'_, '_>, apply: impl Fn(f64) -> f64) -> Option<Vec<Content>> {
    each(call, |_| None, apply)
}

fn choose(call: &Fold<'_, '_>) -> Option<Vec<Content>> {
    let (condition, yes, no) = (call.content(0)?, call.content(1)?, call.content(2)?);
    let shape = broadcast(&broadcast(condition.shape(), yes.shape())?, no.shape())?;
    let [at_flag, at_yes, at_no] = [condition, yes, no].map(|content| broadcast_offsets(content.shape(), &shape));
    let (at_flag, at_yes, at_no) = (at_flag?, at_yes?, at_no?);
    let flags = condition.as_ints()?;
    let chosen = at_flag.iter().zip(at_yes.iter().zip(&at_no));
    let chosen =
        chosen.map(|(&flag, (&yes, &no))| Some(if *flags.get(flag)? == 0 { (false, no) } else { (true, yes) }));
    let chosen = chosen.collect::<Option<Vec<_>>>()?;
    let elements = match (&yes.elements, &no.elements) {
        (Elements::Ints(yes), Elements::Ints(no)) => {
            let pick = |&(taken, at): &(bool, usize)| if taken { yes.get(at) } else { no.get(at) };
            Elements::Ints(chosen.iter().map(|at| pick(at).copied()).collect::<Option<_>>()?)
        }
        (Elements::Floats(yes), Elements::Floats(no)) => {
            let pick = |&(taken, at): &(bool, usize)| if taken { yes.get(at) } else { no.get(at) };
            Elements::Floats(chosen.iter().map(|at| pick(at).copied()).collect::<Option<_>>()?)
        }
        _ => return None,
    };
    Content::new(yes.dtype(), shape, elements).map(|content| vec![content])
}
