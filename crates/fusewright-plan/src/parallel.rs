//! Merging parallel projections: linears that read one input and do not depend on each other become one wide product.
//!
//! Which siblings may merge is decided by *level*, the longest path of groups that ends at a group. An edge between
//! groups always leads to a higher level, so merging groups of one level keeps every edge pointing upward: however many
//! sets merge at once, no cycle can arise. Siblings that feed each other, however indirectly, differ in level.

use fusewright_cost::Groups;
use fusewright_device::Device;
use fusewright_ir::{NodeId, ValueId};
use fusewright_pattern::{literal_name, projection_of};

use crate::chain::Assignment;
use crate::merge_price::{RefusedMerge, without_gain};
use crate::quotient::Quotient;
use crate::{Analysis, Profile};

/// A set of projections that became one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParallelMerge {
    /// The projections, in topological order.
    pub members: Vec<NodeId>,
    /// The activation that all of them read.
    pub input: ValueId,
}

/// Sets of siblings that may merge.
#[derive(Debug, Default)]
pub(crate) struct Merges {
    /// Those that become one product.
    pub(crate) taken: Vec<ParallelMerge>,
    /// Those that would not be faster as one.
    pub(crate) refused: Vec<RefusedMerge>,
}

/// Finds the sets of siblings that may merge, given a partition without merges. Where a device is given, the default
/// profile takes only those that are faster there.
pub(crate) fn find_merges(
    analysis: &Analysis,
    profile: Profile,
    device: Option<&Device>,
    chain_of: &Assignment,
    groups: &Groups,
) -> Merges {
    let mut siblings = match profile {
        Profile::Reference => literal_linears(analysis, chain_of),
        Profile::Default => projections(analysis),
    };
    siblings.sort_unstable();
    let sets: Vec<&[(Key, NodeId)]> = siblings.chunk_by(|a, b| a.0 == b.0).filter(|set| set.len() > 1).collect();
    if sets.is_empty() {
        return Merges::default();
    }
    let quotient = Quotient::of(analysis.graph, &analysis.storage, groups);
    let Ok(schedule) = quotient.schedule(groups) else { return Merges::default() };
    let levels = quotient.levels(&schedule);
    let level = |node: NodeId| levels[groups.of(node) as usize];

    let mut merges = Merges::default();
    for set in sets {
        let input = set[0].0.input;
        let mut by_level: Vec<NodeId> = set.iter().map(|&(_, node)| node).collect();
        by_level.sort_by_key(|&node| (level(node), node));
        for members in by_level.chunk_by(|&a, &b| level(a) == level(b)) {
            let mut members = members.to_vec();
            members.dedup_by_key(|node| chain_of[node.index()]);
            let enough = match profile {
                Profile::Reference => set.len() == 3 && members.len() == 3,
                Profile::Default => members.len() >= 2,
            };
            if !enough {
                continue;
            }
            let merge = ParallelMerge { members, input };
            let judge = device.filter(|_| profile == Profile::Default);
            match judge.and_then(|device| without_gain(analysis, &merge, device)) {
                Some(refused) => merges.refused.push(refused),
                None => merges.taken.push(merge),
            }
        }
    }
    merges.taken.sort_by_key(|merge| merge.members[0]);
    merges.refused.sort_by_key(|refused| refused.merge.members[0]);
    merges
}

/// Puts the groups of each merge together and renumbers; gives the new assignment and the number of groups.
pub(crate) fn apply_merges(mut chain_of: Assignment, count: u32, merges: &[ParallelMerge]) -> (Assignment, u32) {
    // The group that each chain ends up in: the smallest number of those it is merged with, directly or through others.
    let mut target: Vec<u32> = (0..count).collect();
    for merge in merges {
        let ends: Vec<u32> = merge.members.iter().filter_map(|node| chain_of[node.index()]).collect();
        let ends: Vec<u32> = ends.into_iter().map(|chain| end_of(&target, chain)).collect();
        let Some(&first) = ends.iter().min() else { continue };
        for end in ends {
            target[end as usize] = first;
        }
    }
    for chain in 0..count {
        target[chain as usize] = end_of(&target, chain);
    }
    let mut renumbered = vec![0_u32; target.len()];
    let mut groups = 0_u32;
    for chain in 0..target.len() {
        if target[chain] as usize == chain {
            renumbered[chain] = groups;
            groups += 1;
        }
    }
    for chain in chain_of.iter_mut().flatten() {
        *chain = renumbered[target[*chain as usize] as usize];
    }
    (chain_of, groups)
}

fn end_of(target: &[u32], mut chain: u32) -> u32 {
    while target[chain as usize] != chain {
        chain = target[chain as usize];
    }
    chain
}

/// What siblings have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    input: ValueId,
    /// Element type and storage order of the weight; 0 where the profile does not ask.
    weight: u32,
}

fn literal_linears(analysis: &Analysis, chain_of: &Assignment) -> Vec<(Key, NodeId)> {
    let graph = analysis.graph;
    let key = |(id, node): (NodeId, &fusewright_ir::Node)| {
        let takes_part = chain_of[id.index()].is_some();
        let is_linear = takes_part && matches!(literal_name(graph, node), "linear" | "Linear");
        let &input = node.inputs.first().filter(|_| is_linear)?;
        Some((Key { input, weight: 0 }, id))
    };
    graph.nodes().filter_map(key).collect()
}

fn projections(analysis: &Analysis) -> Vec<(Key, NodeId)> {
    let graph = analysis.graph;
    let key = |(id, _)| {
        let projection = projection_of(graph, &analysis.storage, id)?;
        let weight = 2 * (projection.dtype as u32) + u32::from(projection.out_first);
        Some((Key { input: projection.input, weight }, id))
    };
    graph.nodes().filter_map(key).collect()
}
