//! What the nodes of a group would cost on their own: the eager plan, node by node.
//!
//! In the eager plan each node that launches something is alone in its group, so the group's cost is the node's.

use fusewright_ir::{NodeId, Storage};
use fusewright_plan::{Analysis, Plan};

/// What a fusion saves against running its members one by one. Negative where it costs more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Saving {
    pub(crate) kernels: i64,
    pub(crate) bytes: i64,
}

impl std::ops::AddAssign for Saving {
    fn add_assign(&mut self, other: Saving) {
        self.kernels = self.kernels.saturating_add(other.kernels);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// The eager plan as a yardstick for plans of the same graph and profile.
#[derive(Clone, Copy)]
pub(crate) struct Baseline<'a> {
    eager: &'a Plan,
    storage: &'a Storage,
}

impl<'a> Baseline<'a> {
    pub(crate) fn new(analysis: &'a Analysis, eager: &'a Plan) -> Self {
        Self { eager, storage: &analysis.storage }
    }

    fn kernels(&self, node: NodeId) -> u64 {
        u64::from(!self.storage.is_free(node))
    }

    fn moved(&self, node: NodeId) -> u64 {
        if self.storage.is_free(node) { 0 } else { self.eager.costs[self.eager.groups.of(node) as usize].moved() }
    }

    /// What a group of `plan` saves.
    pub(crate) fn saving_of_group(&self, plan: &Plan, group: usize) -> Saving {
        let members = plan.groups.members(group);
        let cost = &plan.costs[group];
        let alone = members.iter().map(|&id| self.moved(id)).fold(0, u64::saturating_add);
        let launches: u64 = members.iter().map(|&id| self.kernels(id)).sum();
        Saving { kernels: difference(launches, u64::from(cost.kernels)), bytes: difference(alone, cost.moved()) }
    }

    /// What a whole plan saves: the sum over its groups.
    pub(crate) fn saving_of_plan(&self, plan: &Plan) -> Saving {
        Saving {
            kernels: difference(u64::from(self.eager.total.kernels), u64::from(plan.total.kernels)),
            bytes: difference(self.eager.total.moved(), plan.total.moved()),
        }
    }
}

/// `a - b`, clamped to what the type holds.
fn difference(a: u64, b: u64) -> i64 {
    i64::try_from(i128::from(a) - i128::from(b)).unwrap_or(if a > b { i64::MAX } else { i64::MIN })
}
