//! The nodes that do work, and who of them reads what whom made.

use fusewright_ir::{NodeId, Rows};

use crate::Analysis;
use crate::quotient::awaited;

/// Edges between the nodes that do work. Views and host work are looked through.
#[derive(Debug)]
pub(crate) struct Works {
    /// The nodes, in the order of the graph.
    pub(crate) nodes: Vec<NodeId>,
    makers: Rows<NodeId>,
    readers: Rows<NodeId>,
    escapes: Vec<bool>,
}

impl Works {
    pub(crate) fn of(analysis: &Analysis) -> Self {
        let (graph, storage) = (analysis.graph, &analysis.storage);
        let count = graph.node_count();
        let mut nodes = Vec::new();
        let (mut backward, mut forward) = (Vec::new(), Vec::new());
        for (id, node) in graph.nodes().filter(|&(id, _)| !storage.is_free(id)) {
            nodes.push(id);
            let first = backward.len();
            for maker in node.inputs.iter().filter_map(|&input| awaited(graph, storage, input)) {
                if !backward[first..].contains(&(id.row(), maker)) {
                    backward.push((id.row(), maker));
                    forward.push((maker.row(), id));
                }
            }
        }
        let mut escapes = vec![false; count];
        for &output in graph.outputs() {
            if let Some(maker) = awaited(graph, storage, output) {
                escapes[maker.index()] = true;
            }
        }
        let (makers, readers) = (Rows::from_pairs(count, &backward), Rows::from_pairs(count, &forward));
        Self { nodes, makers, readers, escapes }
    }

    /// The nodes that made what a node reads, each once.
    pub(crate) fn makers(&self, node: NodeId) -> &[NodeId] {
        self.makers.row(node.index())
    }

    /// The nodes that read what a node made, each once, ascending.
    pub(crate) fn readers(&self, node: NodeId) -> &[NodeId] {
        self.readers.row(node.index())
    }

    /// The graph's caller reads what the node made.
    pub(crate) fn escapes(&self, node: NodeId) -> bool {
        self.escapes[node.index()]
    }
}
