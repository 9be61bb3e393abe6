//! Where the elements of a model's tensors lie, so that a run can fetch them. Making the table reads none of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::DType;

/// The elements of one tensor, row-major unless strides say otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Little-endian bytes in a file.
    Stored(Stored),
    /// Several of these, one after the other, each without gaps: the experts of a layer, which have a tensor each.
    Joined(Arc<[Stored]>),
    /// Bytes in a file, and a number that is added to each element: norms that scale by one more than their weight.
    Plus(Stored, f64),
    /// Integers or truth values (0 and 1) that were computed, or small enough to be kept, while reading.
    Ints(Arc<[i64]>),
    /// Floating-point numbers of the same kind.
    Floats(Arc<[f64]>),
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The file's name relative to the model's folder; `None` for the file that was read, once unpacked.
    pub file: Option<Arc<str>>,
    /// First byte of the tensor's storage.
    pub offset: u64,
    /// Bytes from there on.
    pub length: u64,
    /// How the elements are stored, whatever type the graph gives the value.
    pub dtype: DType,
    /// Strides in elements; `None` = row-major without gaps.
    pub strides: Option<Box<[i64]>>,
    /// Elements before the first one.
    pub first: u64,
}

/// The contents of values that no node makes, by the names of the values. A name without an entry has elements that the
/// source does not hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents(BTreeMap<String, Content>);

impl Contents {
    /// What the value of this name holds.
    pub fn get(&self, name: &str) -> Option<&Content> {
        self.0.get(name)
    }

    /// Notes what a value holds; the first note of a name counts.
    pub fn insert(&mut self, name: impl Into<String>, content: Content) {
        self.0.entry(name.into()).or_insert(content);
    }

    /// True when the source holds no elements at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All entries, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Content)> {
        self.0.iter().map(|(name, content)| (name.as_str(), content))
    }
}
