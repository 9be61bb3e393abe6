//! Calls that are several ops: differences, gated units, weight norm, vectors of length one, products added to a tensor, one-hot codes.

use fusewright_ir::ops::{Binary, Contraction, Copy, Pointwise, ReduceKind, Reduction, Unary, View};
use fusewright_ir::{DType, Op, TensorType, ValueId};
use smallvec::smallvec;

use super::super::arguments::{Built, Call, Inputs, axis, size};
use super::{Results, Row, Step, row};

pub(super) const ROWS: &[Row] = &[
    row("diff", "input n dim prepend append", difference).after(prepare_difference),
    row("glu", "input dim", |call| both(call, Binary::Mul, "value", "gate")).after(prepare_gate),
    row("_weight_norm", "input/v g dim", weight_norm).after(prepare_weight_norm),
    row("_weight_norm_interface", "input/v g dim", weight_norm).after(prepare_weight_norm).with_results(Results::First),
    row("F.normalize", "input p dim eps out", |call| both(call, Binary::Div, "input", "least")).after(prepare_unit),
    row("addcmul", "input tensor1 tensor2 value", |call| both(call, Binary::Add, "input", "term"))
        .after(|call| prepare_term(call, Binary::Mul)),
    row("addcdiv", "input tensor1 tensor2 value", |call| both(call, Binary::Add, "input", "term"))
        .after(|call| prepare_term(call, Binary::Div)),
    row("one_hot", "input num_classes", |call| {
        Ok((Copy::Cast { dtype: DType::I64 }.into(), smallvec![call.tensor("hits")?]))
    })
    .after(prepare_codes),
    row("mm.dtype bmm.dtype", "input other/mat2 out_dtype", |call| {
        Ok((Copy::Cast { dtype: call.result()?.dtype }.into(), smallvec![call.tensor("product")?]))
    })
    .after(|call| {
        let inputs = smallvec![call.tensor("input")?, call.tensor("other")?];
        let product = Op::Contraction(Contraction::MatMul);
        Ok(if call.given("product").is_none() { Some(("product", product, inputs)) } else { None })
    }),
    row("triu", "input diagonal", |call| triangle(call, true)),
    row("tril", "input diagonal", |call| triangle(call, false)),
];

fn both(call: &Call<'_>, kind: Binary, first: &str, second: &str) -> Built {
    Ok((Op::Pointwise(Pointwise::Binary(kind)), smallvec![call.tensor(first)?, call.tensor(second)?]))
}

fn triangle(call: &Call<'_>, upper: bool) -> Built {
    let op = Pointwise::Triangle { upper, diagonal: call.int_or("diagonal", 0)? };
    Ok((Op::Pointwise(op), smallvec![call.tensor("input")?]))
}

/// Neighbours along an axis; of truth values those that differ.
fn difference(call: &Call<'_>) -> Built {
    let truth = call.result()?.dtype == DType::Bool;
    both(call, if truth { Binary::Ne } else { Binary::Sub }, "upper", "lower")
}

fn prepare_difference(call: &Call<'_>) -> Result<Option<Step>, String> {
    if call.int_or("n", 1)? != 1 {
        return Err("differences of differences have no counterpart".to_owned());
    }
    let (input, ty) = call.typed("input")?;
    let axis = call.axis("dim", Some(-1), ty.rank())?;
    let ends = [call.optional_tensor("prepend")?, Some(input), call.optional_tensor("append")?];
    let parts: Inputs = ends.into_iter().flatten().collect();
    let joined = match call.optional_tensor("joined")? {
        None if parts.len() > 1 => {
            return Ok(Some(("joined", Copy::Concat { axis: i64::from(axis) }.into(), parts)));
        }
        joined => joined.unwrap_or(input),
    };
    let extent = extent(call.env.tensor_type(joined)?, axis)?;
    let length = extent.saturating_sub(1);
    for (name, start) in [("upper", extent.min(1)), ("lower", 0)] {
        if call.given(name).is_none() {
            return Ok(Some((name, View::Slice { axis, start, length, step: 1 }.into(), smallvec![joined])));
        }
    }
    Ok(None)
}

fn extent(ty: &TensorType, axis: u32) -> Result<u64, String> {
    ty.shape.get(axis as usize).copied().ok_or_else(|| "x has too few axes".to_owned())
}

/// One half, times the sigmoid of the other.
fn prepare_gate(call: &Call<'_>) -> Result<Option<Step>, String> {
    let (input, ty) = call.typed("input")?;
    let axis = call.axis("dim", Some(-1), ty.rank())?;
    let length = extent(ty, axis)?.checked_div(2).unwrap_or_default();
    for (name, start) in [("value", 0), ("second", length)] {
        if call.given(name).is_none() {
            return Ok(Some((name, View::Slice { axis, start, length, step: 1 }.into(), smallvec![input])));
        }
    }
    let sigmoid = Op::Pointwise(Pointwise::Unary(Unary::Sigmoid));
    Ok(if call.given("gate").is_none() { Some(("gate", sigmoid, smallvec![call.tensor("second")?])) } else { None })
}

/// `v · g / ‖v‖`, the norm taken over all axes but one.
fn weight_norm(call: &Call<'_>) -> Built {
    both(call, Binary::Mul, "input", "ratio")
}

fn prepare_weight_norm(call: &Call<'_>) -> Result<Option<Step>, String> {
    let (input, ty) = call.typed("input")?;
    let Some(norm) = call.optional_tensor("norm")? else {
        let kept = i64::from(axis(call.int_or("dim", 0)?, ty.rank())?);
        let rank = i64::try_from(ty.rank()).map_err(|_| "too many axes")?;
        let axes = (0..rank).filter(|&axis| axis != kept).collect();
        let op = Reduction::Reduce { kind: ReduceKind::Norm, axes, keep: true };
        return Ok(Some(("norm", Op::Reduction(op), smallvec![input])));
    };
    let ratio = Op::Pointwise(Pointwise::Binary(Binary::Div));
    Ok(if call.given("ratio").is_none() { Some(("ratio", ratio, smallvec![call.tensor("g")?, norm])) } else { None })
}

/// The lengths along an axis, none less than epsilon.
fn prepare_unit(call: &Call<'_>) -> Result<Option<Step>, String> {
    if call.number_or("p", 2.0)?.to_bits() != 2.0_f64.to_bits() {
        return Err("only the Euclidean norm has a counterpart".to_owned());
    }
    let (input, ty) = call.typed("input")?;
    let Some(length) = call.optional_tensor("length")? else {
        let axis = i64::from(call.axis("dim", Some(1), ty.rank())?);
        let op = Reduction::Reduce { kind: ReduceKind::Norm, axes: vec![axis], keep: true };
        return Ok(Some(("length", Op::Reduction(op), smallvec![input])));
    };
    let op = Pointwise::Clamp { min: Some(call.number_or("eps", 1e-12)?), max: None };
    Ok(if call.given("least").is_none() { Some(("least", Op::Pointwise(op), smallvec![length])) } else { None })
}

/// The product or quotient of two tensors, scaled.
fn prepare_term(call: &Call<'_>, kind: Binary) -> Result<Option<Step>, String> {
    let scale = call.number_or("value", 1.0)?;
    let scaled = scale.to_bits() == 1.0_f64.to_bits();
    let name = if scaled { "term" } else { "joined" };
    let Some(joined) = call.optional_tensor(name)? else {
        let inputs = smallvec![call.tensor("tensor1")?, call.tensor("tensor2")?];
        return Ok(Some((name, Op::Pointwise(Pointwise::Binary(kind)), inputs)));
    };
    if scaled || call.given("term").is_some() {
        return Ok(None);
    }
    let op = Pointwise::WithScalar { kind: Binary::Mul, scalar: scale, reversed: false };
    Ok(Some(("term", Op::Pointwise(op), smallvec![joined])))
}

/// Each number against every class.
fn prepare_codes(call: &Call<'_>) -> Result<Option<Step>, String> {
    let (input, ty) = call.typed("input")?;
    let classes = call.result()?.shape.last().copied().ok_or("the result needs an axis of classes")?;
    let step = |name, op, inputs: Inputs| Ok(Some((name, op, inputs)));
    let Some(rows) = call.optional_tensor("rows")? else {
        let shape = ty.shape.iter().copied().chain([1]).collect();
        return step("rows", View::Reshape { shape }.into(), smallvec![input]);
    };
    let Some(codes) = call.optional_tensor("codes")? else {
        size("num_classes", call.int_or("num_classes", 0)?.max(0))?;
        return step("codes", Copy::Range { start: 0, length: classes, dtype: ty.dtype }.into(), Inputs::new());
    };
    if call.given("hits").is_some() {
        return Ok(None);
    }
    let inputs: [ValueId; 2] = [rows, codes];
    step("hits", Op::Pointwise(Pointwise::Binary(Binary::Eq)), inputs.into_iter().collect())
}
