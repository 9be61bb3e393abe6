//! What a report says of a device: times, what they wait for, and what the device cannot do in one kernel.

use fusewright_cost::Energy;
use fusewright_cost::floor_us;
use fusewright_cost::time::Limiter;
use fusewright_device::Device;
use fusewright_plan::{Analysis, GroupTime, Plan, RefusedMerge, Timing};
use serde::Serialize;

use crate::PlanReport;
use crate::device_kernels::DeviceKernel;
use crate::model::{Range, Subject};

/// How the predicted time of a plan splits by what its kernels mostly wait for, µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TimeByLimiter {
    /// Arithmetic.
    pub compute: f64,
    /// Main memory.
    pub memory: f64,
    /// A cache that holds the working set.
    pub cache: f64,
    /// Being started: too little work to fill the device.
    pub launch: f64,
}

/// A group that no single kernel can implement on the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NotRealizable {
    /// Stable id of the reason: `several-products`, `attention-does-not-fit`, `row-after-product`, `epilogue-too-wide`,
    /// `unrelated`.
    pub reason: String,
    /// Number of groups.
    pub groups: u64,
}

/// Parallel projections that stay apart, because one wide product is not faster on the device.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RefusedMergeReport {
    /// Names of the projections.
    pub nodes: Vec<String>,
    /// Name of the input that they share.
    pub input: String,
    /// Predicted time of the products one by one, µs.
    pub apart_us: f64,
    /// Predicted time of the one wide product, µs.
    pub merged_us: f64,
}

/// Predicted energy of a plan by what it is spent on, mJ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EnergyReport {
    /// Drawn whatever the device does.
    pub idle_mj: f64,
    /// Multiply-accumulates of contractions.
    pub contraction_mj: f64,
    /// All other arithmetic.
    pub other_mj: f64,
    /// Bytes from and to main memory.
    pub memory_mj: f64,
}

impl From<&Energy> for EnergyReport {
    fn from(energy: &Energy) -> Self {
        Self {
            idle_mj: energy.idle,
            contraction_mj: energy.contraction,
            other_mj: energy.other,
            memory_mj: energy.main_memory + energy.on_chip,
        }
    }
}

/// Predicted times of a plan on the device.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TimesReport {
    /// Launches that the groups take on the device; more than `kernels` where groups are not realizable.
    pub device_kernels: u64,
    /// Part of the time by what kernels mostly wait for, µs.
    pub by_limiter: TimeByLimiter,
    /// Sum over the kernels of the time that none can beat: max(FLOPs / peak, bytes / bandwidth), µs.
    pub roofline_us: f64,
    /// `roofline_us` / `latency_us.mid`: how much of the device the kernels reach.
    pub attained: f64,
    /// What a framework adds that issues kernel after kernel: how long the device waits for the host, µs. Not in
    /// `latency_us`, which is that of a replayed launch graph.
    pub framework_overhead_us: f64,
    /// How much earlier a plan is done, so issued, because kernels find in the last cache of a GPU what was just made, µs. Not
    /// in the other two, for which every operand comes from main memory.
    pub found_in_cache_us: f64,
    /// What the energy is spent on.
    pub energy: EnergyReport,
    /// Why groups take more than one kernel.
    pub not_realizable: Vec<NotRealizable>,
    /// Parallel projections that stay apart.
    pub refused_merges: Vec<RefusedMergeReport>,
}

/// Where a group stands on the roofline of the device.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RooflineReport {
    /// Rate that it reaches, 10⁹ FLOP/s, contractions and others.
    pub gflop_s: f64,
    /// Time that none of its kernels can beat, µs.
    pub roofline_us: f64,
    /// `roofline_us` / predicted time.
    pub attained: f64,
}

impl TimesReport {
    fn of(analysis: &Analysis, plan: &Plan, timing: &Timing) -> Self {
        let refused = |refused: &RefusedMerge| RefusedMergeReport {
            nodes: refused.merge.members.iter().map(|&id| analysis.graph.node_name(id).to_owned()).collect(),
            input: analysis.graph.value_name(refused.merge.input).to_owned(),
            apart_us: refused.apart_us,
            merged_us: refused.merged_us,
        };
        let reasons = timing.not_realizable.iter();
        Self {
            device_kernels: u64::from(timing.total.kernels),
            by_limiter: TimeByLimiter {
                compute: timing.limited_by(Limiter::Compute),
                memory: timing.limited_by(Limiter::Memory),
                cache: timing.limited_by(Limiter::Cache),
                launch: timing.limited_by(Limiter::Launch),
            },
            roofline_us: timing.total.roofline_us,
            attained: share(timing.total.roofline_us, timing.total.us),
            framework_overhead_us: timing.framework_us,
            found_in_cache_us: timing.cached_us,
            energy: EnergyReport::from(&timing.energy),
            not_realizable: reasons
                .map(|&(reason, groups)| NotRealizable { reason: reason.id().to_owned(), groups: groups as u64 })
                .collect(),
            refused_merges: plan.refused_merges.iter().map(refused).collect(),
        }
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

impl Range {
    pub(crate) fn of(time: &GroupTime) -> Self {
        Range { low: time.low, mid: time.us, high: time.high }
    }
}

impl PlanReport {
    /// Adds what plans take on a device; `plans` are those of the report, in its order, each with its timing.
    #[must_use]
    pub fn with_times(mut self, subject: &Subject, device: &Device, plans: &[(&Plan, &Timing)]) -> Self {
        self.device.name = Some(device.id.clone());
        self.device.title = Some(device.name.clone());
        self.device.revision = Some(device.revision);
        self.floor.latency_us = Some(floor_us(subject.analysis.graph, &subject.analysis.storage, device));
        for (strategy, &(plan, timing)) in self.strategies.iter_mut().zip(plans) {
            let times = TimesReport::of(subject.analysis, plan, timing);
            strategy.latency_us = Some(Range::of(&timing.total));
            strategy.above_floor.latency =
                self.floor.latency_us.and_then(|floor| crate::strategy::multiple(timing.total.us, floor));
            strategy.energy_mj = Some(timing.energy.total());
            strategy.not_realizable = Some(times.not_realizable.iter().map(|entry| entry.groups).sum());
            strategy.times = Some(times);
        }
        let Some(groups) = &mut self.groups else { return self };
        let mut kernels: Vec<_> = plans.iter().map(|(_, timing)| DeviceKernel::by_group(timing, device)).collect();
        for row in groups {
            let Some(number) = plans.iter().position(|(plan, _)| plan.strategy == row.strategy) else { continue };
            let timing = plans[number].1;
            let Ok(id) = usize::try_from(row.id) else { continue };
            let Some(time) = timing.groups.get(id).filter(|time| time.kernels > 0) else { continue };
            row.device_kernels = Some(std::mem::take(&mut kernels[number][id]));
            let flops = row.flops.contraction.saturating_add(row.flops.other);
            row.time = Some(Range::of(time));
            row.bottleneck = time.limiter.map(|limiter| limiter.name().to_owned());
            row.roofline = Some(RooflineReport {
                gflop_s: share(flops as f64 / 1e3, time.us),
                roofline_us: time.roofline_us,
                attained: share(time.roofline_us, time.us),
            });
        }
        self
    }
}
