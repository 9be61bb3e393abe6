//! Parameters, buffers and constants: added once each, whoever uses them.

use std::collections::HashMap;

use fusewright_ir::{Graph, Origin, Type, ValueId};

use super::FxError;
use super::names::Names;
use super::schema::{Document, Kind, TensorEntry};
use super::symbols::{Place, Sizes};

/// The tensors of a model by name.
#[derive(Debug, Default)]
pub(super) struct Parameters(HashMap<String, ValueId>);

impl Parameters {
    /// Adds every entry of the document's table, used or not; a tied one is the value of its original.
    pub(super) fn add_all(
        document: &Document,
        sizes: &Sizes<'_>,
        names: &mut Names,
        graph: &mut Graph,
    ) -> Result<Self, FxError> {
        let mut parameters = Self::default();
        let (tied, own): (Vec<_>, Vec<_>) = document.params.iter().partition(|entry| entry.alias_of.is_some());
        for entry in own {
            if parameters.0.contains_key(&entry.name) {
                return Err(FxError::DuplicateParameter { name: entry.name.clone() });
            }
            parameters.resolve(entry, sizes, names, graph)?;
        }
        for entry in tied {
            parameters.tie(entry, sizes, graph)?;
        }
        Ok(parameters)
    }

    /// The value of a tensor by its name in the model.
    pub(super) fn get(&self, name: &str) -> Option<ValueId> {
        self.0.get(name).copied()
    }

    /// The value of an entry, added now if its name is new.
    pub(super) fn resolve(
        &mut self,
        entry: &TensorEntry,
        sizes: &Sizes<'_>,
        names: &mut Names,
        graph: &mut Graph,
    ) -> Result<ValueId, FxError> {
        if let Some(value) = self.get(&entry.name) {
            return Ok(value);
        }
        let ty = sizes.tensor(&entry.shape, &entry.dtype, Place::Parameter(&entry.name))?;
        let origin = match entry.kind {
            Kind::Parameter => Origin::Parameter,
            Kind::Buffer => Origin::Buffer,
        };
        Ok(self.add(&entry.name, Type::Tensor(ty), origin, names, graph))
    }

    /// Adds a value that the table does not list.
    pub(super) fn add(
        &mut self,
        name: &str,
        ty: Type,
        origin: Origin,
        names: &mut Names,
        graph: &mut Graph,
    ) -> ValueId {
        let value = graph.add_source(&names.unique(name), ty, origin);
        self.0.insert(name.to_owned(), value);
        value
    }

    fn tie(&mut self, entry: &TensorEntry, sizes: &Sizes<'_>, graph: &Graph) -> Result<(), FxError> {
        let original = entry.alias_of.clone().unwrap_or_default();
        let problem = |problem| FxError::BadAlias { name: entry.name.clone(), original: original.clone(), problem };
        let value = self
            .get(&original)
            .ok_or_else(|| problem("which is not listed; expected the name of an earlier parameter"))?;
        let ty = sizes.tensor(&entry.shape, &entry.dtype, Place::Parameter(&entry.name))?;
        if graph.tensor(value) != Some(&ty) {
            return Err(problem("which has another shape or dtype; tied parameters must have the same"));
        }
        if self.0.insert(entry.name.clone(), value).is_some() {
            return Err(FxError::DuplicateParameter { name: entry.name.clone() });
        }
        Ok(())
    }
}
