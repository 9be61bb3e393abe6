//! What nearly fused, and what may fuse but does not in this plan.

use std::collections::BTreeMap;

use fusewright_cost::SetCosts;
use fusewright_ir::{NodeId, TensorType};
use fusewright_pattern::{AttentionMiss, Miss, MissedStep, Recogniser, RuleId};
use fusewright_plan::{RefusedMerge, StopReason, Stops};
use serde::Serialize;

use super::Explained;
use super::stop::{OTHER_STRATEGY, StopReport, shape_text};
use crate::figures::us_text;
use crate::module_path;
use crate::places::{Places, fold_places, place_template, without_braces};

/// The rule that joins the steps of an attention.
const ATTENTION: &str = "attention";

/// A fusion that the plan does not have. Figures are those of one place.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExplainedMiss {
    /// Stable id of the rule that would fuse.
    pub rule: String,
    /// Stable id of the rule that describes the place more closely, e.g. `causal-attention`; `null` where none does.
    pub variant: Option<String>,
    /// Stable id of the reason.
    pub reason: String,
    /// `near`: a rule holds but for one constraint. `apart`: it holds, and this plan does otherwise. `refused`: it holds,
    /// and would be no faster on the device.
    pub kind: String,
    /// Number of places.
    pub times: u64,
    /// Module paths, folded over repeated layers, with how many there.
    pub places: Places,
    /// Name of the node in the way, at the first place.
    pub node: Option<String>,
    /// Name of the value in the way, at the first place.
    pub value: Option<String>,
    /// Its dtype and shape.
    pub shape: Option<String>,
    /// The reason with its evidence, a sentence without its full stop.
    pub text: String,
    /// Names of the nodes that would run as one kernel, at the first place.
    pub nodes: Vec<String>,
    /// Launches that it would save.
    pub kernels_saved: u64,
    /// Bytes that it would save.
    pub bytes_saved: u64,
    /// What to change; `null` where nothing in the model would help.
    pub change: Option<String>,
}

/// A miss before equal ones are counted together.
struct Single {
    place: String,
    miss: ExplainedMiss,
}

/// Everything that the plan does not fuse though a rule holds or nearly holds, largest saving of bytes first; only what
/// has to do with one node where one is given.
pub(super) fn explained_misses(explained: &Explained, stops: &Stops, only: Option<NodeId>) -> Vec<ExplainedMiss> {
    let findings = &explained.findings;
    let attentions = &explained.subject.analysis.attentions;
    let told_by_library = explained.library.rules().any(|(_, rule)| rule.recogniser == Some(Recogniser::Attention));
    let concerns = |nodes: &[NodeId]| only.is_none_or(|id| nodes.contains(&id));
    let costs = SetCosts::of(explained.subject.analysis.graph, &explained.subject.analysis.storage);
    let near = findings
        .misses
        .iter()
        .filter(|miss| concerns(&miss.nodes) || only.is_some() && miss.evidence.node == only)
        .map(|miss| near(explained, miss));
    let candidates = findings.candidates.iter().filter(|candidate| concerns(&candidate.nodes));
    let candidates = candidates.filter_map(|candidate| {
        let (rule, variant) = names_of_rule(explained, candidate.rule);
        let found = apart(explained, stops, &costs, &rule, &candidate.nodes)?;
        Some(Single { miss: ExplainedMiss { variant, ..found.miss }, ..found })
    });
    // Where the library has no rule of its own for them, attentions are known from the analysis.
    let sites = if told_by_library { &[][..] } else { &attentions.sites };
    let sites = sites.iter().filter(|site| site.chain.len() > 1 && concerns(&site.chain));
    let attention = sites.filter_map(|site| {
        let mut nodes = site.chain.clone();
        nodes.sort_unstable();
        apart(explained, stops, &costs, ATTENTION, &nodes)
    });
    let softmaxes = if told_by_library { &[][..] } else { &attentions.misses };
    let softmaxes =
        softmaxes.iter().filter(|miss| concerns(&[miss.softmax]) || miss.node.is_some() && miss.node == only);
    let softmaxes = softmaxes.map(|miss| no_attention(explained, miss));
    let refused_merges = explained.plan.refused_merges.iter().filter(|refused| concerns(&refused.merge.members));
    let refused = refused_merges.map(|merge| refused(explained, merge));
    let mut known: BTreeMap<[String; 4], usize> = BTreeMap::new();
    let mut misses: Vec<(ExplainedMiss, Places)> = Vec::new();
    for Single { place, miss } in near.chain(softmaxes).chain(attention).chain(candidates).chain(refused) {
        let key = [miss.rule.clone(), miss.reason.clone(), place_template(&place), place_template(&miss.text)];
        if let Some(&position) = known.get(&key) {
            misses[position].0.times += 1;
            *misses[position].1.entry(place).or_default() += 1;
        } else {
            known.insert(key, misses.len());
            misses.push((miss, Places::from([(place, 1)])));
        }
    }
    let folded = misses.into_iter().map(|(miss, places)| ExplainedMiss { places: fold_places(&places), ..miss });
    let mut misses: Vec<ExplainedMiss> = folded.collect();
    misses.sort_by_key(|miss| std::cmp::Reverse(miss.weight()));
    misses
}

impl ExplainedMiss {
    /// What all of them would save.
    pub(super) fn weight(&self) -> (u64, u64) {
        (self.bytes_saved.saturating_mul(self.times), self.kernels_saved.saturating_mul(self.times))
    }
}

/// The id of a rule, and that of the kind of attention where it is one.
fn names_of_rule(explained: &Explained, rule: RuleId) -> (String, Option<String>) {
    let rule = explained.library.rule(rule);
    match rule.recogniser {
        Some(Recogniser::Attention) if rule.id != ATTENTION => (ATTENTION.to_owned(), Some(rule.id.clone())),
        _ => (rule.id.clone(), None),
    }
}

/// A rule that holds but for one constraint.
fn near(explained: &Explained, miss: &Miss) -> Single {
    let graph = explained.subject.analysis.graph;
    let evidence = &miss.evidence;
    let found = match (evidence.found.as_str(), evidence.expected.as_str()) {
        ("", "") => String::new(),
        (found, "") => format!(": found {found}"),
        ("", expected) => format!(": expected {expected}"),
        (found, expected) => format!(": found {found}, expected {expected}"),
    };
    let value = evidence.value.map(|value| graph.value_name(value).to_owned());
    let (rule, variant) = names_of_rule(explained, miss.rule);
    let at = value.as_ref().map_or_else(String::new, |name| format!(" at `{name}`"));
    Single {
        place: place(explained, &miss.nodes),
        miss: ExplainedMiss {
            rule,
            variant,
            reason: miss.reason.id().to_owned(),
            kind: "near".to_owned(),
            times: 1,
            places: Places::new(),
            node: evidence.node.map(|node| graph.node_name(node).to_owned()),
            shape: evidence.value.map(|value| shape_text(graph, value)),
            value,
            text: format!("{}{at}{found}", miss.reason.title()),
            nodes: names(explained, &miss.nodes),
            kernels_saved: u64::from(miss.saving.kernels),
            bytes_saved: miss.saving.bytes,
            change: Some(miss.change.clone()),
        },
    }
}

/// A softmax that nearly is an attention.
fn no_attention(explained: &Explained, miss: &AttentionMiss) -> Single {
    let graph = explained.subject.analysis.graph;
    let value = graph.value_name(miss.value).to_owned();
    let by = miss.node.map_or_else(String::new, |node| format!(", stopped by `{}`", graph.node_name(node)));
    let reason = match miss.step {
        MissedStep::Scores => "no-scores",
        MissedStep::Values => "no-values",
        MissedStep::Shapes => "extents-differ",
    };
    Single {
        place: place(explained, &[miss.softmax]),
        miss: ExplainedMiss {
            rule: ATTENTION.to_owned(),
            variant: None,
            reason: reason.to_owned(),
            kind: "near".to_owned(),
            times: 1,
            places: Places::new(),
            node: miss.node.map(|node| graph.node_name(node).to_owned()),
            text: format!("{} at `{value}`{by}", miss.step.reason()),
            shape: Some(shape_text(graph, miss.value)),
            value: Some(value),
            nodes: names(explained, &[miss.softmax]),
            kernels_saved: 0,
            bytes_saved: 0,
            change: Some(format!("`fusewright explain --rule {reason}` says what an attention needs")),
        },
    }
}

/// A rule that holds where the plan has several groups.
fn apart(explained: &Explained, stops: &Stops, costs: &SetCosts, rule: &str, nodes: &[NodeId]) -> Option<Single> {
    let Explained { subject, plan, .. } = explained;
    let analysis = subject.analysis;
    let works: Vec<NodeId> = nodes.iter().copied().filter(|&id| !analysis.storage.is_free(id)).collect();
    let group = |id: NodeId| plan.groups.of(id);
    let first = *works.first()?;
    if works.iter().all(|&id| group(id) == group(first)) {
        return None;
    }
    // The first result that a step of the rule reads from another group.
    let inside = |id: &NodeId| works.binary_search(id).is_ok();
    let breaks = |&id: &NodeId| {
        let stop = stops.of_node(id)?;
        let crosses = stop.readers.iter().any(inside);
        crosses.then(|| StopReport::of(analysis, stops, plan.strategy, explained.timed.is_some(), &stop))
    };
    let stop = works.iter().find_map(breaks);
    let mut parts: BTreeMap<u32, Vec<NodeId>> = BTreeMap::new();
    for &id in &works {
        parts.entry(group(id)).or_default().push(id);
    }
    let moved = |nodes: &[NodeId]| costs.cost(nodes).moved();
    let bytes = parts.values().map(|part| moved(part)).fold(0, u64::saturating_add).saturating_sub(moved(&works));
    let (reason, text, change) = if let Some(stop) = &stop {
        (stop.rule.clone(), stop.text.clone(), stop.change.clone())
    } else {
        let text = format!("the {} plan keeps them apart", plan.strategy);
        ("not-tried".to_owned(), text, Some(OTHER_STRATEGY.to_owned()))
    };
    Some(Single {
        place: place(explained, &works),
        miss: ExplainedMiss {
            rule: rule.to_owned(),
            variant: None,
            reason,
            kind: "apart".to_owned(),
            times: 1,
            places: Places::new(),
            node: stop.as_ref().map(|stop| stop.node.clone()),
            value: stop.as_ref().map(|stop| stop.value.clone()),
            shape: stop.as_ref().map(|stop| stop.shape.clone()),
            text,
            nodes: names(explained, &works),
            kernels_saved: parts.len() as u64 - 1,
            bytes_saved: bytes,
            change,
        },
    })
}

/// Parallel projections that would be no faster as one.
fn refused(explained: &Explained, refused: &RefusedMerge) -> Single {
    let analysis = explained.subject.analysis;
    let graph = analysis.graph;
    let input = refused.merge.input;
    let count = refused.merge.members.len() as u64;
    let device = explained.timed.map_or("the device", |(device, _)| &device.id);
    let text = format!(
        "as one product they take {} on {device}, apart {}",
        us_text(refused.merged_us),
        us_text(refused.apart_us)
    );
    let bytes = graph.tensor(input).map_or(0, TensorType::bytes);
    Single {
        place: place(explained, &refused.merge.members),
        miss: ExplainedMiss {
            rule: "parallel-linear".to_owned(),
            variant: None,
            reason: super::stop::id_of(&StopReason::NoGain { apart: 0.0, together: 0.0 }).to_owned(),
            kind: "refused".to_owned(),
            times: 1,
            places: Places::new(),
            node: refused.merge.members.first().map(|&id| graph.node_name(id).to_owned()),
            value: Some(graph.value_name(input).to_owned()),
            shape: Some(shape_text(graph, input)),
            text,
            nodes: names(explained, &refused.merge.members),
            kernels_saved: count.saturating_sub(1),
            bytes_saved: bytes.saturating_mul(count.saturating_sub(1)),
            change: None,
        },
    }
}

fn place(explained: &Explained, nodes: &[NodeId]) -> String {
    without_braces(module_path::common(explained.subject.analysis, nodes))
}

fn names(explained: &Explained, nodes: &[NodeId]) -> Vec<String> {
    nodes.iter().map(|&id| explained.subject.analysis.graph.node_name(id).to_owned()).collect()
}
