//! Convolutions. Padding that differs before and after an axis becomes a step of its own.

use fusewright_ir::Op;
use fusewright_ir::ops::{Convolution, Copy, Padding, Unary};

use super::Row;
use crate::build::{Build, Built, Operand, one};

pub(super) const ROWS: &[Row] = &[
    Row::new("Conv", conv).weights(&[1, 2]),
    Row::new("ConvTranspose", conv_transpose).weights(&[1, 2]),
    Row::new("FusedConv", fused_conv).weights(&[1, 2]),
];

/// Steps of a window over spatial axes, as the attributes give them.
pub(super) struct Window {
    pub(super) stride: Vec<u64>,
    pub(super) dilation: Vec<u64>,
    /// Elements added before and after each axis.
    pub(super) pads: Vec<(u64, u64)>,
}

impl Window {
    /// Reads strides, dilations and padding for a window of this kernel over these extents.
    pub(super) fn read(build: &Build<'_, '_>, extents: &[u64], kernel: &[u64]) -> Result<Self, String> {
        let spatial = kernel.len();
        let list = |name: &str| -> Result<Vec<u64>, String> {
            Ok(build.attributes.sizes(name)?.unwrap_or_else(|| vec![1; spatial]))
        };
        let (stride, dilation) = (list("strides")?, list("dilations")?);
        if stride.len() != spatial || dilation.len() != spatial || stride.contains(&0) || extents.len() != spatial {
            return Err("it needs a stride and a dilation per spatial axis".to_owned());
        }
        let mut window = Self { stride, dilation, pads: vec![(0, 0); spatial] };
        match build.attributes.text("auto_pad").unwrap_or("NOTSET") {
            "VALID" => {}
            "NOTSET" | "" => {
                let pads = build.attributes.sizes("pads")?.unwrap_or_else(|| vec![0; spatial.saturating_mul(2)]);
                let (before, after) =
                    pads.split_at_checked(spatial).ok_or("it needs two numbers of padding per axis")?;
                if after.len() != spatial {
                    return Err("it needs two numbers of padding per axis".to_owned());
                }
                window.pads = before.iter().copied().zip(after.iter().copied()).collect();
            }
            same @ ("SAME_UPPER" | "SAME_LOWER") => window.keep_extents(extents, kernel, same == "SAME_UPPER"),
            other => return Err(format!("its padding is called `{other}`")),
        }
        Ok(window)
    }

    /// As much padding as keeps extent / stride positions; the odd element goes after or before.
    fn keep_extents(&mut self, extents: &[u64], kernel: &[u64], upper: bool) {
        let steps = self.stride.iter().zip(&self.dilation);
        let axes = self.pads.iter_mut().zip(extents).zip(kernel).zip(steps);
        for (((pads, &extent), &taps), (&stride, &dilation)) in axes {
            let reach = taps.saturating_sub(1).saturating_mul(dilation).saturating_add(1);
            let positions = extent.div_ceil(stride.max(1));
            let span = positions.saturating_sub(1).saturating_mul(stride).saturating_add(reach);
            let missing = span.saturating_sub(extent);
            let small = missing >> 1;
            let large = missing.saturating_sub(small);
            *pads = if upper { (small, large) } else { (large, small) };
        }
    }

    /// Padding that is the same on both sides, where it is.
    pub(super) fn symmetric(&self) -> Option<Vec<u64>> {
        self.pads.iter().map(|&(before, after)| (before == after).then_some(before)).collect()
    }

    /// The operand with the padding around it, and no padding left.
    pub(super) fn pad(&mut self, build: &mut Build<'_, '_>, x: Operand, value: f64) -> Result<Operand, String> {
        let outer = build.rank(x)?.saturating_sub(self.pads.len());
        let signed = |pad: u64| i64::try_from(pad).unwrap_or(i64::MAX);
        let mut pads = vec![0; outer.saturating_mul(2)];
        pads.extend(self.pads.iter().flat_map(|&(before, after)| [signed(before), signed(after)]));
        self.pads.fill((0, 0));
        build.add(Copy::Pad { pads, value }, &[x])
    }
}

fn conv(build: &mut Build<'_, '_>) -> Built {
    let (mut x, weight) = (build.input(0)?, build.input(1)?);
    let kernel = build.shape(weight)?.get(2..).map(<[u64]>::to_vec).ok_or("its weight has no spatial axes")?;
    let extents = build.shape(x)?.get(2..).map(<[u64]>::to_vec).ok_or("its input has no spatial axes")?;
    let mut window = Window::read(build, &extents, &kernel)?;
    let padding = if let Some(padding) = window.symmetric() {
        padding
    } else {
        x = window.pad(build, x, 0.0)?;
        vec![0; kernel.len()]
    };
    let groups = u64::try_from(build.attributes.int("group", 1)).map_err(|_| "its groups are negative")?;
    let op = Convolution {
        stride: window.stride,
        padding: Padding::Explicit(padding),
        dilation: window.dilation,
        groups,
        transposed: None,
    };
    let operands: Vec<Operand> = [Some(x), Some(weight), build.optional(2)].into_iter().flatten().collect();
    one(build.add(Op::Convolution(Box::new(op)), &operands)?)
}

fn conv_transpose(build: &mut Build<'_, '_>) -> Built {
    let (x, weight) = (build.input(0)?, build.input(1)?);
    let kernel = build.shape(weight)?.get(2..).map(<[u64]>::to_vec).ok_or("its weight has no spatial axes")?;
    let extents = build.shape(x)?.get(2..).map(<[u64]>::to_vec).ok_or("its input has no spatial axes")?;
    if build.attributes.has("output_shape")
        || build.attributes.text("auto_pad").is_some_and(|pad| pad.starts_with("SAME"))
    {
        return Err("its padding is given by the shape of its result".to_owned());
    }
    let window = Window::read(build, &extents, &kernel)?;
    let output = build.attributes.sizes("output_padding")?.unwrap_or_else(|| vec![0; kernel.len()]);
    // Padding crops the result of a transposed convolution: more on one side is as if less were added there.
    let least: Vec<u64> = window.pads.iter().map(|&(before, after)| before.min(after)).collect();
    let extra: Vec<u64> = window.pads.iter().map(|&(before, after)| before.abs_diff(after)).collect();
    let groups = u64::try_from(build.attributes.int("group", 1)).map_err(|_| "its groups are negative")?;
    let op = Convolution {
        stride: window.stride,
        padding: Padding::Explicit(least),
        dilation: window.dilation,
        groups,
        transposed: Some(output),
    };
    let operands: Vec<Operand> = [Some(x), Some(weight), build.optional(2)].into_iter().flatten().collect();
    let mut result = build.add(Op::Convolution(Box::new(op)), &operands)?;
    for (axis, (extra, (before, after))) in extra.into_iter().zip(window.pads).enumerate() {
        if extra > 0 {
            let axis = axis.saturating_add(2);
            let extent = build.shape(result)?.get(axis).copied().unwrap_or(0);
            let length = extent.checked_sub(extra).ok_or("its padding is larger than its result")?;
            result = build.narrow(result, axis, if before > after { extra } else { 0 }, length)?;
        }
    }
    one(result)
}

/// A convolution with its activation inside, which some optimisers write into the standard domain.
fn fused_conv(build: &mut Build<'_, '_>) -> Built {
    let result = conv(build)?.first().copied().ok_or("it has no result")?;
    match build.attributes.text("activation") {
        None | Some("") => one(result),
        Some("Relu") => one(build.unary(Unary::Relu, result)?),
        Some(other) => Err(format!("its activation is `{other}`")),
    }
}
