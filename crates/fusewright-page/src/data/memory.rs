//! What lives in memory while a plan runs.

use fusewright_cost::{input_bytes, live_values};
use fusewright_plan::{Analysis, Plan};
use serde::Serialize;

use super::Kernels;
use super::deltas::deltas;

/// Activations that pass between kernels; moments are numbers of kernels.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Memory {
    /// Bytes of the graph's inputs, which live throughout.
    pub inputs: u64,
    /// The node that makes each.
    #[serde(serialize_with = "deltas")]
    pub node: Vec<u32>,
    /// Its bytes.
    pub bytes: Vec<u64>,
    /// The kernel that makes it.
    #[serde(serialize_with = "deltas")]
    pub from: Vec<u32>,
    /// The last kernel that reads it; the number of kernels for results of the graph.
    #[serde(serialize_with = "deltas")]
    pub to: Vec<u32>,
}

impl Memory {
    pub(super) fn of(analysis: &Analysis, plan: &Plan, kernels: &Kernels) -> Self {
        let count = u32::try_from(kernels.count()).unwrap_or(u32::MAX);
        // From positions in the schedule to numbers of kernels: groups that launch nothing have none.
        let mut number = Vec::with_capacity(plan.schedule.len());
        let mut next = 0_u32;
        for &group in &plan.schedule {
            number.push(next);
            next = next.saturating_add(u32::from(plan.costs[group as usize].kernels > 0));
        }
        let at = |moment: u32| number.get(moment as usize).copied().unwrap_or(count);
        let mut memory = Self { inputs: input_bytes(analysis.graph), ..Self::default() };
        for live in live_values(analysis.graph, &analysis.storage, &plan.groups, &plan.schedule) {
            let Some(node) = analysis.graph.producer(live.value) else { continue };
            memory.node.push(u32::try_from(node.index()).unwrap_or(u32::MAX));
            memory.bytes.push(live.bytes);
            memory.from.push(at(live.made));
            memory.to.push(at(live.last_read));
        }
        memory
    }
}
