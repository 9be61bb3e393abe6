//! The partitioner `compiled`: what a loop compiler such as TorchInductor makes of a graph.
//!
//! Pointwise ops, reductions, norms and copies become loops, and loops that run over the same elements become one:
//! a loop and the loops that feed it, then loops that read the same value side by side. A reduction takes in what
//! produces its operand, what follows for each of its results, and what runs over its elements again (softmax, norms).
//! A small pointwise chain that is broadcast goes into its only reader. Products, convolutions and attention stay calls
//! of a library without epilogues.
//!
//! ```text
//! linear | add layer_norm cast | linear | gelu | linear | add …
//! conv | batch_norm relu mean | conv | relu | conv | sigmoid mul | conv
//! ```

use std::cmp::Reverse;

use fusewright_ir::{NodeId, TensorType};

use crate::attach::attach;
use crate::chain::Assignment;
use crate::dataflow::Dataflow;
use crate::grammar::{Joined, Loop, is_whole, joined, loop_of, over_same_elements};
use crate::merging::Merging;
use crate::parallel::Merges;
use crate::quotient::awaited;
use crate::works::Works;
use crate::{Analysis, CertificateError, Partitioner, Plan, Profile};

/// Nodes of one loop at most.
const MOST_NODES: usize = 64;

/// Readers of one value that are tried side by side.
const MOST_READERS: usize = 64;

/// Loops fuse, library calls stay: what a loop compiler launches.
#[derive(Clone, Copy, Debug, Default)]
pub struct CompiledPartitioner;

impl Partitioner for CompiledPartitioner {
    fn name(&self) -> &'static str {
        "compiled"
    }

    fn partition(&self, analysis: &Analysis, profile: Profile) -> Result<Plan, CertificateError> {
        let flow = Dataflow::new(analysis, profile);
        let mut fuser = Fuser::new(analysis, &flow);
        for (id, _) in analysis.graph.nodes() {
            fuser.take_in_makers(id);
        }
        for index in 0..analysis.graph.node_count() {
            fuser.join_readers(NodeId::new(index));
        }
        let (group_of, count) = fuser.assignment(&flow);
        let groups = attach(analysis, profile, group_of, count);
        Plan::new(self.name(), profile, analysis, &flow, groups, count as usize, Merges::default())
    }
}

struct Fuser<'a> {
    analysis: &'a Analysis<'a>,
    merging: Merging,
    /// The loop of a group, at the node that stands for the group; of a lone node at the node.
    loops: Vec<Option<Loop>>,
    members: Vec<Vec<NodeId>>,
    works: Works,
}

impl<'a> Fuser<'a> {
    fn new(analysis: &'a Analysis, flow: &Dataflow) -> Self {
        let (graph, storage) = (analysis.graph, &analysis.storage);
        let fuses = |id: NodeId| flow.takes_part(id) && !storage.is_free(id);
        let loops = graph.nodes().map(|(id, node)| if fuses(id) { loop_of(graph, node) } else { None }).collect();
        let members = graph.nodes().map(|(id, _)| vec![id]).collect();
        Self { analysis, merging: Merging::of(analysis), loops, members, works: Works::of(analysis) }
    }

    /// Fuses a loop with the loops that make its operands, the largest operand first.
    fn take_in_makers(&mut self, id: NodeId) {
        let Some(own) = self.loops[id.index()] else { return };
        let (graph, storage) = (self.analysis.graph, &self.analysis.storage);
        let node = graph.node(id);
        let mut makers: Vec<(Reverse<u64>, NodeId)> = Vec::new();
        for (position, &input) in node.inputs.iter().enumerate() {
            let fixed = own.scattered && position == 0;
            if let Some(maker) = awaited(graph, storage, input).filter(|&maker| !fixed && !is_whole(graph.node(maker)))
            {
                makers.push((Reverse(graph.tensor(input).map_or(0, TensorType::bytes)), maker));
            }
        }
        makers.sort_unstable();
        makers.dedup();
        for (_, maker) in makers {
            let (maker, reader) = (self.merging.group(maker.row()), self.merging.group(id.row()));
            if maker != reader
                && let Some(fused) = self.fused(maker, reader, own)
            {
                self.merge(maker, reader, fused);
            }
        }
    }

    /// Fuses loops over the same elements that read one value.
    fn join_readers(&mut self, id: NodeId) {
        let readers: Vec<NodeId> = self.works.readers(id).iter().copied().take(MOST_READERS).collect();
        for pair in readers.windows(2) {
            let (one, other) = (self.merging.group(pair[0].row()), self.merging.group(pair[1].row()));
            if one != other
                && let (Some(a), Some(b)) = (self.loops[one as usize], self.loops[other as usize])
                && let Some(fused) = over_same_elements(a, b)
            {
                self.merge(one, other, fused);
            }
        }
    }

    /// The loop that computes what `maker` and `reader` compute, if one can; `own` is that of the node that reads.
    fn fused(&self, maker: u32, reader: u32, own: Loop) -> Option<Loop> {
        let (made, read) = (self.loops[maker as usize]?, self.loops[reader as usize]?);
        match joined(made, read, own) {
            Joined::As(fused) => Some(fused),
            Joined::IfOnlyReader(fused) => self.only_reader(maker, reader).then_some(fused),
            Joined::Not => None,
        }
    }

    /// Nothing but `reader` reads what `maker` makes.
    fn only_reader(&self, maker: u32, reader: u32) -> bool {
        let inside = |id: &NodeId| {
            let group = self.merging.group_of(id.row());
            group == reader || group == maker
        };
        self.members[maker as usize]
            .iter()
            .all(|member| !self.works.escapes(*member) && self.works.readers(*member).iter().all(inside))
    }

    /// A node of `reader` reads what one of `maker` makes at other places than it writes.
    fn waits(&self, maker: u32, reader: u32) -> bool {
        let (graph, storage) = (self.analysis.graph, &self.analysis.storage);
        self.members[reader as usize].iter().any(|&id| {
            let node = graph.node(id);
            let scattered = loop_of(graph, node).is_some_and(|own| own.scattered);
            node.inputs.iter().enumerate().any(|(position, &input)| {
                awaited(graph, storage, input).is_some_and(|made| {
                    let in_memory = scattered && position == 0 || is_whole(graph.node(made));
                    in_memory && self.merging.group_of(made.row()) == maker
                })
            })
        })
    }

    fn merge(&mut self, one: u32, other: u32, fused: Loop) {
        let size = self.members[one as usize].len() + self.members[other as usize].len();
        if size > MOST_NODES || self.waits(one, other) || self.waits(other, one) {
            return;
        }
        let Some(kept) = self.merging.merge(one, other) else { return };
        let gone = if kept == one { other } else { one };
        let moved = std::mem::take(&mut self.members[gone as usize]);
        self.members[kept as usize].extend(moved);
        self.loops[kept as usize] = Some(fused);
    }

    /// Groups numbered in the order of their first nodes, for the nodes that the profile partitions.
    fn assignment(mut self, flow: &Dataflow) -> (Assignment, u32) {
        let count = self.analysis.graph.node_count();
        let mut number: Vec<Option<u32>> = vec![None; count];
        let mut next = 0;
        let mut group_of = vec![None; count];
        for index in (0..count).filter(|&index| flow.takes_part(NodeId::new(index))) {
            let group = self.merging.group(NodeId::new(index).row()) as usize;
            let known = *number[group].get_or_insert_with(|| {
                next += 1;
                next - 1
            });
            group_of[index] = Some(known);
        }
        (group_of, next)
    }
}
