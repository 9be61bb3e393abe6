//! Peak memory of activations over a schedule.

use fusewright_ir::{Graph, Storage, ValueId};

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

    let bytes = |value: ValueId| graph.value(value).ty.bytes();
    let mut live: u64 = graph.inputs().iter().map(|&input| bytes(input)).fold(0, u64::saturating_add);
    let mut peak = live;
    let mut dying: Vec<Vec<ValueId>> = vec![Vec::new(); order.len()];
    for (at, &group) in order.iter().enumerate() {
        for &id in groups.members(group as usize).iter().filter(|&&id| !storage.is_free(id)) {
            for &output in &graph.node(id).outputs {
                if let Some(last) = last_use[output.index()] {
                    live = live.saturating_add(bytes(output));
                    if let Some(dies) = dying.get_mut(last as usize) {
                        dies.push(output);
                    }
                }
            }
        }
        peak = peak.max(live);
        for value in std::mem::take(&mut dying[at]) {
            live = live.saturating_sub(bytes(value));
        }
    }
    peak
}
