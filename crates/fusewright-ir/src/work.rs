//! Arithmetic counts, exact: multiply-accumulates of contractions apart from all other floating-point operations.

use crate::{Graph, NodeId};

/// The arithmetic of a node, a group or a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Multiply-accumulates of contractions: the product of all index extents.
    pub macs: u64,
    /// Floating-point operations outside contractions, by the convention that each op family documents.
    pub other_flops: u64,
}

impl Work {
    /// Work of `macs` multiply-accumulates and `other_flops` other operations.
    pub fn new(macs: u64, other_flops: u64) -> Self {
        Self { macs, other_flops }
    }

    /// FLOPs of contractions: 2 per multiply-accumulate.
    pub fn contraction_flops(self) -> u64 {
        self.macs.saturating_mul(2)
    }

    /// All FLOPs.
    pub fn flops(self) -> u64 {
        self.contraction_flops().saturating_add(self.other_flops)
    }
}

impl std::ops::AddAssign for Work {
    fn add_assign(&mut self, other: Work) {
        self.macs = self.macs.saturating_add(other.macs);
        self.other_flops = self.other_flops.saturating_add(other.other_flops);
    }
}

impl std::iter::Sum for Work {
    fn sum<I: Iterator<Item = Work>>(parts: I) -> Work {
        let mut total = Work::default();
        for part in parts {
            total += part;
        }
        total
    }
}

/// The work of one node.
pub fn node_work(graph: &Graph, id: NodeId) -> Work {
    let node = graph.node(id);
    node.op.work(&graph.input_types(node), &graph.output_types(node))
}

/// The work of the whole graph.
pub fn total_work(graph: &Graph) -> Work {
    graph.nodes().map(|(id, _)| node_work(graph, id)).sum()
}
