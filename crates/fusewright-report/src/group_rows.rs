//! One row per group, for those who want to see every kernel.

use fusewright_plan::{Analysis, Plan};
use serde::Serialize;

use crate::device_kernels::DeviceKernel;
use crate::model::{Flops, Range};
use crate::module_path;
use crate::node_notes::merged_groups;
use crate::strategy::BytesReport;
use crate::times::RooflineReport;

/// What a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum GroupKind {
    /// Several nodes in one kernel.
    Fused,
    /// Parallel projections in one kernel.
    Parallel,
    /// One node, one kernel.
    Single,
    /// Nothing is launched: views, host work, ops that pass their operand on.
    View,
}

impl GroupKind {
    pub(crate) fn of(plan: &Plan, group: usize, merged: bool) -> Self {
        if plan.costs[group].kernels == 0 {
            GroupKind::View
        } else if merged {
            GroupKind::Parallel
        } else if plan.sizes.get(group).is_some_and(|&size| size > 1) {
            GroupKind::Fused
        } else {
            GroupKind::Single
        }
    }

    /// Public name.
    pub fn name(self) -> &'static str {
        match self {
            GroupKind::Fused => "fused",
            GroupKind::Parallel => "parallel",
            GroupKind::Single => "single",
            GroupKind::View => "view",
        }
    }
}

/// A group of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GroupRow {
    /// Name of the plan's partitioner.
    pub strategy: String,
    /// Number of the group in the plan.
    pub id: u64,
    /// Its pattern; `null` for a node outside the count.
    pub pattern: Option<String>,
    /// Names of its nodes in topological order, views that travel along included.
    pub nodes: Vec<String>,
    /// What it is.
    pub kind: GroupKind,
    /// The first of its nodes that does work.
    pub first_node: String,
    /// The module path that contains its nodes that do work; empty for the model itself.
    pub module: String,
    /// Arithmetic.
    pub flops: Flops,
    /// Bytes moved and kept.
    pub bytes: BytesReport,
    /// FLOPs, contractions and others, per byte moved.
    pub intensity: f64,
    /// Predicted microseconds; `null` without `--hw`.
    pub time: Option<Range>,
    /// What its longest kernel waits for: `compute`, `memory`, `cache` or `launch`; `null` without `--hw`.
    pub bottleneck: Option<String>,
    /// Where it stands on the roofline; `null` without `--hw`.
    pub roofline: Option<RooflineReport>,
    /// The kernels that it takes on the device; `null` without `--hw`.
    pub device_kernels: Option<Vec<DeviceKernel>>,
    /// Groups that it reads from, ascending.
    pub depends_on: Vec<u64>,
}

/// The groups of a plan, those outside the count last.
pub(crate) fn group_rows(analysis: &Analysis, plan: &Plan) -> Vec<GroupRow> {
    let graph = analysis.graph;
    let merged = merged_groups(plan);
    let row = |(group, depends_on): (usize, Vec<u32>)| {
        let members = plan.groups.members(group);
        let cost = &plan.costs[group];
        GroupRow {
            strategy: plan.strategy.to_owned(),
            id: group as u64,
            pattern: (group < plan.counted).then(|| plan.pattern(group).to_owned()),
            nodes: members.iter().map(|&id| graph.node_name(id).to_owned()).collect(),
            kind: GroupKind::of(plan, group, merged[group]),
            first_node: module_path::first_worker(analysis, members).to_owned(),
            module: module_path::common(analysis, members).to_owned(),
            flops: Flops::from(cost.work),
            bytes: BytesReport::from(cost),
            intensity: cost.intensity(),
            time: None,
            bottleneck: None,
            roofline: None,
            device_kernels: None,
            depends_on: depends_on.into_iter().map(u64::from).collect(),
        }
    };
    plan.dependencies(analysis).into_iter().enumerate().map(row).collect()
}
