//! Axes folded into one value each.

use fusewright_ir::ops::{Binary, Copy, Pointwise, ReduceKind, Reduction};
use fusewright_ir::{DType, Op};
use smallvec::smallvec;

use super::super::arguments::{Built, Call, size};
use super::super::values::Operand;
use super::{Builder, Results, Row, Step, cast_operand, row};

const FOLD: &str = "input dim keepdim dtype";

const SPREAD: &str = "input dim unbiased keepdim correction";

pub(super) const ROWS: &[Row] = &[
    row("sum", FOLD, |call| narrowed(call, sum)).after(|call| prepare_narrowed(call, sum)),
    row("mean", FOLD, |call| reduce(call, ReduceKind::Mean)).after(cast_operand),
    row("prod", FOLD, |call| narrowed(call, product)).after(|call| prepare_narrowed(call, product)),
    row("logsumexp", FOLD, |call| reduce(call, ReduceKind::LogSumExp)),
    row("argmin", FOLD, |call| reduce(call, ReduceKind::ArgMin)),
    row("var.default", "input unbiased", |call| reduce(call, ReduceKind::Var)),
    row("std.default", "input unbiased", |call| reduce(call, ReduceKind::Std)),
    row("var", SPREAD, |call| reduce(call, ReduceKind::Var)),
    row("std", SPREAD, |call| reduce(call, ReduceKind::Std)),
    row("var_mean", SPREAD, |call| {
        let axes = call.optional_ints("dim")?.unwrap_or_default();
        let op = Reduction::VarMean { axes, keep: call.flag("keepdim", false)? };
        Ok((Op::Reduction(op), smallvec![call.tensor("input")?]))
    }),
    row("topk", "input k dim largest sorted", top),
    row("sort", "input dim descending stable", sort),
    row("sort.stable", "input stable dim descending", sort),
    row("argsort", "input dim descending stable", sort).with_results(Results::Last),
    row("argsort.stable", "input stable dim descending", sort).with_results(Results::Last),
    row("histc", "input bins min max", |call| {
        let bins = size("bins", call.int_or("bins", 100)?)?;
        Ok((Op::Reduction(Reduction::Histogram { bins }), smallvec![call.tensor("input")?]))
    }),
    row("any", FOLD, |call| reduce(call, ReduceKind::Any)),
    row("all", FOLD, |call| reduce(call, ReduceKind::All)),
    row("amax", FOLD, |call| reduce(call, ReduceKind::Max)),
    row("amin", FOLD, |call| reduce(call, ReduceKind::Min)),
    row("argmax", FOLD, |call| reduce(call, ReduceKind::ArgMax)),
    row("max", "input dim keepdim other", |call| extreme(call, ReduceKind::Max)),
    row("min", "input dim keepdim other", |call| extreme(call, ReduceKind::Min)),
    row("norm", "input p dim keepdim dtype", |call| norm(call, "p")),
    row("torch.linalg.norm torch.linalg.vector_norm", "input ord dim keepdim dtype", |call| norm(call, "ord")),
    row("linalg_norm linalg_vector_norm", "input ord dim keepdim dtype", |call| norm(call, "ord")),
    row("cumsum", "input dim dtype", |call| narrowed(call, cumulative_sum))
        .after(|call| prepare_narrowed(call, cumulative_sum)),
];

fn reduce(call: &Call<'_>, kind: ReduceKind) -> Built {
    let axes = call.optional_ints("dim")?.unwrap_or_default();
    let op = Reduction::Reduce { kind, axes, keep: call.flag("keepdim", false)? };
    Ok((Op::Reduction(op), smallvec![call.tensor("input")?]))
}

/// With an axis the position comes along as a second result; with a second tensor it is no reduction.
fn extreme(call: &Call<'_>, kind: ReduceKind) -> Built {
    match call.given("other").or_else(|| call.given("dim")) {
        None => reduce(call, kind),
        Some(Operand::Tensor(other)) => {
            let kind = if kind == ReduceKind::Max { Binary::Max } else { Binary::Min };
            Ok((Op::Pointwise(Pointwise::Binary(kind)), smallvec![call.tensor("input")?, other]))
        }
        Some(_) if call.results().len() == 2 => {
            let (_, ty) = call.typed("input")?;
            let axis = i64::from(call.axis("dim", None, ty.rank())?);
            let op = Reduction::Extreme { largest: kind == ReduceKind::Max, axis, keep: call.flag("keepdim", false)? };
            Ok((Op::Reduction(op), smallvec![call.tensor("input")?]))
        }
        Some(_) => Err("the position along the axis is a second result".to_owned()),
    }
}

fn sum(call: &Call<'_>) -> Built {
    reduce(call, ReduceKind::Sum)
}

fn product(call: &Call<'_>) -> Built {
    reduce(call, ReduceKind::Prod)
}

/// Integers are added up in 64 bits; a call may ask for less.
fn narrowed(call: &Call<'_>, fold: Builder) -> Built {
    match call.optional_tensor("wide")? {
        Some(wide) => Ok((Copy::Cast { dtype: call.result()?.dtype }.into(), smallvec![wide])),
        None => fold(call),
    }
}

fn prepare_narrowed(call: &Call<'_>, fold: Builder) -> Result<Option<Step>, String> {
    let (input, ty) = call.typed("input")?;
    let narrow = matches!(call.result()?.dtype, DType::I32 | DType::I16 | DType::I8 | DType::U8 | DType::Bool);
    if !narrow || call.given("dtype").is_none() {
        return cast_operand(call);
    }
    if ty.dtype.is_float() {
        return Ok(Some(("input", Copy::Cast { dtype: DType::I64 }.into(), smallvec![input])));
    }
    if call.given("wide").is_some() {
        return Ok(None);
    }
    let (op, inputs) = fold(call)?;
    Ok(Some(("wide", op, inputs)))
}

fn top(call: &Call<'_>) -> Built {
    if !call.flag("largest", true)? {
        return Err("the smallest elements have no counterpart".to_owned());
    }
    let op = Reduction::TopK { k: size("k", call.int("k")?)?, axis: call.int_or("dim", -1)? };
    Ok((Op::Reduction(op), smallvec![call.tensor("input")?]))
}

fn sort(call: &Call<'_>) -> Built {
    Ok((Op::Reduction(Reduction::Sort { axis: call.int_or("dim", -1)? }), smallvec![call.tensor("input")?]))
}

fn norm(call: &Call<'_>, order: &str) -> Built {
    let euclidean = match call.given(order) {
        None => true,
        Some(operand) => match operand.number() {
            Some(number) => number.to_bits() == 2.0_f64.to_bits(),
            None => call.text(order)? == Some("fro"),
        },
    };
    if euclidean { reduce(call, ReduceKind::Norm) } else { Err("only the Euclidean norm has a counterpart".to_owned()) }
}

fn cumulative_sum(call: &Call<'_>) -> Built {
    Ok((Op::Reduction(Reduction::CumulativeSum { axis: call.int("dim")? }), smallvec![call.tensor("input")?]))
}
