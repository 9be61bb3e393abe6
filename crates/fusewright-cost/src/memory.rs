//! What lives in memory over a schedule, and the most of it at once.

use fusewright_ir::{Graph, Storage, ValueId};

use crate::{Groups, group::operands_read};

/// A value that outlives the kernel that makes it. Moments are positions in the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveValue {
    /// The value.
    pub value: ValueId,
    /// Its bytes.
    pub bytes: u64,
    /// When it is made.
    pub made: u32,
    /// When it is read for the last time; [`u32::MAX`] for results of the graph, which stay.
    pub last_read: u32,
}

/// Bytes of the graph's inputs: the caller owns them, so they live throughout.
pub fn input_bytes(graph: &Graph) -> u64 {
    graph.inputs().iter().map(|&input| graph.value(input).ty.bytes()).fold(0, u64::saturating_add)
}

/// The activations that pass between kernels when the groups run in `order`, in the order of the graph. Values internal
/// to a group take no memory, weights and inputs are not among them.
pub fn live_values(graph: &Graph, storage: &Storage, groups: &Groups, order: &[u32]) -> Vec<LiveValue> {
    let mut position = vec![0_u32; groups.count()];
    for (at, &group) in (0_u32..).zip(order) {
        position[group as usize] = at;
    }
    // For every value that outlives its kernel, the last moment it is read.
    let mut last_use: Vec<Option<u32>> = vec![None; graph.value_count()];
    for (id, _) in graph.nodes().filter(|&(id, _)| !storage.is_free(id)) {
        for (value, _) in operands_read(graph, storage, id) {
            let root = storage.root(value);
            let outside = graph.producer(root).is_some_and(|producer| groups.of(producer) != groups.of(id));
            if outside {
                let at = position[groups.of(id) as usize];
                last_use[root.index()] = last_use[root.index()].max(Some(at));
            }
        }
    }
    for &output in graph.outputs() {
        last_use[storage.root(output).index()] = Some(u32::MAX);
    }

    let mut live = Vec::new();
    for (id, node) in graph.nodes().filter(|&(id, _)| !storage.is_free(id)) {
        for &value in &node.outputs {
            let Some(last_read) = last_use[value.index()] else { continue };
            let made = position[groups.of(id) as usize];
            live.push(LiveValue { value, bytes: graph.value(value).ty.bytes(), made, last_read });
        }
    }
    live
}

/// The most bytes of activations alive at once when the groups run in `order`, the running group's results included.
///
/// The graph's inputs stay alive throughout, results of the graph stay once made, any other value from the kernel that
/// makes it to the last one that reads it.
pub fn peak_memory(graph: &Graph, storage: &Storage, groups: &Groups, order: &[u32]) -> u64 {
    // Bytes that come to life and that die at each moment.
    let mut born = vec![0_u64; order.len()];
    let mut dies = vec![0_u64; order.len()];
    for LiveValue { bytes, made, last_read, .. } in live_values(graph, storage, groups, order) {
        let made = &mut born[made as usize];
        *made = made.saturating_add(bytes);
        if let Some(freed) = dies.get_mut(last_read as usize) {
            *freed = freed.saturating_add(bytes);
        }
    }
    let mut live = input_bytes(graph);
    let mut peak = live;
    for (born, dies) in born.into_iter().zip(dies) {
        live = live.saturating_add(born);
        peak = peak.max(live);
        live = live.saturating_sub(dies);
    }
    peak
}
