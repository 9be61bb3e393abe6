//! Element by element: loops over broadcast operands, vector code where the functions allow it.

use fusewright_ir::TensorType;
use fusewright_ir::ops::{Binary, Pointwise, Unary};

use super::slices;
use super::{broadcast_shape, expanded, operand, sizes};
use crate::lanes::{arithmetic, chunked, map1, map3};
use crate::math;
use crate::tensor::{Class, Data, Tensor, class};

pub(crate) fn pointwise(op: &Pointwise, operands: &[&Tensor], results: &[&TensorType]) -> Result<Tensor, String> {
    let result = results.first().copied().ok_or("there is no result")?;
    let x = operand(operands, 0)?;
    let of_float = |f: &(dyn Fn(&Tensor) -> Tensor + Sync)| f(&as_float(x)).cast(result.dtype);
    match op {
        Pointwise::Unary(kind) => unary(*kind, x, result),
        Pointwise::Binary(kind) => binary(*kind, x, operand(operands, 1)?, result),
        Pointwise::WithScalar { kind, scalar, reversed } => {
            let y = scalar_like(*scalar, x);
            if *reversed { binary(*kind, &y, x, result) } else { binary(*kind, x, &y, result) }
        }
        Pointwise::LeakyRelu { slope } => {
            let slope = narrow(*slope);
            Ok(of_float(&|x| map1(x, |v| if v < 0.0 { v * slope } else { v })))
        }
        Pointwise::Elu { alpha } => {
            let alpha = narrow(*alpha);
            Ok(of_float(&|x| map1(x, |v| if v < 0.0 { alpha * (math::exp(v) - 1.0) } else { v })))
        }
        Pointwise::Softplus { beta, threshold } => {
            let (beta, threshold) = (narrow(*beta), narrow(*threshold));
            let soft = |v: f32| if v * beta > threshold { v } else { (v * beta).exp().ln_1p() / beta };
            Ok(of_float(&|x| map1(x, soft)))
        }
        Pointwise::Clamp { min, max } => Ok(clamp(x, *min, *max).cast(result.dtype)),
        Pointwise::Where => select(x, operand(operands, 1)?, operand(operands, 2)?, result),
        Pointwise::MaskedFill { value } => {
            let filler = super::copy_filled(result, *value);
            select(operand(operands, 1)?, &filler, x, result)
        }
        Pointwise::MaskedKeep { value } => {
            let filler = super::copy_filled(result, *value);
            select(operand(operands, 1)?, x, &filler, result)
        }
        Pointwise::Triangle { upper, diagonal } => triangle(x, *upper, *diagonal),
        Pointwise::Rotary { width, interleaved } => {
            let width = super::size(*width)?;
            rotary(x, operand(operands, 1)?, operand(operands, 2)?, width, *interleaved)
        }
        Pointwise::Dropout { p, training: true, .. } if *p > 0.0 => {
            Err("dropout is live: random zeros have no reference".to_owned())
        }
        Pointwise::Dropout { .. } => Ok(x.clone()),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "floats are computed as f32")]
pub(crate) fn narrow(value: f64) -> f32 {
    value as f32
}

fn as_float(x: &Tensor) -> Tensor {
    if x.class() == Class::Float { x.clone() } else { x.cast(fusewright_ir::DType::F32) }
}

/// A number as a tensor of rank 0 that computes with x: an integer beside integers, if it is one.
fn scalar_like(scalar: f64, x: &Tensor) -> Tensor {
    #[expect(clippy::cast_possible_truncation, reason = "only whole numbers get here")]
    if x.class() != Class::Float && scalar.fract() == 0.0 && scalar.is_finite() {
        return Tensor::from_ints(fusewright_ir::DType::I64, &[], vec![scalar as i64]);
    }
    Tensor::from_floats(fusewright_ir::DType::F32, &[], vec![narrow(scalar)])
}

fn unary(kind: Unary, x: &Tensor, result: &TensorType) -> Result<Tensor, String> {
    if x.class() != Class::Float && class(result.dtype) != Class::Float {
        return whole_unary(kind, x, result);
    }
    let x = as_float(x);
    let truth = |f: fn(f32) -> bool| {
        let values = x.floats().iter().map(|&value| u8::from(f(value))).collect();
        Ok(Tensor::from_bools(&x.shape, values))
    };
    match kind {
        Unary::LogicalNot => return truth(|v| v == 0.0),
        Unary::IsNan => return truth(f32::is_nan),
        Unary::IsInf => return truth(f32::is_infinite),
        Unary::BitwiseNot => return Err("bits of floats cannot be inverted".to_owned()),
        _ => {}
    }
    let y = chunked(&x, |part| {
        slices::unary(kind, part);
    });
    Ok(y.cast(result.dtype))
}

fn whole_unary(kind: Unary, x: &Tensor, result: &TensorType) -> Result<Tensor, String> {
    let is_bool = x.class() == Class::Bool;
    let function: fn(i64) -> i64 = match kind {
        Unary::LogicalNot => |v| i64::from(v == 0),
        Unary::BitwiseNot if is_bool => |v| i64::from(v == 0),
        Unary::BitwiseNot => |v| !v,
        Unary::Neg => i64::wrapping_neg,
        Unary::Abs => i64::wrapping_abs,
        Unary::Sign => i64::signum,
        Unary::Square => |v| v.wrapping_mul(v),
        Unary::Relu => |v| v.max(0),
        Unary::Relu6 => |v| v.clamp(0, 6),
        Unary::Floor | Unary::Ceil | Unary::Round | Unary::Trunc => |v| v,
        Unary::IsNan | Unary::IsInf => |_| 0,
        other => return Err(format!("`{}` of integers is not defined here", other.name())),
    };
    let values: Vec<i64> = x.ints().iter().map(|&value| function(value)).collect();
    Ok(Tensor::from_ints(fusewright_ir::DType::I64, &x.shape, values).cast(result.dtype))
}

fn binary(kind: Binary, x: &Tensor, y: &Tensor, result: &TensorType) -> Result<Tensor, String> {
    let shape = broadcast_shape(&[&x.shape, &y.shape]);
    if x.class() != Class::Float && y.class() != Class::Float && class(result.dtype) != Class::Float {
        return whole_binary(kind, &expanded(x, &shape), &expanded(y, &shape), result);
    }
    let (x, y) = (expanded(&as_float(x), &shape), expanded(&as_float(y), &shape));
    let truth = |f: fn(f32, f32) -> bool| {
        let values = x.floats().iter().zip(y.floats().iter()).map(|(&a, &b)| u8::from(f(a, b))).collect();
        Ok(Tensor::from_bools(&shape, values))
    };
    #[expect(clippy::float_cmp, reason = "equality is what the op computes")]
    let z = match kind {
        Binary::Eq => return truth(|a, b| a == b),
        Binary::Ne => return truth(|a, b| a != b),
        Binary::Lt => return truth(|a, b| a < b),
        Binary::Le => return truth(|a, b| a <= b),
        Binary::Gt => return truth(|a, b| a > b),
        Binary::Ge => return truth(|a, b| a >= b),
        Binary::And => return truth(|a, b| a != 0.0 && b != 0.0),
        Binary::Or => return truth(|a, b| a != 0.0 || b != 0.0),
        Binary::Xor => return truth(|a, b| (a != 0.0) != (b != 0.0)),
        Binary::Polar => return Err("complex numbers are not supported".to_owned()),
        kind => arithmetic(kind, &x, &y),
    };
    Ok(z.cast(result.dtype))
}

fn whole_binary(kind: Binary, x: &Tensor, y: &Tensor, result: &TensorType) -> Result<Tensor, String> {
    let truth = x.class() == Class::Bool && y.class() == Class::Bool;
    let function: fn(i64, i64) -> i64 = match kind {
        Binary::Add => i64::wrapping_add,
        Binary::Sub => i64::wrapping_sub,
        Binary::Mul => i64::wrapping_mul,
        Binary::Div | Binary::FloorDiv => |a, b| if b == 0 { 0 } else { floor_div(a, b) },
        Binary::Mod => |a, b| if b == 0 { 0 } else { a.wrapping_sub(b.wrapping_mul(floor_div(a, b))) },
        Binary::Fmod => |a, b| if b == 0 { 0 } else { a.wrapping_rem(b) },
        Binary::Pow => |a, b| u32::try_from(b).map_or(0, |b| a.wrapping_pow(b)),
        Binary::Max => i64::max,
        Binary::Min => i64::min,
        Binary::Eq => |a, b| i64::from(a == b),
        Binary::Ne => |a, b| i64::from(a != b),
        Binary::Lt => |a, b| i64::from(a < b),
        Binary::Le => |a, b| i64::from(a <= b),
        Binary::Gt => |a, b| i64::from(a > b),
        Binary::Ge => |a, b| i64::from(a >= b),
        Binary::And if truth => |a, b| a & b,
        Binary::Or if truth => |a, b| a | b,
        Binary::Xor if truth => |a, b| a ^ b,
        // Of integers these are logical where the result is a truth value and bitwise otherwise.
        Binary::And if result.dtype == fusewright_ir::DType::Bool => |a, b| i64::from(a != 0 && b != 0),
        Binary::Or if result.dtype == fusewright_ir::DType::Bool => |a, b| i64::from(a != 0 || b != 0),
        Binary::Xor if result.dtype == fusewright_ir::DType::Bool => |a, b| i64::from((a != 0) != (b != 0)),
        Binary::And => |a, b| a & b,
        Binary::Or => |a, b| a | b,
        Binary::Xor => |a, b| a ^ b,
        Binary::Polar => return Err("complex numbers are not supported".to_owned()),
    };
    let values: Vec<i64> = x.ints().iter().zip(y.ints().iter()).map(|(&a, &b)| function(a, b)).collect();
    Ok(Tensor::from_ints(fusewright_ir::DType::I64, &x.shape, values).cast(result.dtype))
}

fn floor_div(a: i64, b: i64) -> i64 {
    let quotient = a.wrapping_div(b);
    if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }
}

fn clamp(x: &Tensor, min: Option<f64>, max: Option<f64>) -> Tensor {
    if x.class() == Class::Float {
        let (min, max) = (min.map_or(f32::NEG_INFINITY, narrow), max.map_or(f32::INFINITY, narrow));
        return map1(x, |v| {
            let v = if v < min { min } else { v };
            if v > max { max } else { v }
        });
    }
    #[expect(clippy::cast_possible_truncation, reason = "conversion saturates, which is what is wanted")]
    let (min, max) = (min.map_or(i64::MIN, |v| v.ceil() as i64), max.map_or(i64::MAX, |v| v.floor() as i64));
    let values = x.ints().iter().map(|&v| v.max(min).min(max)).collect();
    Tensor::from_ints(x.dtype, &x.shape, values)
}

fn select(condition: &Tensor, a: &Tensor, b: &Tensor, result: &TensorType) -> Result<Tensor, String> {
    let shape = sizes(&result.shape)?;
    let condition = expanded(&condition.cast(fusewright_ir::DType::Bool), &shape);
    let (a, b) = (expanded(&a.cast(result.dtype), &shape), expanded(&b.cast(result.dtype), &shape));
    if class(result.dtype) == Class::Float {
        return Ok(map3(&condition, &a, &b, |c, a, b| if c != 0 { a } else { b }));
    }
    let (flags, a, b) = (condition.bools(), a.ints(), b.ints());
    let picked = flags.iter().zip(a.iter().zip(b.iter()));
    let values: Vec<i64> = picked.map(|(&c, (&a, &b))| if c != 0 { a } else { b }).collect();
    Ok(Tensor::from_ints(fusewright_ir::DType::I64, &shape, values).cast(result.dtype))
}

fn triangle(x: &Tensor, upper: bool, diagonal: i64) -> Result<Tensor, String> {
    let [.., rows, columns] = x.shape[..] else { return Err("x needs two axes".to_owned()) };
    let kept = |at: usize| {
        let row = (at / columns.max(1) % rows.max(1)).cast_signed() as i64;
        let column = (at % columns.max(1)).cast_signed() as i64;
        if upper { column - row >= diagonal } else { column - row <= diagonal }
    };
    Ok(match &x.data {
        Data::Float(_) => {
            let values = x.floats().iter().enumerate().map(|(at, &v)| if kept(at) { v } else { 0.0 }).collect();
            Tensor::from_floats(x.dtype, &x.shape, values)
        }
        Data::Int(_) => {
            let values = x.ints().iter().enumerate().map(|(at, &v)| if kept(at) { v } else { 0 }).collect();
            Tensor::from_ints(x.dtype, &x.shape, values)
        }
        Data::Bool(_) => {
            let values = x.bools().iter().enumerate().map(|(at, &v)| if kept(at) { v } else { 0 }).collect();
            Tensor::from_bools(&x.shape, values)
        }
    })
}

/// Pairs of each row turned by their angles; the rest of a row passes.
fn rotary(x: &Tensor, cos: &Tensor, sin: &Tensor, width: usize, interleaved: bool) -> Result<Tensor, String> {
    let Some((&last, rows)) = x.shape.split_last() else { return Err("x needs an axis".to_owned()) };
    let table = |table: &Tensor| {
        let wide = *table.shape.last().unwrap_or(&0) == width;
        let turned = if wide { width } else { width / 2 };
        let shape: Vec<usize> = rows.iter().copied().chain([turned]).collect();
        (expanded(table, &shape).floats().into_owned(), turned)
    };
    let ((cos, cos_width), (sin, sin_width)) = (table(cos), table(sin));
    let mut values = x.floats().into_owned();
    for (row, out) in values.chunks_mut(last.max(1)).enumerate() {
        let half = width / 2;
        for pair in 0..half {
            let (i, j) = if interleaved { (2 * pair, 2 * pair + 1) } else { (pair, pair + half) };
            let angle = |table: &[f32], own: usize, at: usize| {
                if own == width { table[row * own + at] } else { table[row * own + pair] }
            };
            let (a, b) = (out[i], out[j]);
            out[i] = a * angle(&cos, cos_width, i) - b * angle(&sin, sin_width, i);
            out[j] = b * angle(&cos, cos_width, j) + a * angle(&sin, sin_width, j);
        }
    }
    Ok(Tensor::from_floats(x.dtype, &x.shape, values).rounded())
}
