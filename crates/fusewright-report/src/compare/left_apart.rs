//! What the first plan leaves apart that could be one kernel: attentions, and projections of one input.

use std::collections::BTreeMap;

use fusewright_cost::SetCosts;
use fusewright_ir::NodeId;
use fusewright_plan::{Analysis, Plan};
use serde::Serialize;

use super::side::together;
use crate::module_path;
use crate::places::{Places, fold_places, without_braces};

/// Fusions of one kind that the first plan lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LeftApart {
    /// `attention` or `projections`.
    pub what: String,
    /// The last plan has them in one kernel; if not, `explain` says what is in the way.
    pub fused_by_last: bool,
    /// How many.
    pub times: u64,
    /// Module paths, folded over repeated layers, with how many there.
    pub places: Places,
    /// Launches beyond one for each.
    pub kernels: u64,
    /// Bytes that one kernel for each would not move.
    pub bytes: u64,
}

/// Attentions that `first` has in pieces, and projections that `last` has in one product and `first` has not.
pub(super) fn left_apart(analysis: &Analysis, first: &Plan, last: &Plan) -> Vec<LeftApart> {
    let costs = SetCosts::of(analysis.graph, &analysis.storage);
    let chains: Vec<&[NodeId]> = analysis.attentions.sites.iter().map(|site| site.chain.as_slice()).collect();
    let merges: Vec<&[NodeId]> = last.merges.iter().map(|merge| merge.members.as_slice()).collect();
    let (fused, apart): (Vec<_>, Vec<_>) = chains.into_iter().partition(|nodes| together(last, nodes));
    let kinds = [("attention", true, fused), ("attention", false, apart), ("projections", true, merges)];
    let kinds = kinds.iter().filter_map(|(what, fused, sets)| kind(analysis, &costs, first, what, *fused, sets));
    kinds.collect()
}

fn kind(
    analysis: &Analysis,
    costs: &SetCosts,
    first: &Plan,
    what: &str,
    fused_by_last: bool,
    sets: &[&[NodeId]],
) -> Option<LeftApart> {
    let mut places: Places = BTreeMap::new();
    let (mut times, mut kernels, mut bytes) = (0, 0_u64, 0_u64);
    for nodes in sets.iter().filter(|nodes| !together(first, nodes)) {
        *places.entry(without_braces(module_path::common(analysis, nodes))).or_default() += 1;
        times += 1;
        let mut nodes: Vec<NodeId> = nodes.to_vec();
        nodes.sort_unstable();
        let mut groups: Vec<Vec<NodeId>> = Vec::new();
        for &id in &nodes {
            match groups.iter_mut().find(|group| first.groups.of(group[0]) == first.groups.of(id)) {
                Some(group) => group.push(id),
                None => groups.push(vec![id]),
            }
        }
        let moved = |nodes: &[NodeId]| costs.cost(nodes).moved();
        let apart = groups.iter().map(|group| moved(group)).fold(0, u64::saturating_add);
        kernels += groups.len() as u64 - 1;
        bytes = bytes.saturating_add(apart.saturating_sub(moved(&nodes)));
    }
    let places = fold_places(&places);
    (times > 0).then(|| LeftApart { what: what.to_owned(), fused_by_last, times, places, kernels, bytes })
}

impl LeftApart {
    /// It in a sentence without a full stop; `last` is the strategy of the last side.
    pub(super) fn text(&self, last: &str) -> String {
        let what = match (self.what.as_str(), self.times) {
            ("attention", 1) => "attention".to_owned(),
            ("attention", _) => "attentions".to_owned(),
            (what, _) => format!("sets of {what}"),
        };
        let bytes = crate::figures::bytes_text(self.bytes).replace(' ', "\u{a0}");
        let either = if self.fused_by_last {
            String::new()
        } else {
            format!("; the {last} plan does not fuse them either, explain --misses says why")
        };
        let places = crate::check::places_text(&self.places);
        let kernels = self.kernels;
        format!(
            "left apart: {}\u{a0}{what} with {kernels} kernels and {bytes} more than fused, {places}{either}",
            self.times
        )
    }
}
