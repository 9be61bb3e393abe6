//! The cache of keys and values that a decode step reads and extends.
//!
//! Nothing in a graph says "cache": it is an input of the graph that new rows are joined to (or written into) and whose
//! extended form is used on the spot. Names play no part, so that exported models are seen as well as configurations.

use fusewright_ir::ops::{Attention, Copy};
use fusewright_ir::{Graph, Node, Op, Origin, Storage, ValueId};

/// Keys and values kept between the steps of a generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvCache {
    /// Inputs of the graph that hold the cache, in the order of the graph.
    pub inputs: Vec<ValueId>,
    /// Bytes of these inputs: what the step finds.
    pub before: u64,
    /// Bytes of the new rows.
    pub appended: u64,
    /// Bytes that the next step finds.
    pub after: u64,
}

/// The cache of a decode step; empty for a graph that keeps none.
///
/// Keys and values that are given and used as they are, as an encoder's are by the decoder's cross-attention, belong to it
/// if anything else does. Pass the graph with its attention ops unopened: that is where these are seen.
pub fn kv_cache(graph: &Graph, storage: &Storage) -> KvCache {
    let wanted = Wanted::of(graph, storage);
    let mut cache = KvCache::default();
    let mut held = vec![false; graph.value_count()];
    let mut new_rows = vec![false; graph.value_count()];
    for (_, node) in graph.nodes() {
        let Some((past, new)) = extended(graph, storage, node) else { continue };
        let [result] = node.outputs.as_slice() else { continue };
        if !wanted.is_kept(*result) || std::mem::replace(&mut held[past.index()], true) {
            continue;
        }
        for &value in node.inputs.iter().skip(1) {
            new_rows[storage.root(value).index()] = true;
        }
        cache.appended = cache.appended.saturating_add(new);
        cache.after = cache.after.saturating_add(graph.value(*result).ty.bytes());
    }
    if cache.after == 0 {
        return cache;
    }
    for &input in graph.inputs() {
        let bytes = graph.value(input).ty.bytes();
        if !held[input.index()] {
            if !wanted.attended[input.index()] || new_rows[input.index()] {
                continue;
            }
            cache.after = cache.after.saturating_add(bytes);
        }
        cache.inputs.push(input);
        cache.before = cache.before.saturating_add(bytes);
    }
    cache
}

/// The input of the graph that this node extends, and the bytes that it adds.
fn extended(graph: &Graph, storage: &Storage, node: &Node) -> Option<(ValueId, u64)> {
    /// Sequences, positions, features: anything flatter is no cache of keys or values.
    const LEAST_RANK: usize = 3;
    let past_of = |&value: &ValueId| {
        let root = storage.root(value);
        let deep = graph.tensor(root).is_some_and(|tensor| tensor.rank() >= LEAST_RANK);
        (graph.value(root).origin == Origin::Input && deep).then_some(root)
    };
    let bytes = |value: ValueId| graph.value(value).ty.bytes();
    match &node.op {
        Op::Copy(copy) if matches!(**copy, Copy::Concat { .. }) => {
            let past = node.inputs.first().and_then(past_of)?;
            let new = node.inputs.iter().skip(1).map(|&value| bytes(value));
            Some((past, new.fold(0, u64::saturating_add)))
        }
        Op::Scatter(_) => {
            let (past, &values) = (node.inputs.first().and_then(past_of)?, node.inputs.get(1)?);
            Some((past, bytes(values)))
        }
        _ => None,
    }
}

/// What happens to values further down.
struct Wanted {
    /// It becomes keys or values of an attention op, by views and copies only.
    attended: Vec<bool>,
    /// A node uses it.
    used: Vec<bool>,
    /// The graph returns its memory.
    returned: Vec<bool>,
}

impl Wanted {
    fn of(graph: &Graph, storage: &Storage) -> Self {
        let none = || vec![false; graph.value_count()];
        let mut wanted = Self { attended: none(), used: none(), returned: none() };
        for &output in graph.outputs() {
            wanted.returned[storage.root(output).index()] = true;
        }
        for (_, node) in graph.nodes().rev() {
            let moved = matches!(node.op, Op::View(_) | Op::Copy(_));
            let attended = moved && node.outputs.iter().any(|&output| wanted.attended[output.index()]);
            let keys_or_values = match &node.op {
                Op::Attention(Attention::ScaledDotProduct(_)) => 1..3,
                _ => 0..0,
            };
            for (position, &input) in node.inputs.iter().enumerate() {
                wanted.used[input.index()] = true;
                wanted.attended[input.index()] |= attended || keys_or_values.contains(&position);
            }
        }
        wanted
    }

    /// An extended cache is used here, and either by attention or by the next step too.
    fn is_kept(&self, value: ValueId) -> bool {
        self.attended[value.index()] || (self.used[value.index()] && self.returned[value.index()])
    }
}
