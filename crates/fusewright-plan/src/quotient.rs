//! The graph of groups: who must run before whom.
//!
//! Only memory orders kernels. Whoever reads a view waits for the maker of the memory that it describes, not for the
//! view; host values are sizes known when the plan is made, so reading one is no dependency.

use fusewright_cost::Groups;
use fusewright_ir::{Graph, NodeId, Rows, Storage, ValueId};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The node that must have run before `value` can be read, if any.
pub(crate) fn awaited(graph: &Graph, storage: &Storage, value: ValueId) -> Option<NodeId> {
    graph.tensor(value).and_then(|_| graph.producer(storage.root(value)))
}

/// Edges between groups.
#[derive(Debug)]
pub struct Quotient {
    readers: Rows<u32>,
    indegree: Vec<u32>,
}

impl Quotient {
    /// Collects the edges between different groups; an edge may occur more than once.
    pub fn of(graph: &Graph, storage: &Storage, groups: &Groups) -> Self {
        let mut indegree = vec![0_u32; groups.count()];
        let mut edges = Vec::with_capacity(graph.node_count());
        for (id, node) in graph.nodes() {
            let target = groups.of(id);
            for maker in node.inputs.iter().filter_map(|&input| awaited(graph, storage, input)) {
                let source = groups.of(maker);
                if source != target {
                    edges.push((source, target));
                    indegree[target as usize] += 1;
                }
            }
        }
        Self { readers: Rows::from_pairs(groups.count(), &edges), indegree }
    }

    /// The groups that read what `group` makes, possibly repeated.
    pub fn readers(&self, group: u32) -> &[u32] {
        self.readers.row(group as usize)
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
