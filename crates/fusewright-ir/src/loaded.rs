//! What every front-end takes and gives besides the bytes of a model.

use std::collections::BTreeMap;
use std::fmt;

use crate::{Contents, Graph};

/// Sizes for the named dims of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bindings(BTreeMap<String, u64>);

impl Bindings {
    /// The size that a name was given.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    /// All names with their sizes, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, &size)| (name.as_str(), size))
    }
}

impl FromIterator<(String, u64)> for Bindings {
    fn from_iter<I: IntoIterator<Item = (String, u64)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// A graph and what is worth knowing about how it was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The graph; it passes [`verify`](crate::verify).
    pub graph: Graph,
    /// What could not be read exactly, in the order of the nodes.
    pub warnings: Vec<Warning>,
    /// What a user should know about the file as a whole, a sentence each: weights that are missing, sizes that were
    /// assumed.
    pub notes: Vec<String>,
    /// Where the elements of parameters, buffers and constants lie.
    pub contents: Contents,
}

/// A node that was not read exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The node's name.
    pub node: String,
    /// What was done with it, and why.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node `{}`: {}", self.node, self.text)
    }
}
