//! Norms and softmax.

use fusewright_ir::ops::Normalization;
use fusewright_ir::{DType, Op};

use super::super::arguments::{Built, Call, Inputs, size};
use super::{Results, Row, cast_operand, row};

pub(super) const ROWS: &[Row] = &[
    row("layer_norm", "input normalized_shape weight bias eps cudnn_enable", layer_norm),
    row("rms_norm", "input normalized_shape weight eps", rms_norm),
    row("F.batch_norm", "input running_mean running_var weight bias training momentum eps", batch_norm),
    row(
        "torch.batch_norm",
        "input weight bias running_mean running_var training momentum eps cudnn_enabled",
        batch_norm,
    ),
    row("group_norm", "input num_groups weight bias eps cudnn_enabled", group_norm),
    row(
        "F.instance_norm",
        "input running_mean running_var weight bias use_input_stats momentum eps training",
        instance_norm,
    ),
    row(
        "torch.instance_norm",
        "input weight bias running_mean running_var use_input_stats momentum eps cudnn_enabled",
        instance_norm,
    ),
    row("native_layer_norm", "input normalized_shape weight bias eps", layer_norm).with_results(Results::First),
    row("native_group_norm", "input weight bias N C HxW num_groups/group eps", group_norm).with_results(Results::First),
    row("_fused_rms_norm", "input normalized_shape weight eps", rms_norm).with_results(Results::First),
    row("native_batch_norm _native_batch_norm_legit", BATCH, batch_norm).with_results(Results::First),
    row("cudnn_batch_norm", BATCH, batch_norm).with_results(Results::First),
    row("_native_batch_norm_legit_no_training", "input weight bias running_mean running_var momentum eps", batch_norm)
        .with_results(Results::First),
    row("_native_batch_norm_legit.no_stats", "input weight bias training momentum eps", batch_norm)
        .with_results(Results::First),
    row("softmax", "input dim dtype", |call| softmax(call, false, false)).after(cast_operand),
    row("_softmax", "input dim half_to_float", |call| softmax(call, false, false)).after(cast_operand),
    row("_safe_softmax", "input dim dtype", |call| softmax(call, false, true)).after(cast_operand),
    row("F.softmax", "input dim _stacklevel dtype", |call| softmax(call, false, false)).after(cast_operand),
    row("log_softmax", "input dim dtype", |call| softmax(call, true, false)).after(cast_operand),
    row("_log_softmax", "input dim half_to_float", |call| softmax(call, true, false)).after(cast_operand),
    row("F.log_softmax", "input dim _stacklevel dtype", |call| softmax(call, true, false)).after(cast_operand),
];

const BATCH: &str =
    "input weight bias running_mean running_var training momentum/exponential_average_factor eps/epsilon";

/// x and the given affine vectors.
fn affine(call: &Call<'_>, names: &[&str]) -> Result<Inputs, String> {
    let mut inputs = Inputs::from_iter([call.tensor("input")?]);
    inputs.extend(call.leading_tensors(names)?);
    Ok(inputs)
}

fn normalized_axes(call: &Call<'_>) -> Result<u64, String> {
    Ok(call.ints("normalized_shape")?.len() as u64)
}

fn layer_norm(call: &Call<'_>) -> Built {
    let op = Normalization::LayerNorm { axes: normalized_axes(call)?, epsilon: call.number_or("eps", 1e-5)? };
    Ok((Op::Normalization(op), affine(call, &["weight", "bias"])?))
}

/// Without a given epsilon PyTorch takes the one of the element type.
fn rms_norm(call: &Call<'_>) -> Built {
    let (_, ty) = call.typed("input")?;
    let machine_epsilon = match ty.dtype {
        DType::F64 => f64::EPSILON,
        DType::F16 => 2_f64.powi(-10),
        DType::Bf16 => 2_f64.powi(-7),
        _ => f64::from(f32::EPSILON),
    };
    let op = Normalization::RmsNorm { axes: normalized_axes(call)?, epsilon: call.number_or("eps", machine_epsilon)? };
    Ok((Op::Normalization(op), affine(call, &["weight"])?))
}

fn batch_norm(call: &Call<'_>) -> Built {
    // Without running statistics those of the batch are used in any mode.
    let training = call.flag("training", false)? || call.given("running_mean").is_none();
    let op = Normalization::BatchNorm { epsilon: call.number_or("eps", 1e-5)?, training };
    Ok((Op::Normalization(op), affine(call, &["weight", "bias", "running_mean", "running_var"])?))
}

fn group_norm(call: &Call<'_>) -> Built {
    let groups = size("num_groups", call.int("num_groups")?)?;
    let op = Normalization::GroupNorm { groups, epsilon: call.number_or("eps", 1e-5)? };
    Ok((Op::Normalization(op), affine(call, &["weight", "bias"])?))
}

/// Instance norm is group norm with one channel a group, as long as it uses the statistics of its input.
fn instance_norm(call: &Call<'_>) -> Built {
    let own_statistics = call.flag("training", false)? || call.given("running_mean").is_none();
    if !call.flag("use_input_stats", own_statistics)? {
        return Err("instance norm with running statistics has no counterpart".to_owned());
    }
    let (_, ty) = call.typed("input")?;
    let groups = *ty.shape.get(1).ok_or("x needs a channel axis")?;
    let op = Normalization::GroupNorm { groups, epsilon: call.number_or("eps", 1e-5)? };
    Ok((Op::Normalization(op), affine(call, &["weight", "bias"])?))
}

fn softmax(call: &Call<'_>, log: bool, zero_masked: bool) -> Built {
    let (input, ty) = call.typed("input")?;
    // The axis that PyTorch takes when none is given.
    let implied = i64::from(!matches!(ty.rank(), 0 | 1 | 3));
    let op = Normalization::Softmax { axis: call.int_or("dim", implied)?, log, zero_masked };
    Ok((Op::Normalization(op), Inputs::from_iter([input])))
}
