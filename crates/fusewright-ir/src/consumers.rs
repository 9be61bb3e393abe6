//! Who reads a value: the inverse of node inputs, in compressed rows.

use crate::{Graph, NodeId, ValueId};

/// For each value the nodes that read it, in topological order, each once.
#[derive(Clone, Debug)]
pub struct Consumers {
    starts: Vec<u32>,
    readers: Vec<NodeId>,
}

impl Consumers {
    /// Collects the readers of every value in time linear in nodes and edges.
    pub fn of(graph: &Graph) -> Self {
        let mut last_reader = vec![None; graph.value_count()];
        let mut starts = vec![0_u32; graph.value_count() + 1];
        for (id, node) in graph.nodes() {
            for &input in &node.inputs {
                if last_reader[input.index()] != Some(id) {
                    last_reader[input.index()] = Some(id);
                    starts[input.index() + 1] += 1;
                }
            }
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut cursor = starts.clone();
        let mut readers = vec![NodeId::new(0); starts[graph.value_count()] as usize];
        last_reader.fill(None);
        for (id, node) in graph.nodes() {
            for &input in &node.inputs {
                if last_reader[input.index()] != Some(id) {
                    last_reader[input.index()] = Some(id);
                    readers[cursor[input.index()] as usize] = id;
                    cursor[input.index()] += 1;
                }
            }
        }
        Self { starts, readers }
    }

    /// The nodes that read `value`.
    #[inline]
    pub fn of_value(&self, value: ValueId) -> &[NodeId] {
        &self.readers[self.starts[value.index()] as usize..self.starts[value.index() + 1] as usize]
    }
}
