//! Axes folded into one value.

use fusewright_ir::Op;
use fusewright_ir::ops::{Binary, ReduceKind, Reduction, Unary};
use smallvec::smallvec;

use super::Row;
use crate::build::{Build, Built, Operand, one};
use crate::content::as_int;

pub(super) const ROWS: &[Row] = &[
    Row::new("ReduceMean", |build| reduce(build, ReduceKind::Mean)),
    Row::new("ReduceSum", |build| reduce(build, ReduceKind::Sum)),
    Row::new("ReduceMax", |build| reduce(build, ReduceKind::Max)),
    Row::new("ReduceMin", |build| reduce(build, ReduceKind::Min)),
    Row::new("ReduceProd", |build| reduce(build, ReduceKind::Prod)),
    Row::new("ReduceL2", |build| reduce(build, ReduceKind::Norm)),
    Row::new("ReduceLogSumExp", |build| reduce(build, ReduceKind::LogSumExp)),
    Row::new("ReduceL1", |build| reduce_mapped(build, Unary::Abs)),
    Row::new("ReduceSumSquare", |build| reduce_mapped(build, Unary::Square)),
    Row::new("ReduceLogSum", reduce_log_sum),
    Row::new("ArgMax", |build| extreme(build, ReduceKind::ArgMax)),
    Row::new("ArgMin", |build| extreme(build, ReduceKind::ArgMin)),
    Row::new("CumSum", cumulative_sum),
    Row::new("TopK", top_k),
];

/// Folds x over the axes that the call gives; the result has the type of x.
fn folded(build: &mut Build<'_, '_>, kind: ReduceKind, x: Operand) -> Result<Operand, String> {
    let axes = build.axes(1)?.unwrap_or_default();
    if axes.is_empty() && build.attributes.flag("noop_with_empty_axes", false) {
        return Ok(x);
    }
    let keep = build.attributes.flag("keepdims", true);
    let dtype = build.dtype(x)?;
    let result = build.add(Op::Reduction(Reduction::Reduce { kind, axes, keep }), &[x])?;
    build.cast(result, dtype)
}

fn reduce(build: &mut Build<'_, '_>, kind: ReduceKind) -> Built {
    let x = build.input(0)?;
    one(folded(build, kind, x)?)
}

fn reduce_mapped(build: &mut Build<'_, '_>, map: Unary) -> Built {
    let x = build.input(0)?;
    let mapped = build.unary(map, x)?;
    one(folded(build, ReduceKind::Sum, mapped)?)
}

fn reduce_log_sum(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let sum = folded(build, ReduceKind::Sum, x)?;
    one(build.unary(Unary::Log, sum)?)
}

fn extreme(build: &mut Build<'_, '_>, kind: ReduceKind) -> Built {
    let x = build.input(0)?;
    let (axis, keep) = (build.attributes.int("axis", 0), build.attributes.flag("keepdims", true));
    one(build.add(Op::Reduction(Reduction::Reduce { kind, axes: vec![axis], keep }), &[x])?)
}

/// A sum that starts behind an element leaves that element out: the full sum minus the element.
fn cumulative_sum(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let axis = as_int(build.known_scalar(1)?.ok_or("it has no axis")?);
    let dtype = build.dtype(x)?;
    let sum = build.add(Op::Reduction(Reduction::CumulativeSum { axis }), &[x])?;
    let sum = build.cast(sum, dtype)?;
    one(if build.attributes.flag("exclusive", false) { build.binary(Binary::Sub, sum, x)? } else { sum })
}

fn top_k(build: &mut Build<'_, '_>) -> Built {
    let x = build.input(0)?;
    let k =
        if build.has(1) { build.known_ints(1)?.first().copied().unwrap_or(0) } else { build.attributes.int("k", 0) };
    let k = u64::try_from(k).map_err(|_| format!("it takes {k} elements"))?;
    let axis = build.attributes.int("axis", -1);
    let values = build.add(Op::Reduction(Reduction::TopK { k, axis }), &[x])?;
    Ok(smallvec![values, Build::sibling(values, 1)])
}
