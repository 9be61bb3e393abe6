//! What `optimize` did to a model: the published form, and a page of it.

mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::json;

pub use text::{optimize_diff, optimize_text};

/// A model rewritten: what changed, what did not and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OptimizeReport {
    /// Version of this form.
    pub schema_version: u32,
    /// The model as it was named.
    pub model: String,
    /// The file that was written; absent in a dry run.
    pub output: Option<String>,
    /// What the written model is for: `onnx` or `ort`.
    pub target: String,
    /// Version of the standard operators in the written model.
    pub opset: i64,
    /// Nodes of the graph.
    pub nodes: BeforeAfter,
    /// Attentions.
    pub attention: AttentionsFused,
    /// Changes, in the order in which they were made.
    pub changes: Vec<ChangeMade>,
    /// What could have been changed and was not.
    pub skipped: Vec<ChangeSkipped>,
    /// Operators, by name.
    pub operators: BTreeMap<String, BeforeAfter>,
    /// What a user should know about the file as a whole.
    pub notes: Vec<String>,
}

/// A count before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BeforeAfter {
    /// In the model that was read.
    pub before: u64,
    /// In the one that was written.
    pub after: u64,
}

/// How many attentions are one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AttentionsFused {
    /// In the model.
    pub found: u64,
    /// One node already.
    pub already: u64,
    /// Made one node.
    pub fused: u64,
}

/// A change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ChangeMade {
    /// Its kind.
    pub rewrite: String,
    /// The module that it was made in; empty where it concerns the whole graph or the file does not say.
    pub module: String,
    /// The operator that stands there now; empty where nodes only went.
    pub operator: String,
    /// Steps that it takes the place of.
    pub nodes: u64,
}

/// A change that was not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ChangeSkipped {
    /// Its kind.
    pub rewrite: String,
    /// The module.
    pub module: String,
    /// Why not.
    pub reason: String,
}

impl OptimizeReport {
    /// The published version.
    pub const SCHEMA_VERSION: u32 = 1;

    /// As JSON.
    pub fn to_json(&self) -> String {
        json::indented(self)
    }

    /// How many changes of each kind there are, and how many nodes they take the place of.
    fn kinds(&self) -> BTreeMap<&str, (u64, u64)> {
        let mut kinds: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for change in &self.changes {
            let (count, nodes) = kinds.entry(&change.rewrite).or_default();
            *count += 1;
            *nodes = nodes.saturating_add(change.nodes);
        }
        kinds
    }
}
