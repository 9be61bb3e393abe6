//! Convolutions of one to three spatial axes.

use fusewright_ir::Op;
use fusewright_ir::ops::{Convolution, Padding};
use smallvec::smallvec;

use super::super::arguments::{Built, Call, Inputs, size};
use super::super::schema::Scalar;
use super::super::values::Operand;
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row("conv1d conv2d conv3d", "input weight bias stride padding dilation groups padding_mode", direct),
    row(
        "conv_transpose1d conv_transpose2d conv_transpose3d",
        "input weight bias stride padding output_padding groups dilation output_size padding_mode",
        transposed,
    ),
    row("convolution", "input weight bias stride padding dilation transposed output_padding groups", |call| {
        if call.flag("transposed", false)? { transposed(call) } else { direct(call) }
    }),
    row(
        "_convolution",
        "input weight bias stride padding dilation transposed output_padding groups benchmark deterministic \
         cudnn_enabled allow_tf32",
        |call| if call.flag("transposed", false)? { transposed(call) } else { direct(call) },
    ),
];

fn direct(call: &Call<'_>) -> Built {
    build(call, false)
}

fn transposed(call: &Call<'_>) -> Built {
    call.refuse("output_size")?;
    build(call, true)
}

fn build(call: &Call<'_>, transposed: bool) -> Built {
    let (input, weight) = (call.tensor("input")?, call.typed("weight")?);
    let axes = weight.1.rank().saturating_sub(2);
    let padding = padding(call, axes)?;
    let mode = call.text("padding_mode")?.unwrap_or("zeros");
    if mode != "zeros" && !matches!(&padding, Padding::Explicit(sides) if sides.iter().all(|&side| side == 0)) {
        return Err(format!("padding mode `{mode}` has no counterpart"));
    }
    let op = Convolution {
        stride: call.sizes("stride", axes, 1)?,
        padding,
        dilation: call.sizes("dilation", axes, 1)?,
        groups: size("groups", call.int_or("groups", 1)?)?,
        transposed: if transposed { Some(call.sizes("output_padding", axes, 0)?) } else { None },
    };
    let mut inputs: Inputs = smallvec![input, weight.0];
    inputs.extend(call.optional_tensor("bias")?);
    Ok((Op::Convolution(Box::new(op)), inputs))
}

fn padding(call: &Call<'_>, axes: usize) -> Result<Padding, String> {
    if !matches!(call.given("padding"), Some(Operand::Scalar(Scalar::Text(_)))) {
        return call.sizes("padding", axes, 0).map(Padding::Explicit);
    }
    match call.text("padding")? {
        Some("same") => Ok(Padding::Same),
        Some("valid") => Ok(Padding::Explicit(vec![0; axes])),
        other => Err(format!("`padding` is `{}`, expected same or valid", other.unwrap_or_default())),
    }
}
