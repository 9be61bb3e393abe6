//! Giving every node a group: nodes outside the profile travel along, or stand alone.
//!
//! In the default profile a view joins the group that makes its memory, or, when it re-describes an input or a weight,
//! the only group that reads it. What is left (methods in the reference profile, host work, views that several groups
//! read) stands alone, outside the count.

use fusewright_cost::Groups;
use fusewright_ir::Graph;

use crate::chain::Assignment;
use crate::{Analysis, Profile};

/// Completes an assignment of `count` groups to all nodes; groups from `count` on are outside the count.
pub(crate) fn attach(analysis: &Analysis, profile: Profile, mut chain_of: Assignment, count: u32) -> Groups {
    let graph = analysis.graph;
    if profile == Profile::Default {
        join_makers(analysis, graph, &mut chain_of);
        join_only_readers(analysis, graph, &mut chain_of);
    }
    let mut next = count;
    let complete = |chain: Option<u32>| {
        chain.unwrap_or_else(|| {
            next += 1;
            next - 1
        })
    };
    let group_of: Vec<u32> = chain_of.into_iter().map(complete).collect();
    Groups::from_assignment(group_of, next as usize)
}

fn join_makers(analysis: &Analysis, graph: &Graph, chain_of: &mut Assignment) {
    for (id, node) in graph.nodes() {
        if chain_of[id.index()].is_some() || node.op.is_host() {
            continue;
        }
        // A tuple of results from several groups belongs to none of them.
        let mut makers = node
            .outputs
            .iter()
            .map(|&output| graph.producer(analysis.storage.root(output)).and_then(|maker| chain_of[maker.index()]));
        if let Some(first) = makers.next()
            && makers.all(|maker| maker == first)
        {
            chain_of[id.index()] = first;
        }
    }
}

fn join_only_readers(analysis: &Analysis, graph: &Graph, chain_of: &mut Assignment) {
    let mut is_result = vec![false; graph.value_count()];
    for &output in graph.outputs() {
        is_result[output.index()] = true;
    }
    for (id, node) in graph.nodes().rev() {
        if chain_of[id.index()].is_some() || node.op.is_host() {
            continue;
        }
        let mut readers = node.outputs.iter().flat_map(|&output| analysis.consumers.of_value(output));
        let Some(&first) = readers.next() else { continue };
        let group = chain_of[first.index()];
        let leaves = node.outputs.iter().any(|output| is_result[output.index()]);
        let made = node.outputs.iter().any(|&output| graph.producer(analysis.storage.root(output)).is_some());
        if group.is_some() && !leaves && !made && readers.all(|reader| chain_of[reader.index()] == group) {
            chain_of[id.index()] = group;
        }
    }
}
