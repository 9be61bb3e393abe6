//! What a rewrite did, and what it left alone and why.

use std::collections::BTreeMap;

/// A kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rewrite {
    /// The steps of an attention as one node.
    Attention,
    /// Projections of one tensor as one product.
    Packing,
    /// A norm written out, as one node.
    Norm,
    /// A norm and the sum before it as one node.
    SkipNorm,
    /// An activation written out, as one node.
    Activation,
    /// A rotary position embedding as one node.
    Rotary,
    /// Nodes whose result the file determines, as a literal.
    Constant,
    /// Nodes that compute what another computes.
    Duplicate,
    /// Nodes that do nothing, or undo each other.
    Redundant,
}

impl Rewrite {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Rewrite::Attention => "attention",
            Rewrite::Packing => "packed-projections",
            Rewrite::Norm => "norm",
            Rewrite::SkipNorm => "skip-norm",
            Rewrite::Activation => "activation",
            Rewrite::Rotary => "rotary-embedding",
            Rewrite::Constant => "constants",
            Rewrite::Duplicate => "duplicates",
            Rewrite::Redundant => "redundant",
        }
    }
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its kind.
    pub rewrite: Rewrite,
    /// The module it was made in.
    pub module: String,
    /// The operator that stands there now.
    pub op: String,
    /// Steps that do work which it takes the place of.
    pub nodes: u64,
}

/// A change that was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Its kind.
    pub rewrite: Rewrite,
    /// The module.
    pub module: String,
    /// Why not.
    pub reason: String,
}

/// Everything that happened to a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Changes, in the order in which they were made.
    pub changes: Vec<Change>,
    /// What was not changed, and why.
    pub skips: Vec<Skip>,
    /// Attentions in the model, those that are one node already included.
    pub attentions: u64,
    /// Attentions that were one node already.
    pub whole: u64,
    /// Operators with how often they occurred before.
    pub before: BTreeMap<String, u64>,
    /// Operators with how often they occur now.
    pub after: BTreeMap<String, u64>,
    /// What a user should know about the file as a whole, a sentence each.
    pub notes: Vec<String>,
}

impl Report {
    /// How many changes of a kind were made.
    pub fn count(&self, rewrite: Rewrite) -> u64 {
        self.changes.iter().filter(|change| change.rewrite == rewrite).count() as u64
    }

    /// Nodes before and after.
    pub fn nodes(&self) -> (u64, u64) {
        (self.before.values().sum(), self.after.values().sum())
    }
}
