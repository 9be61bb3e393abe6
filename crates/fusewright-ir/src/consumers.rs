//! Who reads a value: the inverse of node inputs.

use crate::{Graph, NodeId, Rows, ValueId};

/// For each value the nodes that read it, in topological order, each once.
#[derive(Clone, Debug)]
pub struct Consumers(Rows<NodeId>);

impl Consumers {
    /// Collects the readers of every value in time linear in nodes and edges.
    pub fn of(graph: &Graph) -> Self {
        let mut last_reader = vec![None; graph.value_count()];
        let mut pairs = Vec::with_capacity(graph.value_count());
        for (id, node) in graph.nodes() {
            for &input in &node.inputs {
                if last_reader[input.index()].replace(id) != Some(id) {
                    pairs.push((input.row(), id));
                }
            }
        }
        Self(Rows::from_pairs(graph.value_count(), &pairs))
    }

    /// The nodes that read `value`.
    #[inline]
    pub fn of_value(&self, value: ValueId) -> &[NodeId] {
        self.0.row(value.index())
    }
}
