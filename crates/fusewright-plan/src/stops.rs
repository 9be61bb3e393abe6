//! Why groups end where they end: for each node whose result leaves a group, what kept its reader out.
//!
//! ```text
//! linear → gelu → linear → add        attention plan: linear | gelu linear | add
//!                                     `gelu linear` ends: no rule lets an add follow a linear
//! ```

use fusewright_device::Device;
use fusewright_ir::{NodeId, ValueId};
use fusewright_pattern::rules::{Join, RuleTable};
use fusewright_pattern::{canonical_name, literal_name};

use crate::chain::Pairs;
use crate::dataflow::Dataflow;
use crate::grammar::loop_of;
use crate::kernels_apart::Kernels;
use crate::{Analysis, Plan, Profile, Reason};

/// What kept a reader out of a group.
#[derive(Clone, Debug, PartialEq)]
pub enum StopReason {
    /// Nothing but the model's caller reads the result.
    Result,
    /// Nothing reads the result.
    Unread,
    /// Several nodes read the result, or one and the model's caller: the group would have to write it all the same.
    SeveralReaders {
        /// The model's caller is one of them.
        caller: bool,
    },
    /// A rule joins the two, but the reader has other producers and the rule wants none.
    OtherProducers {
        /// The others.
        others: Vec<NodeId>,
    },
    /// No rule of the strategy joins the two.
    NoRule,
    /// A rule joins the two, but the reader joined another group first.
    ReaderTaken,
    /// Methods of the trace, which the reference profile does not see, read or feed the chain between the two.
    SeenByMethod,
    /// The strategy leaves one of the two to a library, which does nothing else in the same kernel.
    LibraryCall,
    /// The two run over different elements.
    OtherElements,
    /// No kernel of the device does both; the reader's kernel is meant where there is one.
    NotOneKernel(Reason),
    /// One kernel could do both and would cost as much or more, in the unit of the plan's objective: µs on a device,
    /// else bytes moved.
    NoGain {
        /// What the two kernels cost.
        apart: f64,
        /// What the one kernel would cost.
        together: f64,
    },
    /// Something outside waits for the one and feeds the other.
    Circle,
    /// The strategy fuses nothing here.
    NotTried,
}

/// The end of a group at one of its nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    /// The node whose result leaves the group.
    pub node: NodeId,
    /// The result.
    pub value: Option<ValueId>,
    /// The nodes outside the group that read it.
    pub readers: Vec<NodeId>,
    /// Why none of them joined.
    pub reason: StopReason,
}

/// Finds the ends of a plan's groups.
#[derive(Debug)]
pub struct Stops<'a> {
    analysis: &'a Analysis<'a>,
    plan: &'a Plan,
    flow: Dataflow,
    pairs: Option<Pairs>,
    /// For plans into kernels: what one kernel can be, and what it costs.
    kernels: Option<Kernels<'a>>,
}

impl<'a> Stops<'a> {
    /// Prepares for a plan of this graph; `device` is the one that it was made for.
    pub fn of(analysis: &'a Analysis<'a>, plan: &'a Plan, device: Option<&'a Device>) -> Self {
        let table = match plan.strategy {
            "standard" => Some(RuleTable::standard()),
            "attention" => Some(RuleTable::attention()),
            _ => None,
        };
        let pairs = table.map(|table| Pairs::new(analysis, plan.profile, &table));
        let kernels = (plan.strategy == "optimal").then(|| Kernels::of(analysis, device));
        Self { analysis, plan, flow: Dataflow::new(analysis, plan.profile), pairs, kernels }
    }

    /// The nodes of a group that the profile partitions, in topological order.
    pub fn members(&self, group: usize) -> impl Iterator<Item = NodeId> + '_ {
        self.plan.groups.members(group).iter().copied().filter(|&id| self.flow.takes_part(id))
    }

    /// What a node is called in names of patterns.
    pub fn name_of(&self, node: NodeId) -> &'a str {
        let graph = self.analysis.graph;
        match self.plan.profile {
            Profile::Reference => literal_name(graph, graph.node(node)),
            Profile::Default => canonical_name(graph.node(node)),
        }
    }

    /// Pairs of neighbours in a group: a node and the only reader of its result, both in the group.
    pub fn pairs(&self, group: usize) -> Vec<(NodeId, NodeId)> {
        let inside = |id: &NodeId| self.plan.groups.of(*id) as usize == group;
        let pair = |id: NodeId| self.flow.sole_consumer(id).filter(inside).map(|reader| (id, reader));
        self.members(group).filter_map(pair).collect()
    }

    /// The id of the pair rule that joins two neighbours; `None` for strategies without pair rules.
    pub fn rule_id(&self, producer: NodeId, consumer: NodeId) -> Option<String> {
        self.pairs.as_ref()?.rule_id(producer, consumer)
    }

    /// The nodes outside that read a node's results, and why they are outside; `None` if all of them are in its group.
    pub fn of_node(&self, node: NodeId) -> Option<Stop> {
        let readers = self.outside_readers(self.plan.groups.of(node) as usize, node);
        let escapes = self.flow.escapes(node);
        let ends = !readers.is_empty() || escapes || self.flow.consumers(node).is_empty();
        ends.then(|| self.stop(node, readers, escapes))
    }

    /// The profile partitions the node.
    pub fn takes_part(&self, node: NodeId) -> bool {
        self.flow.takes_part(node)
    }

    /// The nodes that make what a node reads.
    pub fn producers(&self, node: NodeId) -> &[NodeId] {
        self.flow.producers(node)
    }

    /// Where a group ends, one entry for each node whose result leaves it.
    pub fn of_group(&self, group: usize) -> Vec<Stop> {
        self.members(group).filter_map(|id| self.of_node(id)).collect()
    }

    fn outside_readers(&self, group: usize, node: NodeId) -> Vec<NodeId> {
        let outside = |id: &NodeId| self.plan.groups.of(*id) as usize != group;
        self.flow.consumers(node).iter().copied().filter(outside).collect()
    }

    fn stop(&self, node: NodeId, readers: Vec<NodeId>, escapes: bool) -> Stop {
        let graph = self.analysis.graph;
        let reason = match (self.flow.consumers(node), escapes) {
            ([], true) => StopReason::Result,
            ([], false) => StopReason::Unread,
            (&[reader], false) => self.refusal(node, reader),
            (_, caller) => match (self.plan.strategy, &self.kernels) {
                ("eager" | "as-written", _) => StopReason::NotTried,
                // A kernel may write what it also uses itself, so each reader is a question of its own.
                (_, Some(_)) if !readers.is_empty() => self.refusal(node, readers[0]),
                _ => StopReason::SeveralReaders { caller },
            },
        };
        Stop { node, value: graph.node(node).outputs.first().copied(), readers, reason }
    }

    /// Why the only reader of a result is in another group.
    fn refusal(&self, node: NodeId, reader: NodeId) -> StopReason {
        if let Some(kernels) = &self.kernels {
            return kernels.refusal(self.plan, self.plan.groups.of(node), self.plan.groups.of(reader));
        }
        let Some(pairs) = &self.pairs else {
            return if self.plan.strategy == "compiled" {
                self.loop_refusal(node, reader)
            } else {
                StopReason::NotTried
            };
        };
        let producers = self.flow.producers(reader);
        match pairs.rule(node, reader) {
            None => StopReason::NoRule,
            Some(Join::Sole | Join::InAttention) if !pairs.accepts(node, reader, producers.len() == 1) => {
                StopReason::OtherProducers { others: producers.iter().copied().filter(|&id| id != node).collect() }
            }
            Some(_) if self.plan.profile == Profile::Reference && self.flow.has_side_entrance(reader) => {
                StopReason::SeenByMethod
            }
            Some(_) => StopReason::ReaderTaken,
        }
    }

    fn loop_refusal(&self, node: NodeId, reader: NodeId) -> StopReason {
        let graph = self.analysis.graph;
        let is_loop = |id: NodeId| loop_of(graph, graph.node(id)).is_some();
        if is_loop(node) && is_loop(reader) { StopReason::OtherElements } else { StopReason::LibraryCall }
    }
}

#[cfg(test)]
mod tests {
    use fusewright_ir::text::parse;

    use super::*;
    use crate::{AttentionFusionPartitioner, CompiledPartitioner, Partitioner};

    const MLP: &str = r#"graph "mlp" {
        input %x: f32[4, 8]
        parameter %w: f32[8, 8]
        parameter %v: f32[8, 8]
        %h: f32[4, 8] = linear(%x, %w)
        %g: f32[4, 8] = gelu(%h)
        %y: f32[4, 8] = linear(%g, %v)
        %s: f32[4, 8] = add(%y, %x)
        %t: f32[4, 8] = tanh(%s)
        %u: f32[4, 8] = mul(%t, %s)
        output %u
      }"#;

    /// The ends of every group, as node, reason.
    fn ends(partitioner: &dyn Partitioner) -> Vec<(String, StopReason)> {
        let graph = parse(MLP).expect("the graph is valid");
        let analysis = Analysis::of(&graph);
        let plan = partitioner.partition(&analysis, Profile::Default).expect("a plan");
        let stops = Stops::of(&analysis, &plan, None);
        let all = (0..plan.counted).flat_map(|group| stops.of_group(group));
        all.map(|stop| (graph.node_name(stop.node).to_owned(), stop.reason)).collect()
    }

    #[test]
    fn pair_rules_say_what_is_missing() {
        let ends = ends(&AttentionFusionPartitioner::default());
        let expected = [
            ("y", StopReason::NoRule),
            ("s", StopReason::SeveralReaders { caller: false }),
            ("t", StopReason::NoRule),
            ("u", StopReason::Result),
        ];
        let expected: Vec<_> = expected.into_iter().map(|(node, reason)| (node.to_owned(), reason)).collect();
        assert_eq!(ends, expected);
    }

    #[test]
    fn a_loop_compiler_stops_at_library_calls() {
        let ends = ends(&CompiledPartitioner);
        let expected = [("h", StopReason::LibraryCall), ("g", StopReason::LibraryCall), ("y", StopReason::LibraryCall)];
        let expected: Vec<_> = expected.into_iter().map(|(node, reason)| (node.to_owned(), reason)).collect();
        assert_eq!(ends[..3], expected);
        assert_eq!(ends.last(), Some(&("u".to_owned(), StopReason::Result)));
    }

    #[test]
    fn another_producer_is_named() {
        let graph = parse(
            r#"graph "two" {
              training
              input %x: f32[4, 8]
              %d: f32[4, 8] = dropout(%x) {p = 0.1, training = true}
              %e: f32[4, 8] = exp(%x)
              %y: f32[4, 8] = add(%d, %e)
              output %y
            }"#,
        )
        .expect("the graph is valid");
        let analysis = Analysis::of(&graph);
        let plan = AttentionFusionPartitioner::default().partition(&analysis, Profile::Default).expect("a plan");
        let stops = Stops::of(&analysis, &plan, None);
        let reasons: Vec<_> = (0..plan.counted).flat_map(|group| stops.of_group(group)).map(|s| s.reason).collect();
        let others = vec![NodeId::new(1)];
        assert_eq!(reasons, [StopReason::OtherProducers { others }, StopReason::NoRule, StopReason::Result]);
    }
}
