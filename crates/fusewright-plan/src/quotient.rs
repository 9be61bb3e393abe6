//! The graph of groups: who must run before whom.
//!
//! Only memory orders kernels. Whoever reads a view waits for the maker of the memory that it describes, not for the
//! view; host values are sizes known when the plan is made, so reading one is no dependency.

use fusewright_cost::Groups;
use fusewright_ir::{Graph, NodeId, Storage, ValueId};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The node that must have run before `value` can be read, if any.
pub(crate) fn awaited(graph: &Graph, storage: &Storage, value: ValueId) -> Option<NodeId> {
    graph.tensor(value).and_then(|_| graph.producer(storage.root(value)))
}

/// Edges between groups, in compressed rows by source.
#[derive(Debug)]
pub struct Quotient {
    starts: Vec<u32>,
    targets: Vec<u32>,
    indegree: Vec<u32>,
}

impl Quotient {
    /// Collects the edges between different groups; an edge may occur more than once.
    pub fn of(graph: &Graph, storage: &Storage, groups: &Groups) -> Self {
        let count = groups.count();
        let mut starts = vec![0_u32; count + 1];
        let mut indegree = vec![0_u32; count];
        let edges = || {
            graph.nodes().flat_map(|(id, node)| {
                let target = groups.of(id);
                node.inputs.iter().filter_map(move |&input| {
                    let source = groups.of(awaited(graph, storage, input)?);
                    (source != target).then_some((source, target))
                })
            })
        };
        for (source, target) in edges() {
            starts[source as usize + 1] += 1;
            indegree[target as usize] += 1;
        }
        for group in 0..count {
            starts[group + 1] += starts[group];
        }
        let mut cursor = starts.clone();
        let mut targets = vec![0_u32; starts[count] as usize];
        for (source, target) in edges() {
            targets[cursor[source as usize] as usize] = target;
            cursor[source as usize] += 1;
        }
        Self { starts, targets, indegree }
    }

    /// The groups that read what `group` makes, possibly repeated.
    pub fn readers(&self, group: u32) -> &[u32] {
        &self.targets[self.starts[group as usize] as usize..self.starts[group as usize + 1] as usize]
    }

    /// A schedule: every group after those it reads from, the one with the earliest node first. Where groups wait for
    /// each other in a circle, the first group that can never run.
    pub fn schedule(&self, groups: &Groups) -> Result<Vec<u32>, u32> {
        let first = |group: u32| groups.members(group as usize).first().copied();
        let mut waiting = self.indegree.clone();
        let mut ready: BinaryHeap<_> = (0_u32..)
            .zip(&waiting)
            .filter(|&(_, &waits)| waits == 0)
            .map(|(group, _)| Reverse((first(group), group)))
            .collect();
        let mut order = Vec::with_capacity(waiting.len());
        while let Some(Reverse((_, group))) = ready.pop() {
            order.push(group);
            for &reader in self.readers(group) {
                let waits = &mut waiting[reader as usize];
                *waits -= 1;
                if *waits == 0 {
                    ready.push(Reverse((first(reader), reader)));
                }
            }
        }
        match (0_u32..).zip(&waiting).find(|&(_, &waits)| waits > 0) {
            Some((group, _)) => Err(group),
            None => Ok(order),
        }
    }

    /// The length of the longest path of groups that ends at each group.
    pub fn levels(&self, schedule: &[u32]) -> Vec<u32> {
        let mut levels = vec![0_u32; self.indegree.len()];
        for &group in schedule {
            let next = levels[group as usize] + 1;
            for &reader in self.readers(group) {
                let level = &mut levels[reader as usize];
                *level = (*level).max(next);
            }
        }
        levels
    }
}
