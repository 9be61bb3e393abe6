//! What the first plan leaves apart and the last one fuses, where both are of one model.

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
    /// How many.
    pub times: u64,
    /// Module paths, folded over repeated layers, with how many there.
    pub places: Places,
    /// Launches of the first plan that the last one does not need.
    pub kernels: u64,
    /// Bytes that the first plan moves and the last one does not.
    pub bytes: u64,
}

/// What `last` keeps in one group and `first` does not: attentions, and projections of one input.
pub(super) fn left_apart(analysis: &Analysis, first: &Plan, last: &Plan) -> Vec<LeftApart> {
    let costs = SetCosts::of(analysis.graph, &analysis.storage);
    let chains = analysis.attentions.sites.iter().map(|site| site.chain.as_slice());
    let merges = last.merges.iter().map(|merge| merge.members.as_slice());
    let mut found = Vec::new();
    found.extend(kind(analysis, &costs, first, last, "attention", chains));
    found.extend(kind(analysis, &costs, first, last, "projections", merges));
    found
}

fn kind<'n>(
    analysis: &Analysis,
    costs: &SetCosts,
    first: &Plan,
    last: &Plan,
    what: &str,
    sets: impl Iterator<Item = &'n [NodeId]>,
) -> Option<LeftApart> {
    let mut places: Places = BTreeMap::new();
    let (mut times, mut kernels, mut bytes) = (0, 0_u64, 0_u64);
    for nodes in sets.filter(|nodes| together(last, nodes) && !together(first, nodes)) {
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
    (times > 0).then(|| LeftApart { what: what.to_owned(), times, places: fold_places(&places), kernels, bytes })
}
