//! The tensors that belong to a model, fetched from its files or made up from a seed.

use std::collections::{BTreeMap, BTreeSet};

use fusewright_ir::{Content, Contents, Graph, Origin, ValueId};

use crate::ExecError;
use crate::files::{Files, fetch};
use crate::generate::{extents, weight};
use crate::tensor::Tensor;

/// Every parameter, buffer, part and constant of a graph that something reads.
#[derive(Debug, Default)]
pub struct Weights {
    tensors: BTreeMap<ValueId, Tensor>,
    /// Those that no file holds.
    made_up: BTreeSet<ValueId>,
}

impl Weights {
    /// Fetches what `contents` knows the place of through `files`; makes up the rest from `seed` and the names.
    pub fn load(graph: &Graph, contents: &Contents, files: &dyn Files, seed: u64) -> Result<Self, ExecError> {
        let uses = crate::uses::uses(graph);
        let mut wanted = vec![false; graph.value_count()];
        for (_, node) in graph.nodes() {
            node.inputs.iter().for_each(|value| wanted[value.index()] = true);
        }
        graph.outputs().iter().for_each(|value| wanted[value.index()] = true);
        for (id, value) in graph.values() {
            if let Origin::Part { of, .. } = value.origin
                && wanted[id.index()]
            {
                wanted[of.index()] = true;
            }
        }
        let mut weights = Self::default();
        for (id, value) in graph.values().filter(|(id, _)| wanted[id.index()]) {
            let Some(tensor) = graph.tensor(id) else { continue };
            let name = graph.value_name(id);
            let found = match value.origin {
                Origin::Input | Origin::Node { .. } => continue,
                Origin::Part { of, start } => weights.part(graph, id, of, start)?,
                Origin::Parameter | Origin::Buffer | Origin::Constant => {
                    let there = |content: &&Content| match content {
                        Content::Stored(stored) | Content::Plus(stored, _) => files.has(stored.file.as_deref()),
                        Content::Joined(parts) => parts.iter().all(|part| files.has(part.file.as_deref())),
                        Content::Ints(_) | Content::Floats(_) => true,
                    };
                    if let Some(content) = contents.get(name).filter(there) {
                        fetch(name, content, tensor.dtype, &extents(&tensor.shape), files)?
                    } else {
                        weights.made_up.insert(id);
                        weight(graph, id, uses[id.index()], seed).ok_or_else(|| ExecError::Weight {
                            name: name.to_owned(),
                            problem: format!("elements of type {} are not computed with", tensor.dtype.name()),
                        })?
                    }
                }
            };
            weights.tensors.insert(id, found);
        }
        Ok(weights)
    }

    /// Rows of a parameter.
    fn part(&self, graph: &Graph, id: ValueId, of: ValueId, start: u64) -> Result<Tensor, ExecError> {
        let failed =
            |problem: &str| ExecError::Weight { name: graph.value_name(id).to_owned(), problem: problem.to_owned() };
        let whole = self.tensors.get(&of).ok_or_else(|| failed("the parameter that it is a part of comes later"))?;
        let shape = graph.tensor(id).map(|tensor| extents(&tensor.shape)).unwrap_or_default();
        let start = usize::try_from(start).map_err(|_| failed("it starts too far"))?;
        let rows = shape.first().copied().unwrap_or(0);
        if whole.shape.first().is_none_or(|&all| start + rows > all) {
            return Err(failed("it reaches past the parameter that it is a part of"));
        }
        let first = whole.first.saturating_add_signed(start.cast_signed() * whole.strides[0]);
        Ok(whole.view(shape, whole.strides.clone(), first))
    }

    /// The tensor of a value.
    pub fn get(&self, value: ValueId) -> Option<&Tensor> {
        self.tensors.get(&value)
    }

    /// Gives each of two models the tensors that only the other one has, by name and type. Returns how many.
    pub(crate) fn share(&mut self, graph: &Graph, other: &mut Self, other_graph: &Graph) -> usize {
        let mut shared = 0;
        let mut take = |to: &mut Self, to_graph: &Graph, from: &Self, from_graph: &Graph| {
            let by_name: BTreeMap<&str, &Tensor> = from
                .tensors
                .iter()
                .filter(|(id, _)| !from.made_up.contains(id))
                .map(|(&id, tensor)| (from_graph.value_name(id), tensor))
                .collect();
            let wanted: Vec<ValueId> = to.made_up.iter().copied().collect();
            for id in wanted {
                let Some(own) = to.tensors.get(&id) else { continue };
                let found = by_name.get(to_graph.value_name(id)).filter(|found| found.shape == own.shape);
                if let Some(&found) = found {
                    let found = found.cast(own.dtype);
                    to.tensors.insert(id, found);
                    to.made_up.remove(&id);
                    shared += 1;
                }
            }
        };
        take(self, graph, other, other_graph);
        take(other, other_graph, self, graph);
        shared
    }

    /// How many tensors were made up because no file holds them.
    pub fn generated(&self) -> usize {
        self.made_up.len()
    }
}
