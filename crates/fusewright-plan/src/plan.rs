//! A plan: a partition of all nodes into groups, with what it costs.

use fusewright_cost::{GroupCost, Groups, group_costs, peak_memory};
use fusewright_ir::NodeId;

use crate::certificate::{Certificate, CertificateError, certify};
use crate::dataflow::Dataflow;
use crate::merge_price::RefusedMerge;
use crate::optimal::Optimality;
use crate::parallel::{Merges, ParallelMerge};
use crate::quotient::Quotient;
use crate::{Analysis, names};

/// How to look at a graph: as the reference figures were counted, or as the rules are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Modules and functions of the trace, by their literal names; methods stand outside.
    Reference,
    /// Canonical ops; views are transparent, any number of parallel projections merges.
    Default,
}

impl Profile {
    /// Public name.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Reference => "reference",
            Profile::Default => "default",
        }
    }
}

/// A partition of a graph into groups, certified.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Public name of the partitioner, e.g. `attention`.
    pub strategy: &'static str,
    /// How the graph was looked at.
    pub profile: Profile,
    /// All nodes by group. The first `counted` groups are the plan; the rest stand alone outside the count.
    pub groups: Groups,
    /// Number of groups in the count.
    pub counted: usize,
    /// Nodes that the profile partitions.
    pub nodes: usize,
    /// How many of these each counted group holds.
    pub sizes: Vec<u32>,
    /// Cost of each group, outside ones included.
    pub costs: Vec<GroupCost>,
    /// Sum of the costs.
    pub total: GroupCost,
    /// Pattern of each counted group: a position in `pattern_names`.
    pub patterns: Vec<u32>,
    /// Names of the patterns that occur.
    pub pattern_names: Vec<String>,
    /// Parallel projections that were merged.
    pub merges: Vec<ParallelMerge>,
    /// Parallel projections that would not be faster merged on the device that the plan is for.
    pub refused_merges: Vec<RefusedMerge>,
    /// Attentions whose steps are all in one group of this plan.
    pub attention_chains: usize,
    /// A legal order to run the groups in.
    pub schedule: Vec<u32>,
    /// Most bytes of activations alive at once in that order.
    pub peak_memory: u64,
    /// What was checked.
    pub certificate: Certificate,
    /// How good it is proven to be, where the partitioner searched for the best.
    pub optimality: Option<Optimality>,
}

impl Plan {
    /// Prices and certifies a partition.
    pub(crate) fn new(
        strategy: &'static str,
        profile: Profile,
        analysis: &Analysis,
        flow: &Dataflow,
        groups: Groups,
        counted: usize,
        merges: Merges,
    ) -> Result<Plan, CertificateError> {
        let Merges { taken: merges, refused: refused_merges } = merges;
        let costs = group_costs(analysis.graph, &analysis.storage, &groups);
        let total = costs.iter().sum();
        let (certificate, schedule) = certify(analysis, &groups, &costs)?;
        let size = |group| groups.members(group).iter().filter(|&&id| flow.takes_part(id)).count();
        let sizes = (0..counted).map(|group| u32::try_from(size(group)).unwrap_or(u32::MAX)).collect();
        let (patterns, pattern_names) = names::name_groups(analysis, profile, flow, &groups, counted, &merges);
        let peak_memory = peak_memory(analysis.graph, &analysis.storage, &groups, &schedule);
        let attention_chains = attention_chains(analysis, &groups);
        Ok(Plan {
            strategy,
            profile,
            counted,
            nodes: flow.size(),
            sizes,
            costs,
            total,
            patterns,
            pattern_names,
            merges,
            refused_merges,
            attention_chains,
            schedule,
            peak_memory,
            certificate,
            optimality: None,
            groups,
        })
    }

    /// Mean number of nodes in a group.
    pub fn mean_size(&self) -> f64 {
        if self.counted == 0 { 0.0 } else { self.nodes as f64 / self.counted as f64 }
    }

    /// Number of nodes in the largest group.
    pub fn max_size(&self) -> u32 {
        self.sizes.iter().copied().max().unwrap_or(0)
    }

    /// Name of a counted group's pattern.
    pub fn pattern(&self, group: usize) -> &str {
        &self.pattern_names[self.patterns[group] as usize]
    }

    /// How often each pattern occurs, most frequent first, then by name.
    pub fn histogram(&self) -> Vec<(&str, usize)> {
        let mut counts = vec![0_usize; self.pattern_names.len()];
        self.patterns.iter().for_each(|&pattern| counts[pattern as usize] += 1);
        let mut rows: Vec<(&str, usize)> = self.pattern_names.iter().map(String::as_str).zip(counts).collect();
        rows.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        rows
    }

    /// The groups that each group reads from, ascending.
    pub fn dependencies(&self, analysis: &Analysis) -> Vec<Vec<u32>> {
        let quotient = Quotient::of(analysis.graph, &analysis.storage, &self.groups);
        let mut dependencies = vec![Vec::new(); self.groups.count()];
        for group in (0_u32..).take(self.groups.count()) {
            for &reader in quotient.readers(group) {
                let list: &mut Vec<u32> = &mut dependencies[reader as usize];
                if list.last() != Some(&group) {
                    list.push(group);
                }
            }
        }
        dependencies
    }

    /// Bytes of shared inputs that merging saves: each merge reads its input once instead of once a member.
    pub fn shared_input_saved(&self, analysis: &Analysis) -> u64 {
        let saved = |merge: &ParallelMerge| {
            let tensor = analysis.graph.tensor(merge.input);
            let bytes = tensor.map_or(0, |t| t.dtype.bytes(analysis.storage.distinct_elements(merge.input)));
            bytes.saturating_mul(merge.members.len() as u64 - 1)
        };
        self.merges.iter().map(saved).fold(0, u64::saturating_add)
    }
}

fn attention_chains(analysis: &Analysis, groups: &Groups) -> usize {
    let together = |chain: &[NodeId]| chain.len() > 1 && chain.iter().all(|&id| groups.of(id) == groups.of(chain[0]));
    analysis.attentions.sites.iter().filter(|site| together(&site.chain)).count()
}
