//! Operators on quantised tensors: integers with a scale and a zero point.

use fusewright_ir::ops::{Binary, Contraction, Normalization, Pointwise, ReduceKind, Reduction, Unary};
use fusewright_ir::{DType, Op, Shape};

use super::Row;
use super::attention::projected_attention;
use super::convolution::{convolved, orders};
use super::heads::{Besides, biased};
use crate::build::{Build, Built, Operand, one};

pub(super) const ROWS: &[Row] = &[
    Row::new("QAttention", attention).weights(&[1, 2, 4, 7]),
    Row::new("MatMulIntegerToFloat", to_float).weights(&[1, 3, 5, 6]),
    Row::new("DynamicQuantizeMatMul", dynamic_matmul).weights(&[1, 2, 3, 4]),
    Row::new("QGemm", gemm).weights(&[3, 4, 5, 6]),
    Row::new("QLinearConv", linear_conv).weights(&[3, 4, 5, 8]),
    Row::new("QLinearAdd", |build| binary(build, Binary::Add)),
    Row::new("QLinearMul", |build| binary(build, Binary::Mul)),
    Row::new("QLinearSigmoid", |build| unary(build, Op::Pointwise(Pointwise::Unary(Unary::Sigmoid)))),
    Row::new("QLinearLeakyRelu", |build| {
        let slope = build.attributes.float("alpha", 0.01);
        unary(build, Op::Pointwise(Pointwise::LeakyRelu { slope }))
    }),
    Row::new("QLinearSoftmax", |build| {
        let axis = build.attributes.int("axis", -1);
        unary(build, Op::Normalization(Normalization::Softmax { axis, log: false, zero_masked: false }))
    }),
    Row::new("QLinearGlobalAveragePool", global_average),
];

/// What the standard domain has of them.
pub(super) const STANDARD: &[Row] = &[
    Row::new("DynamicQuantizeLinear", |build| {
        let x = build.input(0)?;
        Ok(dynamic(build, x)?.into_iter().collect())
    }),
    Row::new("ConvInteger", conv_integer).weights(&[1]),
    Row::new("QLinearConv", linear_conv).weights(&[3, 4, 5, 8]),
];

/// `(x − zero) · scale`.
fn dequantized(build: &mut Build<'_, '_>, x: Operand, scale: usize, zero: usize) -> Result<Operand, String> {
    let scale = build.input(scale)?;
    let dtype = build.dtype(scale)?;
    let mut moved = build.cast(x, dtype)?;
    if let Some(zero) = build.optional(zero) {
        let zero = build.cast(zero, dtype)?;
        moved = build.binary(Binary::Sub, moved, zero)?;
    }
    build.binary(Binary::Mul, moved, scale)
}

/// `x / scale + zero`, rounded, inside the range of the element type.
fn quantized(build: &mut Build<'_, '_>, x: Operand, scale: Operand, zero: Option<Operand>) -> Result<Operand, String> {
    let float = build.dtype(x)?;
    let dtype = zero.map_or(Ok(DType::U8), |zero| build.dtype(zero))?;
    let scaled = build.binary(Binary::Div, x, scale)?;
    let mut rounded = build.unary(Unary::Round, scaled)?;
    if let Some(zero) = zero {
        let zero = build.cast(zero, float)?;
        rounded = build.binary(Binary::Add, rounded, zero)?;
    }
    let (min, max) = match dtype {
        DType::I8 => (-128.0, 127.0),
        DType::I16 => (-32768.0, 32767.0),
        DType::U16 => (0.0, 65535.0),
        _ => (0.0, 255.0),
    };
    let inside = build.add(Op::Pointwise(Pointwise::Clamp { min: Some(min), max: Some(max) }), &[rounded])?;
    build.cast(inside, dtype)
}

/// The tensor as unsigned bytes, with the scale and zero point that its range gives.
fn dynamic(build: &mut Build<'_, '_>, x: Operand) -> Result<[Operand; 3], String> {
    let extreme = |build: &mut Build<'_, '_>, kind, bound| {
        let all = build.add(Op::Reduction(Reduction::Reduce { kind, axes: Vec::new(), keep: false }), &[x])?;
        build.scalar(bound, all, 0.0, false)
    };
    let most = extreme(build, ReduceKind::Max, Binary::Max)?;
    let least = extreme(build, ReduceKind::Min, Binary::Min)?;
    let range = build.binary(Binary::Sub, most, least)?;
    let scale = build.scalar(Binary::Div, range, 255.0, false)?;
    let start = build.binary(Binary::Div, least, scale)?;
    let start = build.unary(Unary::Neg, start)?;
    let start = build.unary(Unary::Round, start)?;
    let zero = build.add(Op::Pointwise(Pointwise::Clamp { min: Some(0.0), max: Some(255.0) }), &[start])?;
    let zero = build.cast(zero, DType::U8)?;
    Ok([quantized(build, x, scale, Some(zero))?, scale, zero])
}

/// A product of integers that gives floats; scales and zero points are its operands.
fn product(build: &mut Build<'_, '_>, dtype: DType, operands: &[Option<Operand>]) -> Result<Operand, String> {
    let operands: Vec<Operand> = operands.iter().copied().flatten().collect();
    build.add(Op::Contraction(Contraction::QuantizedMatMul { dtype }), &operands)
}

fn attention(build: &mut Build<'_, '_>) -> Built {
    let operands = [0, 1, 3, 4, 6, 7].map(|index| build.optional(index));
    build.input(1)?;
    let dtype = build.dtype(build.input(3)?)?;
    let projected = product(build, dtype, &operands)?;
    let bias = build.optional(2);
    let projected = biased(build, projected, bias)?;
    let besides = Besides { padding: build.optional(5), ..Besides::default() };
    projected_attention(build, projected, build.optional(8), besides)
}

fn to_float(build: &mut Build<'_, '_>) -> Built {
    let operands: [Option<Operand>; 6] = std::array::from_fn(|index| build.optional(index));
    build.input(1)?;
    let dtype = build.dtype(build.input(2)?)?;
    let result = product(build, dtype, &operands)?;
    let bias = build.optional(6);
    one(biased(build, result, bias)?)
}

fn dynamic_matmul(build: &mut Build<'_, '_>) -> Built {
    let (x, weight) = (build.input(0)?, build.input(1)?);
    let dtype = build.dtype(x)?;
    let [rows, scale, zero] = dynamic(build, x)?;
    let operands = [Some(rows), Some(weight), Some(scale), build.optional(2), Some(zero), build.optional(3)];
    let result = product(build, dtype, &operands)?;
    let bias = build.optional(4);
    one(biased(build, result, bias)?)
}

/// Bias and scales come behind the product of integers; without a scale of its own the result is a float.
fn gemm(build: &mut Build<'_, '_>) -> Built {
    let (mut a, mut b) = (build.input(0)?, build.input(3)?);
    if build.attributes.flag("transA", false) {
        a = build.permute(a, &[1, 0])?;
    }
    if build.attributes.flag("transB", false) {
        b = build.permute(b, &[1, 0])?;
    }
    let operands = [Some(a), Some(b), build.optional(2), build.optional(5)];
    let result = product(build, DType::I32, &operands)?;
    let bias = build.optional(6);
    let result = biased(build, result, bias)?;
    let scales = [build.input(1)?, build.input(4)?];
    let mut result = scaled(build, result, scales)?;
    let alpha = build.attributes.float("alpha", 1.0);
    if (alpha - 1.0).abs() > f64::EPSILON {
        result = build.scalar(Binary::Mul, result, alpha, false)?;
    }
    match build.optional(7) {
        Some(scale) => one(quantized(build, result, scale, build.optional(8))?),
        None => one(result),
    }
}

/// Sums of integers as the numbers they stand for.
fn scaled(build: &mut Build<'_, '_>, x: Operand, scales: [Operand; 2]) -> Result<Operand, String> {
    let [first, second] = scales;
    let float = build.dtype(first)?;
    let x = build.cast(x, float)?;
    let x = build.binary(Binary::Mul, x, first)?;
    build.binary(Binary::Mul, x, second)
}

/// An operand of a convolution as wide integers around zero; zero points per output channel stand along axis 0.
fn centred(build: &mut Build<'_, '_>, x: Operand, zero: Option<Operand>) -> Result<Operand, String> {
    let wide = build.cast(x, DType::I32)?;
    let Some(zero) = zero else { return Ok(wide) };
    let zero = per_channel(build, zero, build.rank(x)?)?;
    let zero = build.cast(zero, DType::I32)?;
    build.binary(Binary::Sub, wide, zero)
}

/// A vector along the first of `rank` axes; a number stays one.
fn per_channel(build: &mut Build<'_, '_>, x: Operand, rank: usize) -> Result<Operand, String> {
    let count = build.ty(x)?.elements();
    if count == 1 {
        return Ok(x);
    }
    let shape: Shape = [count].into_iter().chain(std::iter::repeat_n(1, rank.saturating_sub(1))).collect();
    build.reshape(x, shape)
}

fn conv_integer(build: &mut Build<'_, '_>) -> Built {
    let (x, weight) = (build.input(0)?, build.input(1)?);
    let (zero, weight_zero) = (build.optional(2), build.optional(3));
    let x = centred(build, x, zero)?;
    let weight = centred(build, weight, weight_zero)?;
    one(convolved(build, x, weight, None)?)
}

fn linear_conv(build: &mut Build<'_, '_>) -> Built {
    let (x, weight, bias) = (build.input(0)?, build.input(3)?, build.optional(8));
    let (zero, weight_zero) = (build.input(2)?, build.input(5)?);
    let x = centred(build, x, Some(zero))?;
    let weight = centred(build, weight, Some(weight_zero))?;
    let rank = build.rank(x)?;
    let last = build.attributes.flag("channels_last", false);
    let [front, back] = orders(rank)?;
    let x = if last { build.permute(x, &front)? } else { x };
    let sum = convolved(build, x, weight, bias)?;
    let weight_scale = build.input(4)?;
    // A scale per channel stands along axis 1 of the result.
    let weight_scale = per_channel(build, weight_scale, rank.saturating_sub(1))?;
    let scales = [build.input(1)?, weight_scale];
    let sum = scaled(build, sum, scales)?;
    let (scale, zero) = (build.input(6)?, build.input(7)?);
    let result = quantized(build, sum, scale, Some(zero))?;
    one(if last { build.permute(result, &back)? } else { result })
}

fn binary(build: &mut Build<'_, '_>, kind: Binary) -> Built {
    let (a, b) = (build.input(0)?, build.input(3)?);
    let a = dequantized(build, a, 1, 2)?;
    let b = dequantized(build, b, 4, 5)?;
    let result = build.binary(kind, a, b)?;
    let scale = build.input(6)?;
    one(quantized(build, result, scale, build.optional(7))?)
}

fn unary(build: &mut Build<'_, '_>, op: Op) -> Built {
    let x = build.input(0)?;
    let x = dequantized(build, x, 1, 2)?;
    let result = build.add(op, &[x])?;
    let scale = build.input(3)?;
    one(quantized(build, result, scale, build.optional(4))?)
}

fn global_average(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let rank = i64::try_from(build.rank(x)?).map_err(|_| "it has too many axes")?;
    let last = build.attributes.flag("channels_last", false);
    let axes: Vec<i64> = if last { (1..rank.saturating_sub(1)).collect() } else { (2..rank).collect() };
    unary(build, Op::Reduction(Reduction::Reduce { kind: ReduceKind::Mean, axes, keep: true }))
}
