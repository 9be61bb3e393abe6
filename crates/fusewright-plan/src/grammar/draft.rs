//! Nodes that are, or may still become, one kernel.

use fusewright_ir::{NodeId, ValueId};

use super::Loop;

/// What a projection has in common with those that it may run beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Projecting {
    /// The activation.
    pub(crate) input: ValueId,
    /// Element type and storage order of the weight.
    pub(crate) weight: u32,
}

/// What a draft is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// A loop; `steps` if it could be part of a product's kernel.
    Loop { iteration: Loop, steps: bool },
    /// A product with what surrounds it.
    Product { beside: Option<Projecting>, prologue: bool },
    /// An attention of which so many steps are there.
    Attention { site: u32, steps: u32 },
    /// A node that nothing joins.
    Alone,
}

/// Nodes that one kernel can compute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    /// Ascending.
    pub(crate) members: Vec<NodeId>,
    pub(crate) form: Form,
}

impl Draft {
    pub(crate) fn holds(&self, node: NodeId) -> bool {
        self.members.binary_search(&node).is_ok()
    }

    /// The members of several drafts and one node more.
    pub(crate) fn united(parts: &[&Draft], node: NodeId) -> Vec<NodeId> {
        let all = parts.iter().flat_map(|part| part.members.iter().copied());
        let mut members: Vec<NodeId> = all.chain([node]).collect();
        members.sort_unstable();
        members
    }
}

/// A loop that could be part of a product's kernel.
pub(super) fn can_be_a_step(form: Form) -> bool {
    matches!(form, Form::Loop { steps: true, .. })
}
