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
        let per = |far: f64| (far - us(0, 0)).max(0.0) / FAR as f64 * MARGIN;
        Some(Slope { per_byte: per(us(FAR, 0)), per_flop: per(us(0, FAR)) })
    }
}
