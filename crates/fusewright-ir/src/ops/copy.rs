//! Copies and fills: memory moved or set without arithmetic.

use super::{Results, ShapeError, axis_position, one, tensor};
use crate::attributes::invalid;
use crate::{AttributeError, Attributes, DType, Shape, TensorType, Type};

/// The copying ops.
#[derive(Clone, Debug, PartialEq)]
pub enum Copy {
    /// Row-major layout; free when the operand has it already. Operand x.
    Contiguous,
    /// A fresh copy. Operand x.
    Clone,
    /// Another element type; free when it is the same. Operand x.
    Cast {
        /// The new element type.
        dtype: DType,
    },
    /// Operands joined along an axis.
    Concat {
        /// The axis, counted from the end when negative.
        axis: i64,
    },
    /// Operands joined along a new axis.
    Stack {
        /// Position of the new axis.
        axis: i64,
    },
    /// A constant around the operand.
    Pad {
        /// Elements added before and after each axis, outermost first; negative crops.
        pads: Vec<i64>,
        /// The constant.
        value: f64,
    },
    /// Elements moved cyclically; operand x.
    Roll {
        /// Distance per axis.
        shifts: Vec<i64>,
        /// The axes.
        axes: Vec<i64>,
    },
    /// Elements in reverse order along some axes; operand x.
    Flip {
        /// The axes, counted from the end when negative.
        axes: Vec<i64>,
    },
    /// The operand repeated along each axis.
    Repeat {
        /// Repetitions per result axis.
        counts: Vec<u64>,
    },
    /// Squares of four positions stacked as channels: x `[.., H, W, C]` becomes `[.., ⌈H/2⌉, ⌈W/2⌉, 4C]`, odd extents
    /// padded with zeros (Swin's patch merging).
    PatchMerge,
    /// What keeps windows of a cyclically shifted map from attending across its seam: 0 inside, −100 across; no
    /// operands, result `[windows, N, N]`.
    ShiftMask {
        /// Windows along height and width.
        grid: [u64; 2],
        /// Height and width of a window.
        window: [u64; 2],
        /// Shift along height and width.
        shift: [u64; 2],
        /// Element type of the result.
        dtype: DType,
    },
    /// A tensor of one value; no operands.
    Full {
        /// Shape of the result.
        shape: Vec<u64>,
        /// Element type of the result.
        dtype: DType,
        /// The value.
        value: f64,
    },
    /// `start, start + step, …` in steps other than one; no operands.
    Steps {
        /// First value.
        start: f64,
        /// Distance between values.
        step: f64,
        /// Number of values.
        length: u64,
        /// Element type of the result.
        dtype: DType,
    },
    /// `start, start + 1, …`; no operands.
    Range {
        /// First value.
        start: i64,
        /// Number of values.
        length: u64,
        /// Element type of the result.
        dtype: DType,
    },
}

impl Copy {
    pub(crate) fn mnemonic(&self) -> &'static str {
        match self {
            Copy::Contiguous => "contiguous",
            Copy::Clone => "clone",
            Copy::Cast { .. } => "cast",
            Copy::Concat { .. } => "concat",
            Copy::Stack { .. } => "stack",
            Copy::Pad { .. } => "pad",
            Copy::Roll { .. } => "roll",
            Copy::Flip { .. } => "flip",
            Copy::Repeat { .. } => "repeat",
            Copy::PatchMerge => "patch_merge",
            Copy::ShiftMask { .. } => "shift_mask",
            Copy::Full { .. } => "full",
            Copy::Steps { .. } => "steps",
            Copy::Range { .. } => "range",
        }
    }

    pub(crate) fn write(&self, attributes: &mut Attributes) {
        match self {
            Copy::Contiguous | Copy::Clone | Copy::PatchMerge => {}
            Copy::ShiftMask { grid, window, shift, dtype } => {
                attributes.set_ints("grid", grid);
                attributes.set_ints("window", window);
                attributes.set_ints("shift", shift);
                attributes.set_text("dtype", dtype.name());
            }
            Copy::Cast { dtype } => attributes.set_text("dtype", dtype.name()),
            Copy::Concat { axis } | Copy::Stack { axis } => attributes.set_int("axis", *axis),
            Copy::Pad { pads, value } => {
                attributes.set_ints("pads", pads);
                attributes.set_float("value", *value);
            }
            Copy::Roll { shifts, axes } => {
                attributes.set_ints("shifts", shifts);
                attributes.set_ints("axes", axes);
            }
            Copy::Flip { axes } => attributes.set_ints("axes", axes),
            Copy::Repeat { counts } => attributes.set_ints("counts", counts),
            Copy::Full { shape, dtype, value } => {
                attributes.set_ints("shape", shape);
                attributes.set_text("dtype", dtype.name());
                attributes.set_float("value", *value);
            }
            Copy::Steps { start, step, length, dtype } => {
                attributes.set_float("start", *start);
                attributes.set_float("step", *step);
                attributes.set_int("length", i64::try_from(*length).unwrap_or(i64::MAX));
                attributes.set_text("dtype", dtype.name());
            }
            Copy::Range { start, length, dtype } => {
                attributes.set_int("start", *start);
                attributes.set_int("length", i64::try_from(*length).unwrap_or(i64::MAX));
                attributes.set_text("dtype", dtype.name());
            }
        }
    }

    pub(crate) fn read(mnemonic: &str, attributes: &mut Attributes) -> Result<Option<Self>, AttributeError> {
        let dtype = |attributes: &mut Attributes| {
            DType::from_name(&attributes.text("dtype")?).ok_or_else(|| invalid("dtype", "a dtype name such as \"f32\""))
        };
        Ok(Some(match mnemonic {
            "patch_merge" => Copy::PatchMerge,
            "shift_mask" => {
                let mut pair = |name| {
                    <[u64; 2]>::try_from(attributes.ints::<u64>(name)?)
                        .map_err(|_| invalid(name, "two non-negative integers"))
                };
                let (grid, window, shift) = (pair("grid")?, pair("window")?, pair("shift")?);
                Copy::ShiftMask { grid, window, shift, dtype: dtype(attributes)? }
            }
            "contiguous" => Copy::Contiguous,
            "clone" => Copy::Clone,
            "cast" => Copy::Cast { dtype: dtype(attributes)? },
            "concat" => Copy::Concat { axis: attributes.int("axis")? },
            "stack" => Copy::Stack { axis: attributes.int("axis")? },
            "pad" => Copy::Pad { pads: attributes.ints("pads")?, value: attributes.float("value")? },
            "roll" => Copy::Roll { shifts: attributes.ints("shifts")?, axes: attributes.ints("axes")? },
            "flip" => Copy::Flip { axes: attributes.ints("axes")? },
            "steps" => Copy::Steps {
                start: attributes.float("start")?,
                step: attributes.float("step")?,
                length: attributes.size("length")?,
                dtype: dtype(attributes)?,
            },
            "repeat" => Copy::Repeat { counts: attributes.ints("counts")? },
            "full" => Copy::Full {
                shape: attributes.ints("shape")?,
                dtype: dtype(attributes)?,
                value: attributes.float("value")?,
            },
            "range" => Copy::Range {
                start: attributes.int("start")?,
                length: attributes.size("length")?,
                dtype: dtype(attributes)?,
            },
            _ => return Ok(None),
        }))
    }

    pub(crate) fn infer(&self, inputs: &[&Type]) -> Result<Results, ShapeError> {
        match self {
            Copy::Contiguous | Copy::Clone | Copy::Roll { .. } => {
                let x = tensor(inputs, 0)?;
                one(x.with_shape(x.shape.iter().copied()))
            }
            Copy::Flip { axes } => {
                let x = tensor(inputs, 0)?;
                for &axis in axes {
                    axis_position(axis, x.rank())?;
                }
                one(x.with_shape(x.shape.iter().copied()))
            }
            Copy::Cast { dtype } => one(TensorType::new(*dtype, tensor(inputs, 0)?.shape.iter().copied())),
            Copy::Concat { axis } => concat(inputs, *axis),
            Copy::Stack { axis } => {
                let first = tensor(inputs, 0)?;
                for index in 1..inputs.len() {
                    if tensor(inputs, index)?.shape != first.shape {
                        return Err(ShapeError::new("stack: all operands must have one shape"));
                    }
                }
                let position = axis_position(*axis, first.rank() + 1)?;
                let mut shape = first.shape.clone();
                shape.insert(position, inputs.len() as u64);
                one(first.with_shape(shape))
            }
            Copy::Pad { pads, .. } => {
                let x = tensor(inputs, 0)?;
                if pads.len() != 2 * x.rank() {
                    return Err(ShapeError::new("pad: two numbers per axis"));
                }
                let mut shape = Shape::new();
                for (axis, &extent) in x.shape.iter().enumerate() {
                    let padded = extent.checked_add_signed(pads[2 * axis].saturating_add(pads[2 * axis + 1]));
                    shape.push(padded.ok_or_else(|| ShapeError::new("pad: cropped below nothing"))?);
                }
                one(x.with_shape(shape))
            }
            Copy::Repeat { counts } => {
                let x = tensor(inputs, 0)?;
                let missing = counts.len().checked_sub(x.rank());
                let missing = missing.ok_or_else(|| ShapeError::new("repeat: one count per axis"))?;
                let extents = std::iter::repeat_n(1, missing).chain(x.shape.iter().copied());
                one(x.with_shape(extents.zip(counts).map(|(extent, &count)| extent.saturating_mul(count))))
            }
            Copy::PatchMerge => {
                let x = tensor(inputs, 0)?;
                let [outer @ .., height, width, channels] = x.shape.as_slice() else {
                    return Err(ShapeError::new("patch_merge: x must end in height, width and channels"));
                };
                let merged = [height.div_ceil(2), width.div_ceil(2), channels.saturating_mul(4)];
                one(x.with_shape(outer.iter().copied().chain(merged)))
            }
            Copy::ShiftMask { grid, window, dtype, .. } => {
                let positions = window[0].saturating_mul(window[1]);
                one(TensorType::new(*dtype, [grid[0].saturating_mul(grid[1]), positions, positions]))
            }
            Copy::Full { shape, dtype, .. } => one(TensorType::new(*dtype, shape.iter().copied())),
            Copy::Range { length, dtype, .. } | Copy::Steps { length, dtype, .. } => {
                one(TensorType::new(*dtype, [*length]))
            }
        }
    }
}

fn concat(inputs: &[&Type], axis: i64) -> Result<Results, ShapeError> {
    let first = tensor(inputs, 0)?;
    let position = axis_position(axis, first.rank())?;
    let mut shape = first.shape.clone();
    for index in 1..inputs.len() {
        let next = tensor(inputs, index)?;
        let fits = next.rank() == shape.len() && (0..shape.len()).all(|a| a == position || next.shape[a] == shape[a]);
        if !fits {
            return Err(ShapeError::new(format!("concat: operand {index} differs from the first off axis {position}")));
        }
        shape[position] = shape[position].saturating_add(next.shape[position]);
    }
    one(first.with_shape(shape))
}
