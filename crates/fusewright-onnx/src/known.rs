//! What reading finds out about the names of a model, for whoever changes the model.

use std::collections::BTreeMap;

use fusewright_ir::{Content, TensorType};

/// A tensor of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct NameFacts {
    /// Its type at the sizes of the reading.
    pub ty: TensorType,
    /// Its elements, where they are few and follow from numbers of the file and from extents.
    pub content: Option<Content>,
}

/// Tensors by the names that the model gives them; those inside functions have names of their own. What comes behind an
/// operator whose result has an unknown shape is left out.
pub type Names = BTreeMap<String, NameFacts>;
