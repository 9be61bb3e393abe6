//! The groups of a plan, equal ones of repeated layers as one, each with its rules and its end.

use std::collections::BTreeMap;

use fusewright_ir::{NodeId, Op};
use fusewright_plan::{Stop, Stops, UNFUSED};
use serde::Serialize;

use super::Explained;
use super::stop::{StopReport, id_of, realize_text};
use crate::baseline::Baseline;
use crate::group_rows::GroupKind;
use crate::model::Range;
use crate::module_path;
use crate::places::{Places, fold_places, place_template, without_braces};

/// A node of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Member {
    /// Its op, as patterns call it.
    pub op: String,
    /// Its name.
    pub node: String,
}

/// Why a group takes several kernels on the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unrealizable {
    /// Stable id of the reason.
    pub rule: String,
    /// The reason, a sentence without its full stop.
    pub text: String,
    /// Kernels that it takes.
    pub kernels: u64,
}

/// Groups of one pattern at one place of a layer, with equal costs and ends. Figures are those of one group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExplainedGroup {
    /// The pattern; the op for a group of one node.
    pub pattern: String,
    /// What it is.
    pub kind: GroupKind,
    /// Number of groups.
    pub times: u64,
    /// Their module paths, folded over repeated layers, with how many there.
    pub places: Places,
    /// Number of the first of them in the plan.
    pub group: u64,
    /// Its nodes that do work.
    pub members: Vec<Member>,
    /// Stable ids of the rules that joined them.
    pub rules: Vec<String>,
    /// Launches saved against running the nodes one by one.
    pub kernels_saved: i64,
    /// Bytes saved against running the nodes one by one.
    pub bytes_saved: i64,
    /// Bytes of values that stay inside the group.
    pub bytes_internal: u64,
    /// Bytes read and written.
    pub bytes: u64,
    /// Predicted time, µs; `null` without `--hw`.
    pub time_us: Option<Range>,
    /// What its longest kernel waits for; `null` without `--hw`.
    pub bottleneck: Option<String>,
    /// Why it takes several kernels on the device; `null` where it takes one, or without `--hw`.
    pub not_realizable: Option<Unrealizable>,
    /// Where it ends, and why there: one entry for each result that leaves it.
    pub ends: Vec<StopReport>,
}

/// What makes two groups the same.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    pattern: String,
    place: String,
    figures: [u64; 5],
    ends: Vec<(&'static str, Vec<String>)>,
}

/// The groups that launch something, in the order of the graph.
pub(super) fn explained_groups(explained: &Explained, stops: &Stops) -> Vec<ExplainedGroup> {
    let Explained { subject, plan, eager, timed, .. } = explained;
    let analysis = subject.analysis;
    let baseline = Baseline::new(analysis, eager);
    let mut known: BTreeMap<Key, usize> = BTreeMap::new();
    let mut groups: Vec<(ExplainedGroup, Places)> = Vec::new();
    for group in (0..plan.counted).filter(|&group| plan.costs[group].kernels > 0) {
        let members = plan.groups.members(group);
        let place = without_braces(module_path::common(analysis, members));
        let ends = stops.of_group(group);
        let cost = &plan.costs[group];
        let time = timed.map(|(_, timing)| timing.groups[group]);
        let key = Key {
            pattern: label(explained, group),
            place: place_template(&place),
            figures: [
                cost.read,
                cost.written,
                cost.internal,
                u64::from(plan.sizes[group]),
                time.map_or(0, |time| time.us.to_bits()),
            ],
            ends: ends.iter().map(|stop| (id_of(&stop.reason), reader_ops(stops, stop))).collect(),
        };
        if let Some(&position) = known.get(&key) {
            let (explained, places) = &mut groups[position];
            explained.times += 1;
            *places.entry(place).or_default() += 1;
            continue;
        }
        let saving = baseline.saving_of_group(plan, group);
        let report = |stop: &Stop| StopReport::of(analysis, stops, plan.strategy, timed.is_some(), stop);
        let reason = timed.and_then(|(_, timing)| timing.reasons[group]);
        let first = ExplainedGroup {
            pattern: key.pattern.clone(),
            kind: kind(explained, group),
            times: 1,
            places: Places::new(),
            group: group as u64,
            members: stops.members(group).map(|id| member(explained, stops, id)).collect(),
            rules: rules(explained, stops, group),
            kernels_saved: saving.kernels,
            bytes_saved: saving.bytes,
            bytes_internal: cost.internal,
            bytes: cost.moved(),
            time_us: time.filter(|time| time.kernels > 0).as_ref().map(Range::of),
            bottleneck: time.and_then(|time| time.limiter).map(|limiter| limiter.name().to_owned()),
            not_realizable: reason.map(|reason| Unrealizable {
                rule: reason.id().to_owned(),
                text: realize_text(reason).to_owned(),
                kernels: time.map_or(0, |time| u64::from(time.kernels)),
            }),
            ends: ends.iter().map(report).collect(),
        };
        known.insert(key, groups.len());
        groups.push((first, Places::from([(place, 1)])));
    }
    let folded = groups.into_iter().map(|(group, places)| ExplainedGroup { places: fold_places(&places), ..group });
    folded.collect()
}

/// The pattern of a group, or the op of its only node.
pub(super) fn label(explained: &Explained, group: usize) -> String {
    match explained.plan.pattern(group) {
        UNFUSED => {
            let members = explained.plan.groups.members(group);
            module_path::first_worker_op(explained.subject.analysis, members).to_owned()
        }
        pattern => pattern.to_owned(),
    }
}

pub(super) fn kind(explained: &Explained, group: usize) -> GroupKind {
    let plan = explained.plan;
    let merged = group < plan.counted && plan.pattern(group).starts_with("Parallel_");
    GroupKind::of(plan, group, merged)
}

pub(super) fn member(explained: &Explained, stops: &Stops, id: NodeId) -> Member {
    let graph = explained.subject.analysis.graph;
    Member { op: stops.name_of(id).to_owned(), node: graph.node_name(id).to_owned() }
}

fn reader_ops(stops: &Stops, stop: &Stop) -> Vec<String> {
    stop.readers.iter().map(|&reader| stops.name_of(reader).to_owned()).collect()
}

/// The rules that made a group of its nodes, in the order in which they joined.
pub(super) fn rules(explained: &Explained, stops: &Stops, group: usize) -> Vec<String> {
    let plan = explained.plan;
    if plan.sizes[group] < 2 {
        return Vec::new();
    }
    let mut rules: Vec<String> = Vec::new();
    let pattern = plan.pattern(group);
    if pattern.starts_with("Parallel_") {
        rules.push(pattern.to_lowercase().replace('_', "-"));
    }
    let pairs = stops.pairs(group).into_iter();
    rules.extend(pairs.filter_map(|(producer, consumer)| stops.rule_id(producer, consumer)));
    match plan.strategy {
        "compiled" => rules.push("compiled-loop".to_owned()),
        "as-written" => rules.push("one-op".to_owned()),
        "optimal" => rules.push(form(explained, stops, group).to_owned()),
        _ => {}
    }
    let mut once: Vec<String> = Vec::new();
    for rule in rules {
        if !once.contains(&rule) {
            once.push(rule);
        }
    }
    once
}

/// What kind of kernel of the grammar a group of an optimal plan is.
fn form(explained: &Explained, stops: &Stops, group: usize) -> &'static str {
    let analysis = explained.subject.analysis;
    let members: Vec<NodeId> = stops.members(group).collect();
    let inside = |id: &NodeId| explained.plan.groups.of(*id) as usize == group;
    let attends = |site: &fusewright_pattern::AttentionSite| site.chain.len() > 1 && site.chain.iter().all(inside);
    let is_product =
        |id: &NodeId| matches!(analysis.graph.node(*id).op, Op::Contraction(_) | Op::Convolution(_) | Op::Attention(_));
    if analysis.attentions.sites.iter().any(attends) {
        "kernel-attention"
    } else if members.iter().any(is_product) {
        "kernel-product"
    } else {
        "kernel-loop"
    }
}
