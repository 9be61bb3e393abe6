//! Where two models that differ begin to differ: the first node of the one whose result has a counterpart in the other.

use std::collections::BTreeMap;

use fusewright_ir::{Graph, ValueId};

use super::difference::{Difference, tolerance_of};
use crate::ExecError;
use crate::interpret::run_with;
use crate::tensor::Tensor;
use crate::weights::Weights;

/// The first results that differ.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// The node of the first model that made its result.
    pub node: String,
    /// Its op.
    pub op: &'static str,
    /// Its module path.
    pub scope: String,
    /// The value's name in the first model.
    pub value: String,
    /// The node of the second model whose result it was compared with.
    pub other: String,
    /// How far apart the two are.
    pub difference: Difference,
    /// How many results before it had a counterpart and agreed.
    pub agreed: usize,
}

/// A graph with what it runs on.
type Running<'a> = (&'a Graph, &'a Weights, &'a [Tensor]);

/// What makes results of two models the same one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Name(String),
    /// Module path, op, and how many of them came before.
    Place(String, &'static str, usize),
}

/// The keys of a graph's results.
fn keys(graph: &Graph) -> BTreeMap<ValueId, [Key; 2]> {
    let mut counts: BTreeMap<(String, &'static str), usize> = BTreeMap::new();
    let mut keys = BTreeMap::new();
    for (_, node) in graph.nodes() {
        let place = (graph.text(node.source.scope).to_owned(), node.op.mnemonic());
        let count = counts.entry(place.clone()).or_default();
        if let Some(&output) = node.outputs.first() {
            let name = Key::Name(graph.value_name(output).to_owned());
            keys.insert(output, [name, Key::Place(place.0, place.1, *count)]);
        }
        *count += 1;
    }
    keys
}

/// Runs the first model keeping what has a counterpart, then the second until results differ.
pub(super) fn first(a: Running<'_>, b: Running<'_>, tolerance: Option<f64>) -> Result<Option<Divergence>, ExecError> {
    let (own, others) = (keys(a.0), keys(b.0));
    let mut by_key: BTreeMap<&Key, ValueId> = BTreeMap::new();
    for (&value, [name, place]) in others.iter().rev() {
        by_key.insert(name, value);
        by_key.insert(place, value);
    }
    let shape = |graph: &Graph, value: ValueId| graph.tensor(value).map(|tensor| tensor.shape.clone());
    let partner = |value: ValueId| {
        let candidates = own.get(&value)?;
        let fits = |&&other: &&ValueId| shape(a.0, value) == shape(b.0, other);
        candidates.iter().find_map(|key| by_key.get(key).filter(fits).copied())
    };
    let mut kept: BTreeMap<ValueId, Tensor> = BTreeMap::new();
    let wanted: BTreeMap<ValueId, ValueId> = own.keys().filter_map(|&value| Some((value, partner(value)?))).collect();
    run_with(b.0, b.1, b.2, |value, tensor| {
        kept.insert(value, tensor.clone());
    })?;
    let mut found = None;
    let mut agreed = 0;
    run_with(a.0, a.1, a.2, |value, tensor| {
        let Some((other, theirs)) = wanted.get(&value).and_then(|other| Some((*other, kept.get(other)?))) else {
            return;
        };
        if found.is_some() {
            return;
        }
        let difference = Difference::between(tensor, theirs);
        if difference.relative <= tolerance.unwrap_or_else(|| tolerance_of(tensor.dtype())) {
            agreed += 1;
            return;
        }
        let describe = |graph: &Graph, value: ValueId| {
            let node = graph.producer(value);
            node.map_or_else(|| graph.value_name(value).to_owned(), |node| graph.node_name(node).to_owned())
        };
        let node = a.0.producer(value).map(|id| a.0.node(id));
        found = Some(Divergence {
            node: describe(a.0, value),
            op: node.map_or("input", |node| node.op.mnemonic()),
            scope: node.map_or_else(String::new, |node| a.0.text(node.source.scope).to_owned()),
            value: a.0.value_name(value).to_owned(),
            other: describe(b.0, other),
            difference,
            agreed,
        });
    })?;
    Ok(found)
}
