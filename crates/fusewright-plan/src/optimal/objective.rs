//! What an optimal plan is optimal in.

use fusewright_cost::GroupCost;
use fusewright_cost::time::{Kernel, Stream, predict};
use fusewright_device::Device;

use crate::grammar::{Draft, Form, Grammar};
use crate::realize::{Framework, launches};

/// What is minimised over all partitions into kernels.
#[derive(Clone, Copy, Debug)]
pub enum Objective<'a> {
    /// Bytes moved; among equals, kernels.
    Bytes,
    /// Predicted time on a device, µs.
    Time(&'a Device),
}

/// What a kernel adds to the bytes that it moves: so little that no number of kernels makes up for a byte.
const KERNEL: f64 = 1.0 / 1_048_576.0;

/// Loops take the longest of terms that are proportional to bytes or operations, so that this far out one is alone.
const FAR: u64 = 1 << 50;
/// Covers rounding.
const MARGIN: f64 = 1.0 + 1e-9;

/// How fast a price may grow at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slope {
    pub(super) per_byte: f64,
    pub(super) per_flop: f64,
}

impl<'a> Objective<'a> {
    fn device(self) -> Option<&'a Device> {
        match self {
            Objective::Bytes => None,
            Objective::Time(device) => Some(device),
        }
    }

    /// What a kernel of the grammar launches, and its price.
    pub(crate) fn launched(self, grammar: &Grammar, draft: &Draft, cost: &GroupCost) -> (Vec<Kernel>, f64) {
        let site = match draft.form {
            Form::Attention { site, .. } => grammar.analysis.attentions.sites.get(site as usize),
            _ => None,
        };
        let streams = |site: &_| grammar.limits().streams(site, grammar.element_bytes(site));
        let device = self.device();
        let kernels = launches(grammar.analysis, &draft.members, cost, site, streams, Framework::None, device);
        let price = match self {
            Objective::Bytes => cost.moved() as f64 + KERNEL * f64::from(cost.kernels),
            Objective::Time(device) => kernels.iter().map(|kernel| predict(device, kernel).us).sum(),
        };
        (kernels, price)
    }

    /// A bound on how a loop's price grows with bytes and operations; `None` where it may jump.
    pub(super) fn slope(self, stream: &Stream) -> Option<Slope> {
        let device = match self {
            Objective::Bytes => return Some(Slope { per_byte: 1.0, per_flop: 0.0 }),
            Objective::Time(device) if device.cpu.is_some() => return None,
            Objective::Time(device) => device,
        };
        let us =
            |bytes: u64, flops: u64| predict(device, &Kernel::Stream(Stream { bytes, flops, ..stream.clone() })).us;
        // What a kernel takes anyway is in there too, a hundred millionth of it.
        let per = |far: f64| far / FAR as f64 * MARGIN;
        Some(Slope { per_byte: per(us(FAR, 0)) * stream.kind.most_readings(), per_flop: per(us(0, FAR)) })
    }
}

#[cfg(test)]
mod tests {
    use fusewright_cost::time::StreamKind;
    use fusewright_device::find;
    use fusewright_ir::DType;
    use fusewright_testing::cases_up_to;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(cases_up_to(2000))]

        /// Without it the search would drop partitions that are the best.
        #[test]
        fn no_loop_grows_faster_than_its_slope(
            device in prop::sample::select(vec!["h100-sxm", "a100-pcie-40", "v100-pcie", "tpu-v4", "jetson-orin-nano"]),
            kind in prop::sample::select(vec![
                StreamKind::Copy,
                StreamKind::Pointwise,
                StreamKind::Reduction,
                StreamKind::RmsNorm,
                StreamKind::LayerNorm,
                StreamKind::BlockNorm,
                StreamKind::Softmax,
            ]),
            rows in 0..26_u32, cols in 0..16_u32, bytes in 0..33_u32, flops in 0..33_u32, more in 0..33_u32,
        ) {
            let device = find(device).unwrap();
            let (rows, cols, dtype) = (1 << rows, 3 << cols, DType::F32);
            let stream = Stream { kind, rows, cols, dtype, flops: 1 << flops, bytes: 1 << bytes };
            let us = |stream: &Stream| predict(&device, &Kernel::Stream(stream.clone())).us;
            let Some(slope) = Objective::Time(&device).slope(&stream) else { return Ok(()) };
            let (here, step) = (us(&stream), 1_u64 << more);
            let read = us(&Stream { bytes: stream.bytes + step, ..stream.clone() });
            let worked = us(&Stream { flops: stream.flops + step, ..stream });
            prop_assert!(read <= (here + slope.per_byte * step as f64) * MARGIN, "{here} to {read} for {step} bytes");
            prop_assert!(worked <= (here + slope.per_flop * step as f64) * MARGIN, "{here} to {worked} for {step} FLOPs");
        }
    }
}
