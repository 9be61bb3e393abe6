//! Tensors of one value, and ranges. Shape and element type are the recorded ones.

use fusewright_ir::ops::{Copy, View};

use super::super::arguments::{Built, Call, Inputs};
use super::super::values::Operand;
use super::{Row, Step, row};

pub(super) const ROWS: &[Row] = &[
    row("zeros", "*size dtype layout device requires_grad pin_memory", |call| fill(call, 0.0)),
    row("ones", "*size dtype layout device requires_grad pin_memory", |call| fill(call, 1.0)),
    row("full", "size value/fill_value dtype layout device requires_grad pin_memory", given),
    row("zeros_like", "input dtype layout device pin_memory requires_grad memory_format", |call| fill(call, 0.0)),
    row("ones_like", "input dtype layout device pin_memory requires_grad memory_format", |call| fill(call, 1.0)),
    row("full_like", "input value/fill_value dtype layout device pin_memory requires_grad memory_format", given),
    row("new_zeros", "input *size dtype layout device requires_grad pin_memory", |call| fill(call, 0.0)),
    row("new_ones", "input *size dtype layout device requires_grad pin_memory", |call| fill(call, 1.0)),
    row("new_full", "input size value/fill_value dtype layout device requires_grad pin_memory", given),
    row("zero", "input", |call| fill(call, 0.0)),
    row("fill", "input value", |call| match call.given("value") {
        Some(Operand::Tensor(_)) => Ok((
            View::Expand { shape: call.result()?.shape.clone() }.into(),
            [call.tensor("value")?].into_iter().collect(),
        )),
        _ => given(call),
    })
    .after(prepare_fill),
    row("scalar_tensor tensor", "value/data/s/t dtype layout device pin_memory requires_grad", given),
    row("torch.arange", "start end step dtype layout device requires_grad pin_memory", range),
    row("linspace", "start end steps dtype layout device requires_grad pin_memory", linspace),
    // What memory holds before it is written does not matter.
    row("empty", "*size dtype layout device requires_grad pin_memory memory_format", |call| fill(call, 0.0)),
    row("empty_permuted", "size physical_layout dtype layout device requires_grad pin_memory", |call| fill(call, 0.0)),
    row("empty_strided", "size stride dtype layout device requires_grad pin_memory", |call| fill(call, 0.0)),
    row("empty_like", "input dtype layout device pin_memory requires_grad memory_format", |call| fill(call, 0.0)),
    row("new_empty", "input *size dtype layout device requires_grad pin_memory", |call| fill(call, 0.0)),
    row("new_empty_strided", "input size stride dtype layout device requires_grad pin_memory", |call| fill(call, 0.0)),
];

fn fill(call: &Call<'_>, value: f64) -> Built {
    let ty = call.result()?;
    Ok((Copy::Full { shape: ty.shape.to_vec(), dtype: ty.dtype, value }.into(), Inputs::new()))
}

fn given(call: &Call<'_>) -> Built {
    fill(call, call.optional_number("value")?.ok_or("the argument `value` is missing")?)
}

/// A tensor as the value has the element type of what it fills.
fn prepare_fill(call: &Call<'_>) -> Result<Option<Step>, String> {
    let Some(Operand::Tensor(value)) = call.given("value") else { return Ok(None) };
    let (found, wanted) = (call.env.tensor_type(value)?.dtype, call.result()?.dtype);
    let cast = Copy::Cast { dtype: wanted };
    Ok((found != wanted).then(|| ("value", cast.into(), [value].into_iter().collect())))
}

/// Numbers at equal distances, both bounds included.
fn linspace(call: &Call<'_>) -> Built {
    let (start, end) = (call.number_or("start", 0.0)?, call.number_or("end", 0.0)?);
    let ty = call.result()?;
    let &[length] = ty.shape.as_slice() else { return Err("a range has one axis".to_owned()) };
    let step = if length > 1 { (end - start) / (length.saturating_sub(1) as f64) } else { 0.0 };
    Ok((Copy::Steps { start, step, length, dtype: ty.dtype }.into(), Inputs::new()))
}

fn range(call: &Call<'_>) -> Built {
    let step = call.number_or("step", 1.0)?;
    let ty = call.result()?;
    let &[length] = ty.shape.as_slice() else { return Err("a range has one axis".to_owned()) };
    // With one bound it is the end, which may be known only when the model runs.
    let first = if call.given("end").is_some() { call.given("start") } else { None };
    let start = match first {
        None => 0,
        Some(operand) => match operand.int() {
            Some(start) if step.to_bits() == 1.0_f64.to_bits() => start,
            _ => {
                let start = call.number_or("start", 0.0)?;
                return Ok((Copy::Steps { start, step, length, dtype: ty.dtype }.into(), Inputs::new()));
            }
        },
    };
    Ok((Copy::Range { start, length, dtype: ty.dtype }.into(), Inputs::new()))
}
