//! How long a plan takes on a device, kernel by kernel.

use fusewright_cost::time::{Kernel, Limiter, Prediction, predict, roofline_us};
use fusewright_cost::{Activity, Energy, energy, group_costs};
use fusewright_device::Device;

use super::framework::Framework;
use super::kernels::launches;
use super::residency::Residency;
use super::segments::segments;
use crate::grammar::{Grammar, Limits, Reason, site_element_bytes};
use crate::{Analysis, Plan};

/// A kernel with its predicted time.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedKernel {
    /// The group of the plan that it belongs to.
    pub group: u32,
    /// What it does.
    pub kernel: Kernel,
    /// How long that takes.
    pub prediction: Prediction,
    /// The time that no kernel doing this can beat, µs.
    pub roofline_us: f64,
}

/// The time of one group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GroupTime {
    /// Kernels that it takes.
    pub kernels: u32,
    /// Most likely time, µs.
    pub us: f64,
    /// Ends of the range, µs.
    pub low: f64,
    /// Ends of the range, µs.
    pub high: f64,
    /// Sum over its kernels of the time that none can beat, µs.
    pub roofline_us: f64,
    /// What its longest kernel mostly waits for.
    pub limiter: Option<Limiter>,
}

/// The time of a plan on a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// Every kernel, in an order of groups.
    pub kernels: Vec<TimedKernel>,
    /// The time of each group.
    pub groups: Vec<GroupTime>,
    /// Sum over the groups: one launch graph, replayed.
    pub total: GroupTime,
    /// Energy of the kernels by what it is spent on.
    pub energy: Energy,
    /// What a framework adds that issues kernel after kernel: how long the device waits for the host, which runs ahead of it
    /// where kernels are long, µs.
    pub framework_us: f64,
    /// How much earlier all that is done where kernels find in the last cache what was just made, µs. No other figure knows
    /// of it: which kernels a plan should have is decided as if every operand came from main memory.
    pub cached_us: f64,
    /// Why groups of the plan take more than one kernel, with how many do.
    pub not_realizable: Vec<(Reason, usize)>,
    /// The same group by group.
    pub reasons: Vec<Option<Reason>>,
}

impl Timing {
    /// Time of the kernels that mostly wait for this, µs.
    pub fn limited_by(&self, limiter: Limiter) -> f64 {
        let waits = self.kernels.iter().filter(|kernel| kernel.prediction.limiter == limiter);
        waits.map(|kernel| kernel.prediction.us).sum()
    }
}

/// Prices a plan.
pub fn time_plan(analysis: &Analysis, plan: &Plan, device: &Device) -> Timing {
    let limits = Limits::of(device);
    let mut cut = segments(analysis, plan, &Grammar::of(analysis, limits));
    let framework = Framework::of(analysis, plan, device);
    let costs = group_costs(analysis.graph, &analysis.storage, &cut.kernels);
    let mut timing = Timing {
        kernels: Vec::with_capacity(cut.group_of.len()),
        groups: vec![GroupTime::default(); plan.groups.count()],
        total: GroupTime::default(),
        energy: Energy::default(),
        framework_us: 0.0,
        cached_us: 0.0,
        not_realizable: Vec::new(),
        reasons: vec![None; plan.groups.count()],
    };
    let mut residency = Residency::of(analysis, device);
    let (mut issued, mut done, mut done_cached) = (0.0_f64, 0.0_f64, 0.0_f64);
    let mut longest = vec![0.0; plan.groups.count()];
    for (number, &group) in cut.group_of.iter().enumerate() {
        if costs[number].kernels == 0 {
            continue;
        }
        let site = cut.attention[number].and_then(|site| analysis.attentions.sites.get(site as usize));
        let streams =
            |site: &fusewright_pattern::AttentionSite| limits.streams(site, site_element_bytes(analysis.graph, site));
        let members = cut.kernels.members(number);
        let kernels = launches(analysis, members, &costs[number], site, streams, framework, Some(device));
        if cut.attention[number].is_some() && kernels.len() > 1 {
            cut.reasons[group as usize].get_or_insert(Reason::StepsAreFaster);
        }
        let fetched = residency.next(members, &kernels);
        for (kernel, fetched) in kernels.into_iter().zip(fetched) {
            let prediction = predict(device, &kernel);
            let roofline_us = roofline_us(device, &kernel);
            let fetched_us = predict(device, &fetched).us.min(prediction.us);
            timing.energy += energy(device, &Activity::of(&kernel), prediction.us);
            issued += device.launch.dispatch_us.value;
            done = done.max(issued) + prediction.us;
            done_cached = done_cached.max(issued) + fetched_us;
            let entry = &mut timing.groups[group as usize];
            if prediction.us > longest[group as usize] {
                longest[group as usize] = prediction.us;
                entry.limiter = Some(prediction.limiter);
            }
            for sum in [entry, &mut timing.total] {
                sum.kernels += 1;
                sum.us += prediction.us;
                sum.low += (prediction.us * (1.0 - prediction.spread)).max(roofline_us);
                sum.high += prediction.us * (1.0 + prediction.spread);
                sum.roofline_us += roofline_us;
            }
            timing.kernels.push(TimedKernel { group, kernel, prediction, roofline_us });
        }
    }
    timing.framework_us = (done - timing.total.us).max(0.0);
    timing.cached_us = done - done_cached;
    let needs_more =
        |timing: &Timing, group: usize| timing.groups[group].kernels > 1 && plan.groups.members(group).len() > 1;
    for reason in Reason::ALL {
        let count =
            (0..plan.counted).filter(|&group| cut.reasons[group] == Some(reason) && needs_more(&timing, group)).count();
        if count > 0 {
            timing.not_realizable.push((reason, count));
        }
    }
    for (group, &reason) in cut.reasons.iter().enumerate().take(plan.counted) {
        timing.reasons[group] = reason.filter(|_| needs_more(&timing, group));
    }
    timing
}
