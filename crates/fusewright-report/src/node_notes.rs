//! What a plan does with a node, as short texts under fixed keys: metadata that viewers of ONNX files show.

use std::collections::BTreeSet;

use fusewright_device::Device;
use fusewright_ir::NodeId;
use fusewright_plan::{Analysis, Plan, Timing};

use crate::group_rows::GroupKind;
use crate::module_path;

/// A key and a text.
type Note = (&'static str, String);

/// The plan that notes are taken from.
#[derive(Debug)]
pub struct NodeNotes<'a> {
    analysis: &'a Analysis<'a>,
    plan: &'a Plan,
    timing: Option<&'a Timing>,
    /// For each group whether it is one of parallel projections.
    merged: Vec<bool>,
}

impl<'a> NodeNotes<'a> {
    /// Notes from a plan, with its times on the device if there is one.
    pub fn of(analysis: &'a Analysis<'a>, plan: &'a Plan, timing: Option<&'a Timing>) -> Self {
        Self { analysis, plan, timing, merged: merged_groups(plan) }
    }

    /// What is said of something that these nodes stand for, such as a node of a file:
    ///
    /// - `fusewright.group`: its group of the plan, as `plan --groups` numbers them;
    /// - `fusewright.kind`: `fused`, `parallel`, `single` or `view`;
    /// - `fusewright.pattern`: the pattern of the group, or its op;
    /// - `fusewright.bytes`: bytes that the group moves;
    /// - `fusewright.us`: predicted microseconds of the group, on a device.
    ///
    /// Where the nodes are in several groups each text lists all of them.
    pub fn on(&self, members: &[NodeId]) -> Vec<Note> {
        let groups: BTreeSet<usize> = members.iter().map(|&id| self.plan.groups.of(id) as usize).collect();
        let list = |text: &dyn Fn(usize) -> String| {
            let texts: Vec<String> = groups.iter().map(|&group| text(group)).collect();
            texts.join(", ")
        };
        let mut notes = vec![
            ("fusewright.group", list(&|group| group.to_string())),
            ("fusewright.kind", list(&|group| self.kind(group).name().to_owned())),
            ("fusewright.pattern", list(&|group| self.pattern(group).to_owned())),
            ("fusewright.bytes", list(&|group| self.plan.costs[group].moved().to_string())),
        ];
        if let Some(timing) = self.timing {
            notes.push(("fusewright.us", list(&|group| format!("{:.3}", timing.groups[group].us))));
        }
        notes
    }

    pub(crate) fn kind(&self, group: usize) -> GroupKind {
        GroupKind::of(self.plan, group, self.merged[group])
    }

    fn pattern(&self, group: usize) -> &str {
        if self.kind(group) == GroupKind::Fused || self.kind(group) == GroupKind::Parallel {
            return self.plan.pattern(group);
        }
        module_path::first_worker_op(self.analysis, self.plan.groups.members(group))
    }
}

/// What is said of the model as a whole: who made the plan, which one it is, for which device and sizes.
pub fn model_notes(analysis: &Analysis, plan: &Plan, device: Option<&Device>) -> Vec<Note> {
    let dims: Vec<String> = analysis.graph.dims.iter().map(|dim| format!("{}={}", dim.name, dim.size)).collect();
    let mut notes = vec![
        ("fusewright.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("fusewright.strategy", plan.strategy.to_owned()),
    ];
    notes.extend(device.map(|device| ("fusewright.device", device.id.clone())));
    notes.extend((!dims.is_empty()).then(|| ("fusewright.dims", dims.join(", "))));
    notes
}

/// For each group of a plan whether it is one of parallel projections.
pub(crate) fn merged_groups(plan: &Plan) -> Vec<bool> {
    let mut merged = vec![false; plan.groups.count()];
    for merge in &plan.merges {
        if let Some(&member) = merge.members.first() {
            merged[plan.groups.of(member) as usize] = true;
        }
    }
    merged
}
