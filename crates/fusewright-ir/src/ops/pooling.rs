//! Pooling and resampling over spatial axes.

use super::{Results, ShapeError, one, tensor};
use crate::{AttributeError, Attributes, Shape, TensorType, Type, Work};

/// What a window becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// Its largest element.
    Max,
    /// Its mean.
    Average,
}

/// The pooling ops; operand x `[.., spatial..]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pooling {
    /// Windows of a fixed size.
    Window {
        /// Max or average.
        kind: PoolKind,
        /// Window extent per spatial axis.
        kernel: Vec<u64>,
        /// Step per spatial axis.
        stride: Vec<u64>,
        /// Padding on both sides per spatial axis.
        padding: Vec<u64>,
        /// Distance between the taps of a window.
        dilation: Vec<u64>,
        /// Round the number of windows up.
        ceil: bool,
        /// An average divides by the elements that are not padding.
        skip_padding: bool,
    },
    /// As many windows as the result needs.
    Adaptive {
        /// Max or average.
        kind: PoolKind,
        /// Extents of the result's spatial axes.
        output: Vec<u64>,
    },
    /// The spatial axes sampled at another resolution.
    Resize {
        /// Neighbours that one result element is interpolated from, per axis: 1 nearest, 2 linear, 4 cubic.
        taps: u64,
        /// Extents of the result's spatial axes.
        output: Vec<u64>,
    },
}

impl Pooling {
    pub(crate) fn mnemonic(&self) -> &'static str {
        match self {
            Pooling::Window { kind: PoolKind::Max, .. } => "max_pool",
            Pooling::Window { kind: PoolKind::Average, .. } => "avg_pool",
            Pooling::Adaptive { kind: PoolKind::Max, .. } => "adaptive_max_pool",
            Pooling::Adaptive { kind: PoolKind::Average, .. } => "adaptive_avg_pool",
            Pooling::Resize { .. } => "resize",
        }
    }

    pub(crate) fn write(&self, attributes: &mut Attributes) {
        match self {
            Pooling::Window { kernel, stride, padding, dilation, ceil, skip_padding, .. } => {
                attributes.set_ints("kernel", kernel);
                attributes.set_ints("stride", stride);
                attributes.set_ints("padding", padding);
                attributes.set_ints("dilation", dilation);
                attributes.set_flag("ceil", *ceil);
                attributes.set_flag("skip_padding", *skip_padding);
            }
            Pooling::Adaptive { output, .. } => attributes.set_ints("output", output),
            Pooling::Resize { taps, output } => {
                attributes.set_int("taps", i64::try_from(*taps).unwrap_or(i64::MAX));
                attributes.set_ints("output", output);
            }
        }
    }

    pub(crate) fn read(mnemonic: &str, attributes: &mut Attributes) -> Result<Option<Self>, AttributeError> {
        let kind = match mnemonic {
            "max_pool" | "adaptive_max_pool" => PoolKind::Max,
            "avg_pool" | "adaptive_avg_pool" => PoolKind::Average,
            "resize" => {
                return Ok(Some(Pooling::Resize {
                    taps: attributes.size("taps")?,
                    output: attributes.ints("output")?,
                }));
            }
            _ => return Ok(None),
        };
        if mnemonic.starts_with("adaptive") {
            return Ok(Some(Pooling::Adaptive { kind, output: attributes.ints("output")? }));
        }
        Ok(Some(Pooling::Window {
            kind,
            kernel: attributes.ints("kernel")?,
            stride: attributes.ints("stride")?,
            padding: attributes.ints("padding")?,
            dilation: attributes.ints("dilation")?,
            ceil: attributes.flag("ceil")?,
            skip_padding: attributes.flag("skip_padding")?,
        }))
    }

    pub(crate) fn infer(&self, inputs: &[&Type]) -> Result<Results, ShapeError> {
        let x = tensor(inputs, 0)?;
        let spatial = match self {
            Pooling::Window { kernel, .. } => kernel.len(),
            Pooling::Adaptive { output, .. } | Pooling::Resize { output, .. } => output.len(),
        };
        let kept = x.rank().checked_sub(spatial).ok_or_else(|| ShapeError::new("pooling: x has too few axes"))?;
        let mut shape = Shape::from_slice(&x.shape[..kept]);
        match self {
            Pooling::Adaptive { output, .. } | Pooling::Resize { output, .. } => shape.extend(output.iter().copied()),
            Pooling::Window { kernel, stride, padding, dilation, ceil, .. } => {
                if [stride.len(), padding.len(), dilation.len()] != [spatial; 3] || stride.contains(&0) {
                    return Err(ShapeError::new("pooling: one positive stride, padding and dilation per spatial axis"));
                }
                for axis in 0..spatial {
                    let padded = x.shape[kept + axis].saturating_add(padding[axis].saturating_mul(2));
                    let reach = kernel[axis].saturating_sub(1).saturating_mul(dilation[axis]).saturating_add(1);
                    let room = padded.checked_sub(reach).ok_or_else(|| {
                        ShapeError::new(format!("pooling: spatial axis {axis} is smaller than the window"))
                    })?;
                    let mut windows = if *ceil { room.div_ceil(stride[axis]) } else { room / stride[axis] } + 1;
                    // A window must start inside the input or its left padding.
                    if *ceil && (windows - 1).saturating_mul(stride[axis]) >= x.shape[kept + axis] + padding[axis] {
                        windows -= 1;
                    }
                    shape.push(windows);
                }
            }
        }
        one(x.with_shape(shape))
    }

    pub(crate) fn work(&self, inputs: &[&Type], outputs: &[&Type]) -> Work {
        let elements = |ty: Option<&&Type>| ty.and_then(|ty| ty.as_tensor()).map_or(0, TensorType::elements);
        let other = match self {
            Pooling::Window { kernel, .. } => {
                kernel.iter().fold(elements(outputs.first()), |work, &extent| work.saturating_mul(extent))
            }
            Pooling::Adaptive { .. } => elements(inputs.first()),
            Pooling::Resize { taps: 0 | 1, .. } => 0,
            Pooling::Resize { taps, output } => {
                let neighbours = output.iter().fold(1_u64, |product, _| product.saturating_mul(*taps));
                elements(outputs.first()).saturating_mul(neighbours.saturating_mul(2))
            }
        };
        Work::new(0, other)
    }
}
