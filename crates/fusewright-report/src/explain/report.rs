//! The published form of an explanation.

use fusewright_device::Device;
use fusewright_ir::{NodeId, StructureHash};
use fusewright_pattern::{Findings, Library};
use fusewright_plan::{Plan, Stops, Timing};
use serde::Serialize;

use super::group::explained_groups;
use super::miss::explained_misses;
use super::{ExplainedGroup, ExplainedMiss, ExplainedNode};
use crate::json;
use crate::model::{Range, Subject};
use crate::plan_report::SCHEMA_VERSION;

/// A plan that is explained.
#[derive(Clone, Copy, Debug)]
pub struct Explained<'a> {
    /// The model.
    pub subject: Subject<'a>,
    /// The plan.
    pub plan: &'a Plan,
    /// The eager plan of the same graph and profile, which savings are measured against.
    pub eager: &'a Plan,
    /// The device with the plan's time on it.
    pub timed: Option<(&'a Device, &'a Timing)>,
    /// The rules that were searched for.
    pub library: &'a Library,
    /// Where they hold, and where they nearly do.
    pub findings: &'a Findings,
}

/// One plan with its groups and misses.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExplainedPlan {
    /// Name of the partitioner.
    pub strategy: String,
    /// How the graph was looked at.
    pub profile: String,
    /// Launches.
    pub kernels: u64,
    /// Bytes moved.
    pub bytes: u64,
    /// Predicted time; `null` without `--hw`.
    pub latency_us: Option<Range>,
    /// Its groups, equal ones of repeated layers as one, in the order of the graph.
    pub groups: Vec<ExplainedGroup>,
    /// What it does not fuse though a rule holds or nearly holds, largest saving first.
    pub misses: Vec<ExplainedMiss>,
}

/// What `fusewright explain` says of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExplainReport {
    /// Version of this form: 1.
    #[cfg_attr(test, schemars(range(min = 1, max = 1)))]
    pub schema_version: u32,
    /// Version of fusewright that explained.
    pub tool_version: String,
    /// Name of the model.
    pub model: String,
    /// Where it was read from.
    pub source: String,
    /// Hash of its structure.
    pub hash: String,
    /// Id of the device; `null` without `--hw`.
    pub device: Option<String>,
    /// The plans.
    pub plans: Vec<ExplainedPlan>,
    /// The node that was asked for with `--node`.
    pub node: Option<ExplainedNode>,
}

impl ExplainReport {
    /// Explains plans of one model, and a node of it where one is asked for. `None` without a plan.
    pub fn new(explained: &[Explained], node: Option<NodeId>) -> Option<Self> {
        let first = explained.first()?;
        let graph = first.subject.analysis.graph;
        let plans: Vec<ExplainedPlan> = explained.iter().map(ExplainedPlan::of).collect();
        Some(Self {
            schema_version: SCHEMA_VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            model: graph.name.clone(),
            source: first.subject.source.to_owned(),
            hash: StructureHash::of(graph).to_string(),
            device: first.timed.map(|(device, _)| device.id.clone()),
            node: node.and_then(|id| ExplainedNode::of(explained, id)),
            plans,
        })
    }

    /// Only what a rule or reason of this id has to do with.
    #[must_use]
    pub fn about_rule(mut self, id: &str) -> Self {
        for plan in &mut self.plans {
            plan.groups.retain(|group| {
                let ends = group.ends.iter().any(|end| end.rule == id);
                let realized = group.not_realizable.as_ref().is_some_and(|reason| reason.rule == id);
                ends || realized || group.rules.iter().any(|rule| rule == id)
            });
            plan.misses.retain(|miss| miss.rule == id || miss.reason == id || miss.variant.as_deref() == Some(id));
        }
        self
    }

    /// Only what is not fused.
    #[must_use]
    pub fn misses_only(mut self) -> Self {
        self.plans.iter_mut().for_each(|plan| plan.groups.clear());
        self
    }

    /// The report as JSON, indented, with a newline at the end.
    pub fn to_json(&self) -> String {
        json::indented(self)
    }
}

impl ExplainedPlan {
    fn of(explained: &Explained) -> Self {
        let Explained { subject, plan, timed, .. } = explained;
        let stops = Stops::of(subject.analysis, plan, timed.map(|(device, _)| device));
        Self {
            strategy: plan.strategy.to_owned(),
            profile: plan.profile.name().to_owned(),
            kernels: u64::from(plan.total.kernels),
            bytes: plan.total.moved(),
            latency_us: timed.map(|(_, timing)| Range::of(&timing.total)),
            groups: explained_groups(explained, &stops),
            misses: explained_misses(explained, &stops, None),
        }
    }
}
