//! Groups that grow by merging, kept in an order in which they can run.
//!
//! Two groups may merge when no path of other groups leads from one to the other. The order makes the question local:
//! such a path can only pass through groups that stand between the two. A merge moves what lies between to the side
//! where it belongs, so the order stays one in which the groups can run, whatever is merged.
//!
//! ```text
//! a → x → b, a → b        a and b may not merge: x waits for a, b waits for x
//! a → b, x → b, a → y     they may; the order becomes x, ab, y
//! ```

use crate::Analysis;
use crate::quotient::awaited;

/// Groups looked at for one question at most; a merge that would need more is refused.
const LIMIT: usize = 512;

/// A partition that starts with every node alone.
#[derive(Debug)]
pub(crate) struct Merging {
    parent: Vec<u32>,
    /// Position of each group in the order.
    position: Vec<u32>,
    readers: Vec<Vec<u32>>,
    sources: Vec<Vec<u32>>,
    /// Which question last saw a group.
    seen: Vec<u32>,
    question: u32,
}

impl Merging {
    /// Every node of the graph in a group of its own.
    pub(crate) fn of(analysis: &Analysis) -> Self {
        let graph = analysis.graph;
        let count = graph.node_count();
        let mut readers = vec![Vec::new(); count];
        let mut sources = vec![Vec::new(); count];
        for (id, node) in graph.nodes() {
            for maker in node.inputs.iter().filter_map(|&input| awaited(graph, &analysis.storage, input)) {
                if sources[id.index()].last() != Some(&maker.row()) {
                    sources[id.index()].push(maker.row());
                    readers[maker.index()].push(id.row());
                }
            }
        }
        let all: Vec<u32> = (0..).take(count).collect();
        Self { parent: all.clone(), position: all, readers, sources, seen: vec![0; count], question: 0 }
    }

    /// The group of a node: one of its nodes stands for it.
    pub(crate) fn group(&mut self, mut node: u32) -> u32 {
        while self.parent[node as usize] != node {
            let above = self.parent[self.parent[node as usize] as usize];
            self.parent[node as usize] = above;
            node = above;
        }
        node
    }

    /// The same, for whoever only looks.
    pub(crate) fn group_of(&self, mut node: u32) -> u32 {
        while self.parent[node as usize] != node {
            node = self.parent[node as usize];
        }
        node
    }

    /// Merges two groups if no path of others leads from one to the other; gives the group that stands for both.
    pub(crate) fn merge(&mut self, one: u32, other: u32) -> Option<u32> {
        let (one, other) = (self.group(one), self.group(other));
        if one == other {
            return Some(one);
        }
        let (first, last) =
            if self.position[one as usize] < self.position[other as usize] { (one, other) } else { (other, one) };
        let after = self.between(first, last, true)?;
        let before = self.between(last, first, false)?;
        self.reorder(first, last, &before, &after);
        Some(self.unite(first, last))
    }

    /// The groups that stand between two and are reached from the first: by reading it, or by being read by it. None
    /// where a path reaches the other, or there are too many to look at.
    fn between(&mut self, from: u32, to: u32, forward: bool) -> Option<Vec<u32>> {
        self.question += 1;
        let limit = self.position[to as usize];
        let mut found: Vec<u32> = Vec::new();
        let mut next = 0;
        let mut at = from;
        loop {
            let neighbours = std::mem::take(&mut self.edges(forward)[at as usize]);
            let mut closed = false;
            for &neighbour in &neighbours {
                let group = self.group(neighbour);
                closed |= group == to && at != from;
                let position = self.position[group as usize];
                let inside = if forward { position < limit } else { position > limit };
                if inside && group != from && self.seen[group as usize] != self.question {
                    self.seen[group as usize] = self.question;
                    found.push(group);
                }
            }
            self.edges(forward)[at as usize] = neighbours;
            if closed || found.len() > LIMIT {
                return None;
            }
            match found.get(next) {
                Some(&group) => at = group,
                None => return Some(found),
            }
            next += 1;
        }
    }

    fn edges(&mut self, forward: bool) -> &mut Vec<Vec<u32>> {
        if forward { &mut self.readers } else { &mut self.sources }
    }

    /// Puts what either waits for in front of the pair, and what waits for either behind it.
    fn reorder(&mut self, first: u32, last: u32, before: &[u32], after: &[u32]) {
        let sorted = |groups: &[u32]| {
            let mut groups = groups.to_vec();
            groups.sort_unstable_by_key(|&group| self.position[group as usize]);
            groups
        };
        let (before, after) = (sorted(before), sorted(after));
        let order: Vec<u32> = before.into_iter().chain([first, last]).chain(after).collect();
        let mut places: Vec<u32> = order.iter().map(|&group| self.position[group as usize]).collect();
        places.sort_unstable();
        for (group, place) in order.into_iter().zip(places) {
            self.position[group as usize] = place;
        }
    }

    fn unite(&mut self, first: u32, last: u32) -> u32 {
        let edges = |group: u32| self.readers[group as usize].len() + self.sources[group as usize].len();
        let (kept, gone) = if edges(first) < edges(last) { (last, first) } else { (first, last) };
        self.parent[gone as usize] = kept;
        self.position[kept as usize] = self.position[last as usize];
        for edges in [&mut self.readers, &mut self.sources] {
            let moved = std::mem::take(&mut edges[gone as usize]);
            edges[kept as usize].extend(moved);
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use fusewright_ir::text;

    use super::*;

    const NODES: &str = r#"
        graph "diamond" {
          input %x: f32[4]
          %a: f32[4] = exp(%x)
          %left: f32[4] = tanh(%a)
          %right: f32[4] = neg(%a)
          %b: f32[4] = add(%left, %right)
          %side: f32[4] = neg(%x)
          output %b
          output %side
        }"#;

    #[test]
    fn a_path_through_others_forbids_a_merge() {
        let graph = text::parse(NODES).unwrap();
        let analysis = Analysis::of(&graph);
        let mut merging = Merging::of(&analysis);
        let [a, left, right, b, side] = [0, 1, 2, 3, 4];
        assert_eq!(merging.merge(a, b), None);
        let both = merging.merge(left, right);
        assert!(both.is_some());
        assert_eq!(merging.merge(a, b), None);
        assert!(merging.merge(a, left).is_some());
        assert!(merging.merge(side, b).is_some());
        assert!(merging.merge(a, b).is_some());
        assert_eq!(merging.group(side), merging.group(right));
    }
}
