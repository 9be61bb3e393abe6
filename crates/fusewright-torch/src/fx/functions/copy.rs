//! Memory moved, joined or converted, and calls that hand their operand on.

use fusewright_ir::ops::{Copy, View};
use smallvec::smallvec;

use super::super::arguments::{Built, Call, axis, size};
use super::super::values::Operand;
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row("contiguous", "input memory_format", |call| copy(call, Copy::Contiguous)),
    row("clone", "input memory_format", |call| copy(call, Copy::Clone)),
    row("to", "input *target dtype layout device other non_blocking copy memory_format", convert),
    row("float half double bfloat16 int long short bool char byte", "input memory_format", convert),
    row("type cpu cuda", "input *target dtype device non_blocking memory_format", convert),
    row("type_as", "input other", convert),
    row("_to_copy", "input dtype layout device pin_memory non_blocking memory_format", |call| {
        if same_dtype(call)? { copy(call, Copy::Clone) } else { convert(call) }
    }),
    row("detach alias lift_fresh_copy positive pos", "input", alias),
    row("requires_grad_", "input requires_grad", alias),
    row("(Identity)", "input", alias),
    row("builtins.tuple builtins.list", "items", |call| {
        let items = call.get("items").ok_or("the argument `items` is missing")?;
        let mut tensors = Vec::new();
        call.env.tensors(items, &mut tensors);
        Ok((View::Alias.into(), tensors.into()))
    }),
    row("cat concat concatenate", "tensors dim", |call| {
        Ok((Copy::Concat { axis: call.int_or("dim", 0)? }.into(), call.tensors("tensors")?))
    }),
    row("stack", "tensors dim", |call| {
        Ok((Copy::Stack { axis: call.int_or("dim", 0)? }.into(), call.tensors("tensors")?))
    }),
    row("pad", "input pad mode value", pad),
    row("constant_pad_nd", "input pad value", pad),
    row("torchvision.models.swin_transformer._patch_merging_pad", "x", |call| {
        Ok((Copy::PatchMerge.into(), smallvec![call.tensor("x")?]))
    }),
    row("roll", "input shifts dims", roll),
    row("repeat tile", "input *repeats", repeat),
];

fn alias(call: &Call<'_>) -> Built {
    Ok((View::Alias.into(), smallvec![call.tensor("input")?]))
}

fn same_dtype(call: &Call<'_>) -> Result<bool, String> {
    Ok(call.typed("input")?.1.dtype == call.result()?.dtype)
}

/// Only the row-major layout has a counterpart; `torch.channels_last` is another one.
fn check_layout(call: &Call<'_>) -> Result<(), String> {
    match call.given("memory_format") {
        None | Some(Operand::Opaque("torch.contiguous_format" | "torch.preserve_format")) => Ok(()),
        Some(Operand::Opaque(format)) => Err(format!("the memory format `{format}` has no counterpart")),
        Some(other) => Err(format!("the memory format is {}", other.describe())),
    }
}

fn copy(call: &Call<'_>, op: Copy) -> Built {
    check_layout(call)?;
    Ok((op.into(), smallvec![call.tensor("input")?]))
}

/// The recorded result says which element type is meant; without a change nothing happens.
fn convert(call: &Call<'_>) -> Built {
    check_layout(call)?;
    if !same_dtype(call)? {
        let dtype = call.result()?.dtype;
        return Ok((Copy::Cast { dtype }.into(), smallvec![call.tensor("input")?]));
    }
    if call.flag("copy", false)? { copy(call, Copy::Clone) } else { alias(call) }
}

/// PyTorch lists the innermost axis first.
fn pad(call: &Call<'_>) -> Built {
    match call.text("mode")? {
        None | Some("constant") => {}
        Some(mode) => return Err(format!("padding mode `{mode}` has no counterpart")),
    }
    let (input, ty) = call.typed("input")?;
    let given = call.ints("pad")?;
    let (pairs, []) = given.as_chunks::<2>() else {
        return Err("`pad` needs two numbers per axis".to_owned());
    };
    let outer = ty.rank().checked_sub(pairs.len()).ok_or("`pad` has more axes than x")?;
    let inner = pairs.iter().rev().flatten().copied();
    let pads = std::iter::repeat_n([0; 2], outer).flatten().chain(inner).collect();
    Ok((Copy::Pad { pads, value: call.number_or("value", 0.0)? }.into(), smallvec![input]))
}

fn roll(call: &Call<'_>) -> Built {
    let (input, ty) = call.typed("input")?;
    let (shifts, axes) = (call.ints("shifts")?, call.optional_ints("dims")?.unwrap_or_default());
    if axes.is_empty() || axes.len() != shifts.len() {
        return Err("a roll needs one axis per shift".to_owned());
    }
    for &given in &axes {
        axis(given, ty.rank())?;
    }
    Ok((Copy::Roll { shifts, axes }.into(), smallvec![input]))
}

/// The recorded shapes give the counts, also where the host computes them.
fn repeat(call: &Call<'_>) -> Built {
    let (input, ty) = call.typed("input")?;
    let shape = &call.result()?.shape;
    let missing = shape.len().checked_sub(ty.rank()).ok_or("the result has fewer axes than x")?;
    let extents = std::iter::repeat_n(&1, missing).chain(&ty.shape);
    let count = |(&extent, &repeated): (&u64, &u64)| repeated.checked_div(extent);
    let counts: Option<Vec<u64>> = extents.zip(shape).map(count).collect();
    let counts = match counts {
        Some(counts) => counts,
        // An empty axis does not tell how often it is repeated.
        None => call.ints("repeats")?.into_iter().map(|count| size("repeats", count)).collect::<Result<_, _>>()?,
    };
    Ok((Copy::Repeat { counts }.into(), smallvec![input]))
}
