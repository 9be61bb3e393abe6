//! A tensor with some of its elements replaced or added to.

use fusewright_ir::ops::{Copy, Pointwise, Scatter, View};
use fusewright_ir::{DType, Op, ValueId};
use smallvec::smallvec;

use super::super::arguments::{Built, Call, Inputs};
use super::super::values::{Items, Operand};
use super::copy::fit;
use super::gather::indexed_axes;
use super::subscript::check_positions;
use super::view::{select_view, slice_view};
use super::{Row, Step, row};

pub(super) const ROWS: &[Row] = &[
    row("select_scatter", "input src dim index", |call| write(call, select_view(call)?)),
    row("slice_scatter", "input src dim start end step", |call| write(call, slice_view(call)?)),
    row("scatter", "input dim index src/value reduce", |call| elements(call, false)).after(prepare_scatter),
    row("scatter_add", "input dim index src", |call| elements(call, true)),
    row("scatter_reduce", "input dim index src reduce include_self", |call| elements(call, false)),
    row("index_add", "input dim index src/source alpha", |call| slices(call, true)),
    row("index_copy", "input dim index src/source", |call| slices(call, false)),
    row("index_fill", "input dim index src/value", |call| slices(call, false)).after(prepare_index_fill),
    row("index_put _unsafe_index_put _index_put_impl", "input indices values accumulate unsafe", index_put),
    row("masked_scatter", "input mask src/source", |call| {
        let inputs = smallvec![call.tensor("input")?, call.tensor("src")?, call.tensor("mask")?];
        Ok((Op::Scatter(Scatter::Masked), inputs))
    }),
];

fn write(call: &Call<'_>, view: View) -> Built {
    let inputs = smallvec![call.tensor("input")?, call.tensor("src")?];
    Ok((Op::Scatter(Scatter::Write { view: Box::new(view) }), inputs))
}

/// A number is scattered as a tensor shaped like the indices.
fn prepare_scatter(call: &Call<'_>) -> Result<Option<Step>, String> {
    if matches!(call.given("src"), Some(Operand::Tensor(_))) {
        return Ok(None);
    }
    let value = call.optional_number("src")?.ok_or("the argument `src` is missing")?;
    let shape = call.typed("index")?.1.shape.to_vec();
    Ok(Some(("src", Copy::Full { shape, dtype: call.result()?.dtype, value }.into(), Inputs::new())))
}

fn elements(call: &Call<'_>, add: bool) -> Built {
    let add = match call.text("reduce")? {
        None => add,
        Some("sum" | "add") if call.flag("include_self", true)? => true,
        Some(reduce) => return Err(format!("values that are joined by `{reduce}` have no counterpart")),
    };
    let op = Scatter::Elements { axis: call.int("dim")?, add };
    Ok((Op::Scatter(op), smallvec![call.tensor("input")?, call.tensor("src")?, call.tensor("index")?]))
}

fn slices(call: &Call<'_>, add: bool) -> Built {
    if call.number_or("alpha", 1.0)?.to_bits() != 1.0_f64.to_bits() {
        return Err("`alpha` scales the added slices".to_owned());
    }
    let op = Scatter::Slices { axis: call.int("dim")?, add };
    Ok((Op::Scatter(op), smallvec![call.tensor("input")?, call.tensor("src")?, call.tensor("index")?]))
}

/// A number fills whole slices.
fn prepare_index_fill(call: &Call<'_>) -> Result<Option<Step>, String> {
    let (_, ty) = call.typed("input")?;
    let axis = call.axis("dim", None, ty.rank())? as usize;
    let mut wanted = ty.with_shape(ty.shape.iter().copied());
    if let Some(extent) = wanted.shape.get_mut(axis) {
        *extent = call.typed("index")?.1.elements();
    }
    if let Some(Operand::Tensor(value)) = call.given("src") {
        let step = fit((value, call.env.tensor_type(value)?), &wanted)?;
        return Ok(step.map(|(op, inputs)| ("src", op, inputs)));
    }
    let value = call.optional_number("src")?.ok_or("the argument `value` is missing")?;
    Ok(Some(("src", Copy::Full { shape: wanted.shape.to_vec(), dtype: ty.dtype, value }.into(), Inputs::new())))
}

/// One index tensor per axis, `None` for a whole axis. A mask with one value is a choice between the two.
fn index_put(call: &Call<'_>) -> Built {
    let Some(Operand::Items(items @ (Items::List(_) | Items::Tuple(_)))) = call.given("indices") else {
        return Err("the argument `indices` must be a list".to_owned());
    };
    let picked = indexed_axes(call, items)?;
    let (values, add) = (call.typed("values")?, call.flag("accumulate", false)?);
    if let &[(0, mask)] = picked.as_slice()
        && call.env.tensor_type(mask)?.dtype == DType::Bool
        && !add
        && values.1.elements() == 1
    {
        return masked(call, mask, values.0);
    }
    check_positions(call, &picked)?;
    let axes = picked.iter().map(|&(axis, _)| axis).collect();
    let inputs = [call.tensor("input")?, values.0].into_iter().chain(picked.iter().map(|&(_, index)| index)).collect();
    Ok((Op::Scatter(Scatter::Indexed { axes, add }), inputs))
}

fn masked(call: &Call<'_>, mask: ValueId, value: ValueId) -> Built {
    let (x, ty) = call.typed("input")?;
    if call.env.tensor_type(mask)?.rank() != ty.rank() {
        return Err("a mask over some of the axes".to_owned());
    }
    Ok((Op::Pointwise(Pointwise::Where), smallvec![mask, value, x]))
}
