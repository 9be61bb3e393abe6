//! The dataflow between the nodes that a profile partitions.
//!
//! In the reference profile these are modules and functions; methods are invisible: they are neither producers nor
//! consumers, and what passes through one is a *side* exit or entrance of a chain. In the default profile these are the
//! nodes that launch something; views, host work and ops that pass their operand on are transparent.

use fusewright_ir::{Form, NodeId, Type, ValueId};

use crate::{Analysis, Profile};

/// Distinct producers and consumers of every node that a profile partitions.
#[derive(Debug)]
pub(crate) struct Dataflow {
    takes_part: Vec<bool>,
    producers: Rows,
    consumers: Rows,
    /// Read by something that no chain may swallow: the graph's results.
    escapes: Vec<bool>,
    side_exit: Vec<bool>,
    side_entrance: Vec<bool>,
}

/// Lists of nodes, one per node, in compressed rows.
#[derive(Debug)]
struct Rows {
    starts: Vec<u32>,
    items: Vec<NodeId>,
}

impl Rows {
    fn of(&self, node: NodeId) -> &[NodeId] {
        &self.items[self.starts[node.index()] as usize..self.starts[node.index() + 1] as usize]
    }

    /// Swaps direction: who names a node.
    fn inverse(&self) -> Rows {
        let count = self.starts.len() - 1;
        let mut starts = vec![0_u32; count + 1];
        for item in &self.items {
            starts[item.index() + 1] += 1;
        }
        for index in 0..count {
            starts[index + 1] += starts[index];
        }
        let mut cursor = starts.clone();
        let mut items = vec![NodeId::new(0); self.items.len()];
        for from in 0..count {
            for item in self.of(NodeId::new(from)) {
                items[cursor[item.index()] as usize] = NodeId::new(from);
                cursor[item.index()] += 1;
            }
        }
        Rows { starts, items }
    }
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
        let mut starts = Vec::with_capacity(count + 1);
        let mut items: Vec<NodeId> = Vec::with_capacity(count);
        let mut last_seen: Vec<Option<NodeId>> = vec![None; count];
        starts.push(0);
        for (id, node) in graph.nodes() {
            for &input in &node.inputs {
                let Some(producer) = origin(input) else { continue };
                let carries_data = matches!(graph.value(input).ty, Type::Tensor(_));
                match (takes_part[producer.index()], takes_part[id.index()]) {
                    (true, true) if last_seen[producer.index()] != Some(id) => {
                        last_seen[producer.index()] = Some(id);
                        items.push(producer);
                    }
                    (true, false) if profile == Profile::Reference && carries_data => {
                        side_exit[producer.index()] = true;
                    }
                    (false, true) if profile == Profile::Reference && carries_data => side_entrance[id.index()] = true,
                    _ => {}
                }
            }
            starts.push(u32::try_from(items.len()).unwrap_or(u32::MAX));
        }
        let mut escapes = vec![false; count];
        for &output in graph.outputs() {
            if let Some(producer) = origin(output) {
                escapes[producer.index()] = true;
            }
        }
        let producers = Rows { starts, items };
        let consumers = producers.inverse();
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
        self.producers.of(node)
    }

    /// The one consumer of a node, if it has exactly one and the graph's caller is none.
    pub(crate) fn sole_consumer(&self, node: NodeId) -> Option<NodeId> {
        match self.consumers.of(node) {
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
