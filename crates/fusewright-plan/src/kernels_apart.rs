//! Why two kernels of an optimal plan are not one: no kernel does both, or it would be no cheaper.

use fusewright_cost::SetCosts;
use fusewright_device::Device;
use fusewright_ir::NodeId;

use crate::grammar::{Draft, Grammar, Limits};
use crate::optimal::Objective;
use crate::stops::StopReason;
use crate::{Analysis, Plan};

/// Groups that are looked through for a way around two kernels.
const LIMIT: usize = 4096;

/// What one kernel can be, and what it costs.
#[derive(Debug)]
pub(crate) struct Kernels<'a> {
    grammar: Grammar<'a>,
    costs: SetCosts<'a>,
    objective: Objective<'a>,
}

impl<'a> Kernels<'a> {
    /// For plans for a device; without one, for plans that move the fewest bytes.
    pub(crate) fn of(analysis: &'a Analysis<'a>, device: Option<&'a Device>) -> Self {
        let limits = device.map_or_else(Limits::generic, Limits::of);
        Self {
            grammar: Grammar::of(analysis, limits),
            costs: SetCosts::of(analysis.graph, &analysis.storage),
            objective: device.map_or(Objective::Bytes, Objective::Time),
        }
    }

    /// Why two groups of a plan, the second of which reads from the first, are not one.
    pub(crate) fn refusal(&self, plan: &Plan, first: u32, second: u32) -> StopReason {
        let (one, other) = (self.members(plan, first), self.members(plan, second));
        let mut both = [one.as_slice(), &other].concat();
        both.sort_unstable();
        match self.grammar.kernel(&both) {
            Err(reason) => StopReason::NotOneKernel(reason),
            Ok(_) if self.way_around(plan, first, second) => StopReason::Circle,
            Ok(draft) => match (self.price(&one), self.price(&other)) {
                (Some(one), Some(other)) => StopReason::NoGain { apart: one + other, together: self.price_of(&draft) },
                _ => StopReason::NotTried,
            },
        }
    }

    /// The nodes of a group that do work, ascending.
    fn members(&self, plan: &Plan, group: u32) -> Vec<NodeId> {
        let storage = &self.grammar.analysis.storage;
        plan.groups.members(group as usize).iter().copied().filter(|&id| !storage.is_free(id)).collect()
    }

    /// A path of other groups leads from one to the other: as one kernel they would wait for themselves.
    fn way_around(&self, plan: &Plan, first: u32, second: u32) -> bool {
        let readers = |group: u32| {
            let nodes = plan.groups.members(group as usize).iter();
            nodes.flat_map(|&id| self.grammar.works.readers(id)).map(|&reader| plan.groups.of(reader))
        };
        let last = plan.groups.members(second as usize).last().copied();
        let mut seen = vec![first, second];
        let mut open: Vec<u32> = readers(first).filter(|group| !seen.contains(group)).collect();
        while let Some(group) = open.pop() {
            let starts_later = plan.groups.members(group as usize).first().copied() > last;
            if seen.contains(&group) || starts_later {
                continue;
            }
            if seen.len() > LIMIT || readers(group).any(|reader| reader == second) {
                return true;
            }
            seen.push(group);
            open.extend(readers(group));
        }
        false
    }

    fn price(&self, members: &[NodeId]) -> Option<f64> {
        self.grammar.kernel(members).ok().map(|draft| self.price_of(&draft))
    }

    fn price_of(&self, draft: &Draft) -> f64 {
        self.objective.launched(&self.grammar, draft, &self.costs.cost(&draft.members)).1
    }
}
