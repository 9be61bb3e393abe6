//! What is known of each value while the calls are walked.

use fusewright_ir::{TensorType, ValueId};

use super::content::Known;

/// A value of the model: a tensor of the graph, or numbers that were computed while reading, or both.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    /// Its type; `None` for what is no tensor, and for what is not there yet.
    pub(crate) ty: Option<TensorType>,
    /// Its elements.
    pub(crate) known: Option<Known>,
    /// Its place in the graph, once it has one.
    pub(crate) value: Option<ValueId>,
}

impl Held {
    pub(crate) fn content(known: Known) -> Self {
        Self { ty: Some(known.ty.clone()), known: Some(known), value: None }
    }

    pub(crate) fn tensor(value: ValueId, ty: TensorType) -> Self {
        Self { ty: Some(ty), known: None, value: Some(value) }
    }
}
