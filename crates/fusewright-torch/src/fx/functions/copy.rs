//! Memory moved, joined or converted, and calls that hand their operand on.

use fusewright_ir::ops::{Copy, Host, View};
use fusewright_ir::{Graph, Op, Shape, TensorType, ValueId};
use smallvec::smallvec;

use super::super::arguments::{Built, Call, Inputs, axis, size};
use super::super::values::Operand;
use super::{Row, Step, row};

pub(super) const ROWS: &[Row] = &[
    row("contiguous", "input memory_format", |call| copy(call, Copy::Contiguous)),
    row("clone new_tensor", "input memory_format", |call| copy(call, Copy::Clone)),
    row("to", "input *target dtype layout device other non_blocking copy memory_format", convert),
    row("float half double bfloat16 int long short bool char byte", "input memory_format", convert),
    row("type cpu cuda", "input *target dtype device non_blocking memory_format", convert),
    row("type_as", "input other", convert),
    row("copy", "input src non_blocking", |call| match copied(call, "src")? {
        Some(value) => Ok((Copy::Clone.into(), smallvec![value])),
        None => Err("the copied tensor does not broadcast to the result".to_owned()),
    })
    .after(prepare_copy),
    row("_to_copy", "input dtype layout device pin_memory non_blocking memory_format", |call| {
        if same_dtype(call)? { copy(call, Copy::Clone) } else { convert(call) }
    }),
    row("detach alias lift lift_fresh lift_fresh_copy positive pos view_of resolve_conj resolve_neg", "input", alias),
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
    row("flip", "input *dims", flip),
    row("fliplr", "input", |call| Ok((Copy::Flip { axes: vec![1] }.into(), smallvec![call.tensor("input")?]))),
    row("flipud", "input", |call| Ok((Copy::Flip { axes: vec![0] }.into(), smallvec![call.tensor("input")?]))),
    row("repeat_interleave", "input repeats dim output_size", repeat_each).after(prepare_repeat_each),
    row("repeat tile", "input *repeats/dims", repeat),
];

fn alias(call: &Call<'_>) -> Built {
    Ok((View::Alias.into(), smallvec![call.tensor("input")?]))
}

/// The argument once it has shape and element type of the result.
fn copied(call: &Call<'_>, name: &str) -> Result<Option<ValueId>, String> {
    let (value, ty) = call.typed(name)?;
    let wanted = call.result()?;
    Ok((ty.dtype == wanted.dtype && ty.shape == wanted.shape).then_some(value))
}

/// A copy takes the element type and the shape of its destination.
fn prepare_copy(call: &Call<'_>) -> Result<Option<Step>, String> {
    fit(call.typed("src")?, call.result()?).map(|step| step.map(|(op, inputs)| ("src", op, inputs)))
}

/// What brings a tensor one step nearer to a type that it broadcasts to.
pub(in super::super) fn fit(
    (value, ty): (ValueId, &TensorType),
    wanted: &TensorType,
) -> Result<Option<(Op, Inputs)>, String> {
    if ty.dtype != wanted.dtype {
        return Ok(Some((Copy::Cast { dtype: wanted.dtype }.into(), smallvec![value])));
    }
    if ty.shape == wanted.shape {
        return Ok(None);
    }
    // Leading axes of extent 1 may be too many.
    let surplus = ty.rank().saturating_sub(wanted.rank());
    if ty.shape.iter().take(surplus).any(|&extent| extent != 1) {
        return Err(format!("{:?} does not broadcast to {:?}", ty.shape, wanted.shape));
    }
    if surplus > 0 {
        let shape = ty.shape.iter().skip(surplus).copied().collect();
        return Ok(Some((View::Reshape { shape }.into(), smallvec![value])));
    }
    Ok(Some((View::Expand { shape: wanted.shape.clone() }.into(), smallvec![value])))
}

fn flip(call: &Call<'_>) -> Built {
    Ok((Copy::Flip { axes: call.ints("dims")? }.into(), smallvec![call.tensor("input")?]))
}

/// Each slice of an axis several times: a new axis behind it is expanded, then both are one.
fn repeat_each(call: &Call<'_>) -> Built {
    let shape = call.result()?.shape.clone();
    Ok((View::Reshape { shape }.into(), call.with_hosts(call.tensor("repeated")?)))
}

fn prepare_repeat_each(call: &Call<'_>) -> Result<Option<Step>, String> {
    if call.given("repeated").is_some() {
        return Ok(None);
    }
    let (input, ty) = call.typed("input")?;
    let count = size("repeats", call.int("repeats")?)?;
    let (shape, position) = match call.given("dim") {
        None => (Shape::from_iter([ty.elements()]), 0),
        Some(_) => (ty.shape.clone(), call.axis("dim", None, ty.rank())? as usize),
    };
    let with_axis = |extent| {
        let (before, after) = shape.split_at_checked(position.saturating_add(1)).unwrap_or_default();
        before.iter().copied().chain([extent]).chain(after.iter().copied()).collect::<Shape>()
    };
    Ok(Some(match call.optional_tensor("split")? {
        None => ("split", View::Reshape { shape: with_axis(1) }.into(), smallvec![input]),
        Some(split) => ("repeated", View::Expand { shape: with_axis(count) }.into(), smallvec![split]),
    }))
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

/// The recorded result says which element type is meant; without a change nothing happens. Where it is that of another
/// tensor, it is a further operand: under autocast that tensor may have another one.
fn convert(call: &Call<'_>) -> Built {
    check_layout(call)?;
    let input = call.tensor("input")?;
    let of_another = call.hosts().into_iter().find(|&host| is_dtype(&call.env.graph, host));
    if of_another.is_some() || !same_dtype(call)? {
        let inputs = [input].into_iter().chain(of_another).collect();
        return Ok((Copy::Cast { dtype: call.result()?.dtype }.into(), inputs));
    }
    if call.flag("copy", false)? { copy(call, Copy::Clone) } else { alias(call) }
}

fn is_dtype(graph: &Graph, value: ValueId) -> bool {
    graph.producer(value).is_some_and(|maker| matches!(graph.node(maker).op, Op::Host(Host::DType)))
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
