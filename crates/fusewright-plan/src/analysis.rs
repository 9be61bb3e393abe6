//! What every partitioner needs to know of a graph, worked out once.

use fusewright_ir::{Consumers, Graph, Storage};
use fusewright_pattern::{Attentions, find_attentions};

/// A graph with its memory, its readers and its attentions.
#[derive(Debug)]
pub struct Analysis<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// Who shares memory with whom.
    pub storage: Storage,
    /// Who reads what.
    pub consumers: Consumers,
    /// The attentions in it.
    pub attentions: Attentions,
}

impl<'a> Analysis<'a> {
    /// Analyses a verified graph.
    pub fn of(graph: &'a Graph) -> Self {
        let storage = Storage::of(graph);
        let consumers = Consumers::of(graph);
        let attentions = find_attentions(graph, &storage, &consumers);
        Self { graph, storage, consumers, attentions }
    }
}
