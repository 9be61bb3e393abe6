//! Axes folded into one value each.

use fusewright_ir::Op;
use fusewright_ir::ops::{Binary, Pointwise, ReduceKind, Reduction};
use smallvec::smallvec;

use super::super::arguments::{Built, Call};
use super::super::values::Operand;
use super::{Row, row};

const FOLD: &str = "input dim keepdim dtype";

pub(super) const ROWS: &[Row] = &[
    row("sum", FOLD, |call| reduce(call, ReduceKind::Sum)),
    row("mean", FOLD, |call| reduce(call, ReduceKind::Mean)),
    row("prod", FOLD, |call| reduce(call, ReduceKind::Prod)),
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
    row("cumsum", "input dim dtype", cumulative_sum),
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
        Some(_) => Err("the position along the axis is a second result".to_owned()),
    }
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
