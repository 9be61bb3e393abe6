//! The partitioner `optimal`: the partition into kernels that is cheapest under the model, with the proof.

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod cross_check;
mod horizon;
mod objective;
mod priced;
mod search;
mod state;

use fusewright_cost::time::contraction_peak;
use fusewright_ir::{DType, node_work};

pub use objective::Objective;

use crate::attach::attach;
use crate::dataflow::Dataflow;
use crate::grammar::{Draft, Grammar, Limits};
use crate::parallel::{Merges, ParallelMerge};
use crate::{Analysis, CertificateError, Partitioner, Plan, Profile};
use horizon::Horizon;
use priced::Drafts;
use search::{Found, Search};

/// Choices that the search looks at before it hurries, unless told otherwise: a second or two.
const EFFORT: u64 = 1_000_000;

/// How good a plan is proven to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimality {
    /// What the plan costs, in the unit of its objective.
    pub price: f64,
    /// What no partition into kernels of the grammar costs less than.
    pub bound: f64,
    /// Choices that the search looked at.
    pub looked_at: u64,
    /// Most states that it kept at once.
    pub widest: usize,
}

impl Optimality {
    /// By what share of the bound the plan may be dearer than the best one; 0 where it is proven to be the best.
    pub fn gap(&self) -> f64 {
        if self.price <= self.bound { 0.0 } else { self.price / self.bound.max(f64::MIN_POSITIVE) - 1.0 }
    }

    /// No partition into kernels of the grammar is cheaper.
    pub fn is_proven(&self) -> bool {
        self.price <= self.bound
    }
}

/// The cheapest partition into kernels of the grammar.
#[derive(Clone, Debug)]
pub struct OptimalFusionPartitioner<'a> {
    /// What is minimised.
    pub objective: Objective<'a>,
    /// What one kernel may hold.
    pub limits: Limits,
    /// Choices that the search looks at before it only follows the most promising ones. What it then leaves out bounds
    /// how far the plan may be from the best; a clock would make plans differ from run to run.
    pub effort: u64,
}

impl<'a> OptimalFusionPartitioner<'a> {
    /// The fastest plan on a device; without one, the plan that moves the fewest bytes.
    pub fn new(device: Option<&'a fusewright_device::Device>) -> Self {
        let objective = device.map_or(Objective::Bytes, Objective::Time);
        Self { objective, limits: device.map_or_else(Limits::generic, Limits::of), effort: EFFORT }
    }

    fn search(&self, grammar: &Grammar) -> Found {
        let horizon = Horizon::of(grammar);
        let drafts = Drafts::new(grammar, self.objective);
        let rest = self.rest(grammar);
        Search::new(&horizon, drafts, rest, self.effort).run()
    }

    /// Per step, what the arithmetic of the products after it takes at least.
    fn rest(&self, grammar: &Grammar) -> Vec<f64> {
        let graph = grammar.analysis.graph;
        let mut rest = vec![0.0; grammar.order.len()];
        let mut sum = 0.0;
        for (place, &id) in rest.iter_mut().zip(&grammar.order).rev() {
            *place = sum;
            if let Objective::Time(device) = self.objective {
                let flops = node_work(graph, id).contraction_flops();
                let dtype = graph.node(id).inputs.iter().find_map(|&input| graph.tensor(input)).map(|t| t.dtype);
                sum += 1e6 * flops as f64 / contraction_peak(device, dtype.unwrap_or(DType::F32));
            }
        }
        rest
    }
}

impl Partitioner for OptimalFusionPartitioner<'_> {
    fn name(&self) -> &'static str {
        "optimal"
    }

    /// Kernels are those of the default profile, whatever is asked for: the reference profile has none.
    fn partition(&self, analysis: &Analysis, _: Profile) -> Result<Plan, CertificateError> {
        let flow = Dataflow::new(analysis, Profile::Default);
        let grammar = Grammar::of(analysis, self.limits);
        let found = self.search(&grammar);
        let mut kernel_of = vec![None; analysis.graph.node_count()];
        for (number, kernel) in (0_u32..).zip(&found.kernels) {
            kernel.members.iter().for_each(|id| kernel_of[id.index()] = Some(number));
        }
        let count = found.kernels.len();
        let merges = found.kernels.iter().filter_map(|kernel| merge(&grammar, kernel));
        let merges = Merges { taken: merges.collect(), refused: Vec::new() };
        let groups = attach(analysis, Profile::Default, kernel_of, u32::try_from(count).unwrap_or(u32::MAX));
        let plan = Plan::new(self.name(), Profile::Default, analysis, &flow, groups, count, merges)?;
        let Found { price, bound, looked_at, widest, .. } = found;
        Ok(Plan { optimality: Some(Optimality { price, bound, looked_at, widest }), ..plan })
    }
}

/// The projections that a kernel computes side by side.
fn merge(grammar: &Grammar, kernel: &Draft) -> Option<ParallelMerge> {
    let members = kernel.members.iter().copied().filter(|&id| grammar.projecting(id).is_some());
    let members: Vec<_> = members.collect();
    let first = members.first().and_then(|&id| grammar.projecting(id)).filter(|_| members.len() > 1)?;
    Some(ParallelMerge { members, input: first.input })
}
