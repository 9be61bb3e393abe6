//! Peak memory of activations over a schedule.

use fusewright_ir::{Graph, Storage};

use crate::{Groups, group::operands_read};

/// The most bytes of activations alive at once when the groups run in `order`, the running group's results included.
///
/// The graph's inputs stay alive throughout (the caller owns them), results of the graph stay once made, any other value
/// from the kernel that makes it to the last one that reads it. Values internal to a group take no memory, weights are
/// not counted.
pub fn peak_memory(graph: &Graph, storage: &Storage, groups: &Groups, order: &[u32]) -> u64 {
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

    // Bytes that come to life and that die at each moment.
    let mut born = vec![0_u64; order.len()];
    let mut dies = vec![0_u64; order.len()];
    for (id, node) in graph.nodes().filter(|&(id, _)| !storage.is_free(id)) {
        for &output in &node.outputs {
            let Some(last) = last_use[output.index()] else { continue };
            let bytes = graph.value(output).ty.bytes();
            let made = &mut born[position[groups.of(id) as usize] as usize];
            *made = made.saturating_add(bytes);
            if let Some(freed) = dies.get_mut(last as usize) {
                *freed = freed.saturating_add(bytes);
            }
        }
    }
    let mut live = graph.inputs().iter().map(|&input| graph.value(input).ty.bytes()).fold(0, u64::saturating_add);
    let mut peak = live;
    for (born, dies) in born.into_iter().zip(dies) {
        live = live.saturating_add(born);
        peak = peak.max(live);
        live = live.saturating_sub(dies);
    }
    peak
}
