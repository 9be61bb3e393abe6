//! The part of a report that is about one plan.

use fusewright_cost::GroupCost;
use fusewright_plan::{Analysis, Plan};
use serde::Serialize;

use crate::baseline::{Baseline, Saving};
use crate::model::{Flops, Range};
use crate::module_path;
use crate::times::TimesReport;

/// Bytes of tensor storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BytesReport {
    /// Read from outside a kernel, weights included; each outside value once a kernel.
    pub read: u64,
    /// Written for other kernels or as results of the model.
    pub written: u64,
    /// Of values that a kernel makes and uses itself: they move no bytes.
    pub internal: u64,
    /// Part of `read`: parameters and buffers.
    pub weights: u64,
}

impl BytesReport {
    /// Bytes moved: read and written.
    pub fn moved(&self) -> u64 {
        self.read.saturating_add(self.written)
    }
}

impl From<&GroupCost> for BytesReport {
    fn from(cost: &GroupCost) -> Self {
        Self { read: cost.read, written: cost.written, internal: cost.internal, weights: cost.weights }
    }
}

/// What stands outside the count of nodes and groups, but not outside kernels, bytes and FLOPs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OutsideReport {
    /// Nodes that the profile does not partition and that no group took along.
    pub groups: u64,
    /// Of these, nodes that launch a kernel all the same.
    pub kernels: u64,
}

/// One place where a pattern occurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Example {
    /// Number of the group in the plan.
    pub group: u64,
    /// Its first node that does work.
    pub node: String,
    /// The module path that contains its nodes that do work; empty for the model itself.
    pub module: String,
}

/// A pattern of a plan: groups that hold the same ops in the same order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PatternReport {
    /// The ops joined by `_`, `Parallel_…` for merged projections, or `Unfused`.
    pub name: String,
    /// Number of groups.
    pub count: u64,
    /// Partitioned nodes in them.
    pub nodes: u64,
    /// Launches saved against running the nodes one by one.
    pub kernels_saved: i64,
    /// Bytes saved against running the nodes one by one.
    pub bytes_saved: i64,
    /// The first of the groups.
    pub example: Example,
}

/// What was checked of a plan before it was reported.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CertificateReport {
    /// Each node is in exactly one group, the groups can run one after the other, and the costs were recomputed.
    pub valid: bool,
    /// Proven optimal under the cost model; `null` where that was not asked.
    pub optimal: Option<bool>,
    /// Proven distance from the optimum, as a fraction; `null` where it is not known.
    pub gap: Option<f64>,
}

impl CertificateReport {
    pub(crate) fn of(plan: &Plan) -> Self {
        Self {
            valid: true,
            optimal: plan.optimality.map(|found| found.is_proven()),
            gap: plan.optimality.map(|found| found.gap()),
        }
    }
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StrategyReport {
    /// Name of the partitioner: `eager`, `standard`, `attention`.
    pub name: String,
    /// How the graph was looked at: `reference` or `default`.
    pub profile: String,
    /// Nodes that the profile partitions.
    pub nodes: u64,
    /// Groups that they form.
    pub groups: u64,
    /// Nodes outside this count.
    pub outside: OutsideReport,
    /// Launches, those outside the count included.
    pub kernels: u64,
    /// Fewer launches than eager in the same profile.
    pub kernels_saved: i64,
    /// `nodes` / `groups`.
    pub mean_group_size: f64,
    /// Nodes in the largest group.
    pub max_group_size: u64,
    /// Sets of parallel projections that became one kernel.
    pub parallel_merges: u64,
    /// Bytes that these merges save by reading their shared input once.
    pub shared_input_bytes_saved: u64,
    /// Attentions whose steps, from the scores to the product with the values, are all in one group.
    pub attention_chains: u64,
    /// Bytes moved and kept.
    pub bytes: BytesReport,
    /// Fewer bytes read and written than eager in the same profile.
    pub bytes_saved: i64,
    /// Most bytes of activations alive at once in the plan's order, weights apart.
    pub peak_memory_bytes: u64,
    /// Arithmetic.
    pub flops: Flops,
    /// FLOPs, contractions and others, per byte moved.
    pub intensity: f64,
    /// Predicted time of the device in a replayed launch graph; `null` without `--hw`.
    pub latency_us: Option<Range>,
    /// What the time is made of; `null` without `--hw`.
    pub times: Option<TimesReport>,
    /// Predicted energy; `null` without `--hw`.
    pub energy_mj: Option<f64>,
    /// What the groups are, most frequent first.
    pub patterns: Vec<PatternReport>,
    /// Groups that no single kernel can implement on the device; `null` without `--hw`.
    pub not_realizable: Option<u64>,
    /// How far it is from what no plan of the graph can beat.
    pub above_floor: AboveFloor,
    /// What was checked.
    pub certificate: CertificateReport,
}

/// A plan's figures as multiples of the floor's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AboveFloor {
    /// Bytes moved over the floor's bytes; `null` where the floor is nothing.
    pub bytes: Option<f64>,
    /// Time over the floor's time; `null` without `--hw`.
    pub latency: Option<f64>,
}

/// `figure` over `floor`, if there is a floor.
pub(crate) fn multiple(figure: f64, floor: f64) -> Option<f64> {
    (floor > 0.0).then(|| figure / floor)
}

impl StrategyReport {
    pub(crate) fn of(analysis: &Analysis, plan: &Plan, baseline: &Baseline) -> Self {
        let saving = baseline.saving_of_plan(plan);
        Self {
            name: plan.strategy.to_owned(),
            profile: plan.profile.name().to_owned(),
            nodes: plan.nodes as u64,
            groups: plan.counted as u64,
            outside: OutsideReport {
                groups: (plan.groups.count() - plan.counted) as u64,
                kernels: plan.costs[plan.counted..].iter().map(|cost| u64::from(cost.kernels)).sum(),
            },
            kernels: u64::from(plan.total.kernels),
            kernels_saved: saving.kernels,
            mean_group_size: plan.mean_size(),
            max_group_size: u64::from(plan.max_size()),
            parallel_merges: plan.merges.len() as u64,
            shared_input_bytes_saved: plan.shared_input_saved(analysis),
            attention_chains: plan.attention_chains as u64,
            bytes: BytesReport::from(&plan.total),
            bytes_saved: saving.bytes,
            peak_memory_bytes: plan.peak_memory,
            flops: Flops::from(plan.total.work),
            intensity: plan.total.intensity(),
            above_floor: AboveFloor::default(),
            latency_us: None,
            times: None,
            energy_mj: None,
            patterns: patterns(analysis, plan, baseline),
            not_realizable: None,
            certificate: CertificateReport::of(plan),
        }
    }

    /// Launches of the eager plan in the same profile.
    pub fn eager_kernels(&self) -> u64 {
        self.kernels.saturating_add_signed(self.kernels_saved)
    }

    /// Bytes moved by the eager plan in the same profile.
    pub fn eager_bytes(&self) -> u64 {
        self.bytes.moved().saturating_add_signed(self.bytes_saved)
    }

    /// The patterns that save something, largest saving of bytes first, then of kernels, then by name.
    pub fn opportunities(&self) -> Vec<&PatternReport> {
        let saves = |pattern: &&PatternReport| pattern.kernels_saved > 0 || pattern.bytes_saved > 0;
        let mut rows: Vec<&PatternReport> = self.patterns.iter().filter(saves).collect();
        rows.sort_by(|a, b| {
            (b.bytes_saved, b.kernels_saved).cmp(&(a.bytes_saved, a.kernels_saved)).then_with(|| a.name.cmp(&b.name))
        });
        rows
    }
}

/// The patterns of the counted groups, most frequent first, then by name.
fn patterns(analysis: &Analysis, plan: &Plan, baseline: &Baseline) -> Vec<PatternReport> {
    let mut rows: Vec<Option<PatternReport>> = vec![None; plan.pattern_names.len()];
    for group in 0..plan.counted {
        let pattern = plan.patterns[group] as usize;
        let Saving { kernels, bytes } = baseline.saving_of_group(plan, group);
        let row = rows[pattern].get_or_insert_with(|| PatternReport {
            name: plan.pattern_names[pattern].clone(),
            count: 0,
            nodes: 0,
            kernels_saved: 0,
            bytes_saved: 0,
            example: example(analysis, plan, group),
        });
        row.count += 1;
        row.nodes += u64::from(plan.sizes[group]);
        row.kernels_saved = row.kernels_saved.saturating_add(kernels);
        row.bytes_saved = row.bytes_saved.saturating_add(bytes);
    }
    let mut rows: Vec<PatternReport> = rows.into_iter().flatten().collect();
    rows.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    rows
}

fn example(analysis: &Analysis, plan: &Plan, group: usize) -> Example {
    let members = plan.groups.members(group);
    Example {
        group: group as u64,
        node: module_path::first_worker(analysis, members).to_owned(),
        module: module_path::common(analysis, members).to_owned(),
    }
}
