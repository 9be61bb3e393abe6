//! What a search gives back.

use fusewright_ir::{NodeId, ValueId};

use super::reason::Reason;

/// A rule by its position in the library that the search was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub(crate) u32);

impl RuleId {
    /// Position in the library.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What running some nodes as one kernel saves against running each as its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saving {
    /// Launches.
    pub kernels: u32,
    /// Bytes of tensor storage that are neither written nor read again.
    pub bytes: u64,
}

/// A fusion that is legal where it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The rule that matched.
    pub rule: RuleId,
    /// Further rules of the library that describe the same place, for example that a causal attention shares its heads.
    pub also: Vec<RuleId>,
    /// The nodes, ascending, views between them included.
    pub nodes: Vec<NodeId>,
    /// The anchor: the node by which it was found.
    pub anchor: NodeId,
    /// The values that the rule names, in the order of its text.
    pub values: Vec<(String, ValueId)>,
    /// What one kernel for all of it saves.
    pub saving: Saving,
}

/// What was found at the place that broke a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The node that broke it.
    pub node: Option<NodeId>,
    /// The value that broke it.
    pub value: Option<ValueId>,
    /// What is there: a number, a shape, an op.
    pub found: String,
    /// What the rule asks for.
    pub expected: String,
}

/// A fusion that is not legal, though all but one constraint of a rule hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Miss {
    /// The rule that nearly matched.
    pub rule: RuleId,
    /// The constraint that does not hold.
    pub reason: Reason,
    /// Where, and what stands there.
    pub evidence: Evidence,
    /// The nodes that would run as one kernel, ascending.
    pub nodes: Vec<NodeId>,
    /// The anchor: the node by which it was found.
    pub anchor: NodeId,
    /// What one kernel for all of it would save.
    pub saving: Saving,
    /// What to change in the model, so that the rule holds.
    pub change: String,
}

/// All candidates and misses of a graph, ordered by their anchors, then by their rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// What may fuse.
    pub candidates: Vec<Candidate>,
    /// What nearly may.
    pub misses: Vec<Miss>,
}
