//! Tensors of one value, and ranges. Shape and element type are the recorded ones.

use fusewright_ir::ops::Copy;

use super::super::arguments::{Built, Call, Inputs};
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row("zeros", "*size dtype layout device requires_grad pin_memory", |call| fill(call, 0.0)),
    row("ones", "*size dtype layout device requires_grad pin_memory", |call| fill(call, 1.0)),
    row("full", "size value dtype layout device requires_grad pin_memory fill_value", given),
    row("zeros_like", "input dtype layout device pin_memory requires_grad memory_format", |call| fill(call, 0.0)),
    row("ones_like", "input dtype layout device pin_memory requires_grad memory_format", |call| fill(call, 1.0)),
    row("full_like", "input value dtype layout device pin_memory requires_grad memory_format fill_value", given),
    row("new_zeros", "input *size dtype layout device requires_grad pin_memory", |call| fill(call, 0.0)),
    row("new_ones", "input *size dtype layout device requires_grad pin_memory", |call| fill(call, 1.0)),
    row("new_full", "input size value dtype layout device requires_grad pin_memory fill_value", given),
    row("zero", "input", |call| fill(call, 0.0)),
    row("fill", "input value", given),
    row("scalar_tensor tensor", "value dtype layout device pin_memory requires_grad data s", given),
    row("arange", "start end step dtype layout device requires_grad pin_memory", range),
];

fn fill(call: &Call<'_>, value: f64) -> Built {
    let ty = call.result()?;
    Ok((Copy::Full { shape: ty.shape.to_vec(), dtype: ty.dtype, value }.into(), Inputs::new()))
}

fn given(call: &Call<'_>) -> Built {
    let names = ["value", "fill_value", "data", "s"];
    let value = names.iter().find_map(|name| call.optional_number(name).transpose());
    fill(call, value.ok_or("the argument `value` is missing")??)
}

/// With one bound it is the end.
fn range(call: &Call<'_>) -> Built {
    if call.number_or("step", 1.0)?.to_bits() != 1.0_f64.to_bits() {
        return Err("only ranges of step 1 have a counterpart".to_owned());
    }
    let start = if call.given("end").is_some() { call.int_or("start", 0)? } else { 0 };
    let ty = call.result()?;
    let &[length] = ty.shape.as_slice() else { return Err("a range has one axis".to_owned()) };
    Ok((Copy::Range { start, length, dtype: ty.dtype }.into(), Inputs::new()))
}
