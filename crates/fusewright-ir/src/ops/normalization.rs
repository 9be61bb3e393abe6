//! Normalisations: rows or channels brought to a common scale, and softmax.
//!
//! Other FLOPs per element: softmax 5, LayerNorm and its group forms 7, RMSNorm 4; an inference BatchNorm is the affine
//! map 2 that its running statistics amount to.

use super::{Results, ShapeError, axis_position, one, tensor};
use crate::{AttributeError, Attributes, TensorType, Type, Work};

/// The normalisation ops. Operand x comes first, then the optional affine vectors.
#[derive(Clone, Debug, PartialEq)]
pub enum Normalization {
    /// Over the last `axes` axes; operands x, weight?, bias?.
    LayerNorm {
        /// How many trailing axes are normalised together.
        axes: u64,
        /// Added to the variance.
        epsilon: f64,
    },
    /// Root mean square over the last `axes` axes; operands x, weight?.
    RmsNorm {
        /// How many trailing axes are normalised together.
        axes: u64,
        /// Added to the mean square.
        epsilon: f64,
    },
    /// Per channel (axis 1); operands x, weight?, bias?, running mean?, running variance?.
    BatchNorm {
        /// Added to the variance.
        epsilon: f64,
        /// The batch's own statistics are used.
        training: bool,
    },
    /// Per group of channels (axis 1), instance norm having one channel a group; operands x, weight?, bias?.
    GroupNorm {
        /// Number of groups.
        groups: u64,
        /// Added to the variance.
        epsilon: f64,
    },
    /// Exponentials that sum to one along an axis; operand x.
    Softmax {
        /// The axis, counted from the end when negative.
        axis: i64,
        /// Give the logarithm.
        log: bool,
        /// A row of nothing but −∞ gives zeros, as fused attention kernels do, instead of NaN.
        zero_masked: bool,
    },
}

impl Normalization {
    pub(crate) fn mnemonic(&self) -> &'static str {
        match self {
            Normalization::LayerNorm { .. } => "layer_norm",
            Normalization::RmsNorm { .. } => "rms_norm",
            Normalization::BatchNorm { .. } => "batch_norm",
            Normalization::GroupNorm { .. } => "group_norm",
            Normalization::Softmax { log: false, .. } => "softmax",
            Normalization::Softmax { log: true, .. } => "log_softmax",
        }
    }

    pub(crate) fn write(&self, attributes: &mut Attributes) {
        let size = |attributes: &mut Attributes, name, value: &u64| {
            attributes.set_int(name, i64::try_from(*value).unwrap_or(i64::MAX));
        };
        match self {
            Normalization::LayerNorm { axes, epsilon } | Normalization::RmsNorm { axes, epsilon } => {
                size(attributes, "axes", axes);
                attributes.set_float("epsilon", *epsilon);
            }
            Normalization::BatchNorm { epsilon, training } => {
                attributes.set_float("epsilon", *epsilon);
                attributes.set_flag("training", *training);
            }
            Normalization::GroupNorm { groups, epsilon } => {
                size(attributes, "groups", groups);
                attributes.set_float("epsilon", *epsilon);
            }
            Normalization::Softmax { axis, zero_masked, .. } => {
                attributes.set_int("axis", *axis);
                attributes.set_flag("zero_masked", *zero_masked);
            }
        }
    }

    pub(crate) fn read(mnemonic: &str, attributes: &mut Attributes) -> Result<Option<Self>, AttributeError> {
        Ok(Some(match mnemonic {
            "layer_norm" => {
                Normalization::LayerNorm { axes: attributes.size("axes")?, epsilon: attributes.float("epsilon")? }
            }
            "rms_norm" => {
                Normalization::RmsNorm { axes: attributes.size("axes")?, epsilon: attributes.float("epsilon")? }
            }
            "batch_norm" => Normalization::BatchNorm {
                epsilon: attributes.float("epsilon")?,
                training: attributes.flag("training")?,
            },
            "group_norm" => {
                Normalization::GroupNorm { groups: attributes.size("groups")?, epsilon: attributes.float("epsilon")? }
            }
            "softmax" | "log_softmax" => Normalization::Softmax {
                axis: attributes.int("axis")?,
                log: mnemonic == "log_softmax",
                zero_masked: attributes.flag("zero_masked")?,
            },
            _ => return Ok(None),
        }))
    }

    pub(crate) fn infer(&self, inputs: &[&Type]) -> Result<Results, ShapeError> {
        let x = tensor(inputs, 0)?;
        let affine_shape = match self {
            Normalization::LayerNorm { axes, .. } | Normalization::RmsNorm { axes, .. } => {
                let kept = usize::try_from(*axes).ok().and_then(|axes| x.rank().checked_sub(axes));
                let kept = kept.ok_or_else(|| ShapeError::new("normalisation: more axes than x has"))?;
                Some(x.shape[kept..].to_vec())
            }
            Normalization::BatchNorm { .. } | Normalization::GroupNorm { .. } => {
                let channels =
                    x.shape.get(1).ok_or_else(|| ShapeError::new("normalisation: x needs a channel axis"))?;
                Some(vec![*channels])
            }
            Normalization::Softmax { axis, .. } => {
                // A scalar has one implicit axis.
                axis_position(*axis, x.rank().max(1))?;
                None
            }
        };
        if let Normalization::GroupNorm { groups, .. } = self
            && (*groups == 0 || x.shape[1] % groups != 0)
        {
            return Err(ShapeError::new("group_norm: the groups must divide the channels"));
        }
        for index in 1..inputs.len() {
            let vector = tensor(inputs, index)?;
            if affine_shape.as_deref() != Some(vector.shape.as_slice()) {
                let found = vector.shape.as_slice();
                return Err(ShapeError::new(format!("normalisation: operand {index} has shape {found:?}")));
            }
        }
        one(x.with_shape(x.shape.iter().copied()))
    }

    pub(crate) fn work(&self, _inputs: &[&Type], outputs: &[&Type]) -> Work {
        let out = outputs.first().and_then(|ty| ty.as_tensor()).map_or(0, TensorType::elements);
        let per_element = match self {
            Normalization::LayerNorm { .. } | Normalization::GroupNorm { .. } => 7,
            Normalization::BatchNorm { training, .. } => {
                if *training {
                    7
                } else {
                    2
                }
            }
            Normalization::RmsNorm { .. } => 4,
            Normalization::Softmax { .. } => 5,
        };
        Work::new(0, out.saturating_mul(per_element))
    }
}
