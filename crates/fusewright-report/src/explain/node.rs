//! One node: what it is, its group in each plan, and what keeps more away.

use fusewright_ir::{NodeId, ValueId};
use fusewright_plan::{Plan, Stops};
use serde::Serialize;

use super::group::{Member, kind, label, member};
use super::miss::explained_misses;
use super::stop::{StopReport, shape_text};
use super::{Explained, ExplainedMiss};
use crate::group_rows::GroupKind;

/// A value that a node reads or makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NodeValue {
    /// Its name.
    pub name: String,
    /// Its dtype and shape.
    pub shape: String,
    /// The node that makes it; `null` for inputs, weights and constants.
    pub made_by: Option<String>,
}

/// A node in one plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NodeInPlan {
    /// Name of the partitioner.
    pub strategy: String,
    /// Number of its group.
    pub group: u64,
    /// The pattern of the group; the op for a group of one node.
    pub pattern: String,
    /// What the group is.
    pub kind: GroupKind,
    /// The nodes of the group that do work.
    pub members: Vec<Member>,
    /// Why it is in the group, a sentence each.
    pub because: Vec<String>,
    /// What keeps those that read its result out of the group; `null` if all of them are in it.
    pub end: Option<StopReport>,
    /// What keeps those that make its operands out of the group.
    pub before: Vec<StopReport>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExplainedNode {
    /// Its name.
    pub name: String,
    /// Its op.
    pub op: String,
    /// Its op in the source.
    pub source_op: String,
    /// Its module path.
    pub module: String,
    /// It only describes memory, or is host work, and launches nothing.
    pub free: bool,
    /// What it reads.
    pub inputs: Vec<NodeValue>,
    /// What it makes.
    pub outputs: Vec<NodeValue>,
    /// Its group in each plan.
    pub plans: Vec<NodeInPlan>,
    /// Misses that it is part of, in any of the plans.
    pub misses: Vec<ExplainedMiss>,
}

impl ExplainedNode {
    /// The node in each of some plans.
    pub(super) fn of(explained: &[Explained], id: NodeId) -> Option<Self> {
        let analysis = explained.first()?.subject.analysis;
        let graph = analysis.graph;
        let node = graph.node(id);
        let value = |&value: &ValueId| NodeValue {
            name: graph.value_name(value).to_owned(),
            shape: shape_text(graph, value),
            made_by: graph.producer(value).map(|maker| graph.node_name(maker).to_owned()),
        };
        let mut misses: Vec<ExplainedMiss> = Vec::new();
        for plan in explained {
            let stops = Stops::of(analysis, plan.plan, plan.timed.map(|(device, _)| device));
            for miss in explained_misses(plan, &stops, Some(id)) {
                if !misses.iter().any(|known| (&known.rule, &known.text) == (&miss.rule, &miss.text)) {
                    misses.push(miss);
                }
            }
        }
        Some(Self {
            name: graph.node_name(id).to_owned(),
            op: node.op.mnemonic().to_owned(),
            source_op: graph.text(node.source.op).to_owned(),
            module: graph.text(node.source.scope).to_owned(),
            free: analysis.storage.is_free(id),
            inputs: node.inputs.iter().map(value).collect(),
            outputs: node.outputs.iter().map(value).collect(),
            plans: explained.iter().map(|plan| NodeInPlan::of(plan, id)).collect(),
            misses,
        })
    }
}

impl NodeInPlan {
    fn of(explained: &Explained, id: NodeId) -> Self {
        let Explained { subject, plan, timed, .. } = explained;
        let analysis = subject.analysis;
        let stops = Stops::of(analysis, plan, timed.map(|(device, _)| device));
        let group = plan.groups.of(id) as usize;
        let takes_part = stops.takes_part(id);
        let report = |stop| StopReport::of(analysis, &stops, plan.strategy, timed.is_some(), &stop);
        let outside = |maker: &NodeId| plan.groups.of(*maker) as usize != group;
        let producers: &[NodeId] = if takes_part { stops.producers(id) } else { &[] };
        let counted = group < plan.counted;
        Self {
            strategy: plan.strategy.to_owned(),
            group: group as u64,
            pattern: if counted { label(explained, group) } else { String::new() },
            kind: kind(explained, group),
            members: if counted {
                stops.members(group).map(|id| member(explained, &stops, id)).collect()
            } else {
                Vec::new()
            },
            because: because(explained, &stops, id, takes_part),
            end: if takes_part { stops.of_node(id).map(report) } else { None },
            before: producers
                .iter()
                .copied()
                .filter(outside)
                .filter_map(|maker| stops.of_node(maker))
                .map(report)
                .collect(),
        }
    }
}

/// Why a node is in its group.
fn because(explained: &Explained, stops: &Stops, id: NodeId, takes_part: bool) -> Vec<String> {
    let Explained { subject, plan, .. } = explained;
    let graph = subject.analysis.graph;
    let group = plan.groups.of(id) as usize;
    if !takes_part {
        return vec![match plan.strategy {
            _ if group >= plan.counted => "it launches nothing and stands outside the count".to_owned(),
            _ => "it launches nothing and travels with the group that makes or reads its memory".to_owned(),
        }];
    }
    let mut reasons = Vec::new();
    let beside = merged_with(plan, id);
    if !beside.is_empty() {
        let names: Vec<String> = beside.iter().map(|&other| format!("`{}`", graph.node_name(other))).collect();
        reasons.push(format!(
            "it runs beside {}: they read one input and wait for nothing of each other",
            names.join(", ")
        ));
    }
    for (producer, consumer) in stops.pairs(group) {
        let rule = stops.rule_id(producer, consumer);
        let by = rule.map_or_else(String::new, |rule| format!(" by the rule {rule}"));
        if consumer == id {
            reasons.push(format!("it joins `{}`, whose only reader it is{by}", graph.node_name(producer)));
        } else if producer == id {
            reasons.push(format!("`{}` joins it as its only reader{by}", graph.node_name(consumer)));
        }
    }
    if reasons.is_empty() && plan.sizes.get(group).is_some_and(|&size| size > 1) {
        reasons.push(match plan.strategy {
            "optimal" => "one kernel does all of the group, and no cheaper partition has it elsewhere".to_owned(),
            "compiled" => "it runs over the elements of the group's loop".to_owned(),
            "as-written" => "it is a step of the same op of the file".to_owned(),
            _ => "its operands come from the group, and its result goes there".to_owned(),
        });
    }
    if reasons.is_empty() {
        reasons.push("it stands alone".to_owned());
    }
    reasons
}

fn merged_with(plan: &Plan, id: NodeId) -> Vec<NodeId> {
    let merge = plan.merges.iter().find(|merge| merge.members.contains(&id));
    merge.map_or_else(Vec::new, |merge| merge.members.iter().copied().filter(|&other| other != id).collect())
}
