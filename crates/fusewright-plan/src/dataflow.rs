//! The dataflow between the nodes that a profile partitions.
//!
//! In the reference profile these are modules and functions; methods are invisible: they are neither producers nor
//! consumers, and what passes through one is a *side* exit or entrance of a chain. In the default profile these are the
//! nodes that launch something; views, host work and ops that pass their operand on are transparent.

use fusewright_ir::{Form, NodeId, Rows, Type, ValueId};

use crate::{Analysis, Profile};

/// Distinct producers and consumers of every node that a profile partitions.
#[derive(Debug)]
pub(crate) struct Dataflow {
    takes_part: Vec<bool>,
    producers: Rows<NodeId>,
    consumers: Rows<NodeId>,
    /// Read by something that no chain may swallow: the graph's results.
    escapes: Vec<bool>,
    side_exit: Vec<bool>,
    side_entrance: Vec<bool>,
}

impl Dataflow {
    pub(crate) fn new(analysis: &Analysis, profile: Profile) -> Self {
        let graph = analysis.graph;
        let count = graph.node_count();
        let takes_part: Vec<bool> = match profile {
            Profile::Reference => graph.nodes().map(|(_, node)| node.source.form != Form::Method).collect(),
            Profile::Default => graph.nodes().map(|(id, _)| !analysis.storage.is_free(id)).collect(),
        };
        let origin = |value: ValueId| match profile {
            Profile::Reference => graph.producer(value),
            Profile::Default => graph.producer(analysis.storage.root(value)),
        };
        let (mut side_exit, mut side_entrance) = (vec![false; count], vec![false; count]);
        let mut backward = Vec::with_capacity(count);
        let mut forward = Vec::with_capacity(count);
        let mut last_seen: Vec<Option<NodeId>> = vec![None; count];
        for (id, node) in graph.nodes() {
            for &input in &node.inputs {
                let Some(producer) = origin(input) else { continue };
                let carries_data = matches!(graph.value(input).ty, Type::Tensor(_));
                match (takes_part[producer.index()], takes_part[id.index()]) {
                    (true, true) if last_seen[producer.index()] != Some(id) => {
                        last_seen[producer.index()] = Some(id);
                        backward.push((id.row(), producer));
                        forward.push((producer.row(), id));
                    }
                    (true, false) if profile == Profile::Reference && carries_data => {
                        side_exit[producer.index()] = true;
                    }
                    (false, true) if profile == Profile::Reference && carries_data => side_entrance[id.index()] = true,
                    _ => {}
                }
            }
        }
        let mut escapes = vec![false; count];
        for &output in graph.outputs() {
            if let Some(producer) = origin(output) {
                escapes[producer.index()] = true;
            }
        }
        let (producers, consumers) = (Rows::from_pairs(count, &backward), Rows::from_pairs(count, &forward));
        Self { takes_part, producers, consumers, escapes, side_exit, side_entrance }
    }

    pub(crate) fn takes_part(&self, node: NodeId) -> bool {
        self.takes_part[node.index()]
    }

    /// Number of nodes that the profile partitions.
    pub(crate) fn size(&self) -> usize {
        self.takes_part.iter().filter(|&&takes_part| takes_part).count()
    }

    pub(crate) fn producers(&self, node: NodeId) -> &[NodeId] {
        self.producers.row(node.index())
    }

    /// The nodes that read a node's results.
    pub(crate) fn consumers(&self, node: NodeId) -> &[NodeId] {
        self.consumers.row(node.index())
    }

    /// The graph's caller reads a result of the node.
    pub(crate) fn escapes(&self, node: NodeId) -> bool {
        self.escapes[node.index()]
    }

    /// The one consumer of a node, if it has exactly one and the graph's caller is none.
    pub(crate) fn sole_consumer(&self, node: NodeId) -> Option<NodeId> {
        match self.consumers.row(node.index()) {
            &[consumer] if !self.escapes[node.index()] => Some(consumer),
            _ => None,
        }
    }

    pub(crate) fn has_side_exit(&self, node: NodeId) -> bool {
        self.side_exit[node.index()]
    }

    pub(crate) fn has_side_entrance(&self, node: NodeId) -> bool {
        self.side_entrance[node.index()]
    }
}
