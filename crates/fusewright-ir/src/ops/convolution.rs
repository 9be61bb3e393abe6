//! Convolutions over one to three spatial axes, direct and transposed.

use super::{Results, ShapeError, one, tensor};
use crate::attributes::invalid;
use crate::{AttributeError, Attributes, Shape, TensorType, Type, Work};

/// How the input is padded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Padding {
    /// Zeros on both sides of each spatial axis.
    Explicit(Vec<u64>),
    /// As many zeros as keep the extent at stride 1.
    Same,
}

/// A convolution; operands x `[batch, in, spatial..]`, weight `[out, in / groups, kernel..]` (transposed:
/// `[in, out / groups, kernel..]`), bias `[out]`?. Padding positions count as work, as is the convention.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Convolution {
    /// Step per spatial axis.
    pub stride: Vec<u64>,
    /// Zeros around the input.
    pub padding: Padding,
    /// Distance between kernel taps.
    pub dilation: Vec<u64>,
    /// Channel groups.
    pub groups: u64,
    /// Extra extent of a transposed convolution's result; `None` for a direct convolution.
    pub transposed: Option<Vec<u64>>,
}

impl Convolution {
    pub(crate) fn mnemonic(&self) -> &'static str {
        if self.transposed.is_some() { "conv_transpose" } else { "conv" }
    }

    pub(crate) fn write(&self, attributes: &mut Attributes) {
        attributes.set_ints("stride", &self.stride);
        match &self.padding {
            Padding::Explicit(padding) => attributes.set_ints("padding", padding),
            Padding::Same => attributes.set_text("padding", "same"),
        }
        attributes.set_ints("dilation", &self.dilation);
        attributes.set_int("groups", i64::try_from(self.groups).unwrap_or(i64::MAX));
        if let Some(output_padding) = &self.transposed {
            attributes.set_ints("output_padding", output_padding);
        }
    }

    pub(crate) fn read(mnemonic: &str, attributes: &mut Attributes) -> Result<Option<Self>, AttributeError> {
        if !matches!(mnemonic, "conv" | "conv_transpose") {
            return Ok(None);
        }
        let padding = match attributes.take("padding") {
            Some(crate::Attribute::Text(text)) if text == "same" => Padding::Same,
            Some(crate::Attribute::Ints(values)) => Padding::Explicit(
                values
                    .into_iter()
                    .map(|v| u64::try_from(v).map_err(|_| invalid("padding", "non-negative")))
                    .collect::<Result<_, _>>()?,
            ),
            _ => return Err(invalid("padding", "a list of integers or \"same\"")),
        };
        Ok(Some(Convolution {
            stride: attributes.ints("stride")?,
            padding,
            dilation: attributes.ints("dilation")?,
            groups: attributes.size("groups")?,
            transposed: if mnemonic == "conv_transpose" { Some(attributes.ints("output_padding")?) } else { None },
        }))
    }

    pub(crate) fn infer(&self, inputs: &[&Type]) -> Result<Results, ShapeError> {
        let (x, weight) = (tensor(inputs, 0)?, tensor(inputs, 1)?);
        let spatial = weight.rank().saturating_sub(2);
        let lists_fit = self.stride.len() == spatial
            && self.dilation.len() == spatial
            && !matches!(&self.padding, Padding::Explicit(p) if p.len() != spatial)
            && !matches!(&self.transposed, Some(p) if p.len() != spatial);
        if spatial == 0 || !lists_fit || self.groups == 0 || self.stride.contains(&0) || self.dilation.contains(&0) {
            return Err(ShapeError::new("convolution: one positive stride, dilation and one padding per spatial axis"));
        }
        // An unbatched input lacks the first axis.
        let (batch, channels_first) = match x.rank() - spatial.min(x.rank()) {
            1 => (None, x.shape.as_slice()),
            2 => (Some(x.shape[0]), &x.shape[1..]),
            _ => {
                return Err(ShapeError::new(format!(
                    "convolution: x must have rank {} or {}",
                    spatial + 1,
                    spatial + 2
                )));
            }
        };
        let (weight_in, out) = if self.transposed.is_some() {
            (weight.shape[0], weight.shape[1].saturating_mul(self.groups))
        } else {
            (weight.shape[1].saturating_mul(self.groups), weight.shape[0])
        };
        if channels_first[0] != weight_in {
            let found = channels_first[0];
            return Err(ShapeError::new(format!("convolution: the weight takes {weight_in} channels, x has {found}")));
        }
        let mut shape = Shape::new();
        shape.extend(batch);
        shape.push(out);
        for axis in 0..spatial {
            shape.push(self.extent(axis, channels_first[axis + 1], weight.shape[axis + 2])?);
        }
        one(x.with_shape(shape))
    }

    fn extent(&self, axis: usize, input: u64, kernel: u64) -> Result<u64, ShapeError> {
        let too_small = || ShapeError::new(format!("convolution: spatial axis {axis} is smaller than the kernel"));
        let taps = kernel.checked_sub(1).and_then(|taps| taps.checked_mul(self.dilation[axis]));
        let reach = taps.and_then(|taps| taps.checked_add(1)).ok_or_else(too_small)?;
        let stride = self.stride[axis];
        let padding = match &self.padding {
            Padding::Same => return Ok(input.div_ceil(stride)),
            Padding::Explicit(padding) => padding[axis].saturating_mul(2),
        };
        if let Some(output_padding) = &self.transposed {
            let full = input
                .saturating_sub(1)
                .saturating_mul(stride)
                .saturating_add(reach.saturating_add(output_padding[axis]));
            return full.checked_sub(padding).ok_or_else(too_small);
        }
        let positions = input.saturating_add(padding).checked_sub(reach).ok_or_else(too_small)?;
        Ok(positions / stride + 1)
    }

    pub(crate) fn work(&self, inputs: &[&Type], outputs: &[&Type]) -> Work {
        let elements = |ty: Option<&&Type>| ty.and_then(|ty| ty.as_tensor()).map_or(0, TensorType::elements);
        let out = elements(outputs.first());
        // Each output element (transposed: each input element) meets one weight of every other channel and tap.
        let per_element = inputs.get(1).and_then(|ty| ty.as_tensor()).map_or(0, |weight| {
            weight.shape.iter().skip(1).fold(1_u64, |product, &extent| product.saturating_mul(extent))
        });
        let centres = if self.transposed.is_some() { elements(inputs.first()) } else { out };
        Work::new(centres.saturating_mul(per_element), if inputs.len() > 2 { out } else { 0 })
    }
}
