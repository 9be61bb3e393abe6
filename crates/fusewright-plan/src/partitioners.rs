//! The partitioners: eager, standard, attention.

use fusewright_device::Device;
use fusewright_pattern::rules::RuleTable;

use crate::attach::attach;
use crate::chain::grow_chains;
use crate::dataflow::Dataflow;
use crate::parallel::{Merges, apply_merges, find_merges};
use crate::{Analysis, CertificateError, Plan, Profile};

/// Makes a certified plan of a graph.
pub trait Partitioner {
    /// Public name, as given to `--strategy`.
    fn name(&self) -> &'static str;

    /// Partitions; an error is a bug of the partitioner, found by the certificate.
    fn partition(&self, analysis: &Analysis, profile: Profile) -> Result<Plan, CertificateError>;
}

/// One group per node that the profile partitions: what runs without any fusion.
#[derive(Clone, Copy, Debug, Default)]
pub struct EagerPartitioner;

impl Partitioner for EagerPartitioner {
    fn name(&self) -> &'static str {
        "eager"
    }

    fn partition(&self, analysis: &Analysis, profile: Profile) -> Result<Plan, CertificateError> {
        let flow = Dataflow::new(analysis, profile);
        let mut count = 0_u32;
        let number = |takes_part: bool| {
            takes_part.then(|| {
                count += 1;
                count - 1
            })
        };
        let alone = analysis.graph.nodes().map(|(id, _)| flow.takes_part(id)).map(number).collect();
        let groups = attach(analysis, profile, alone, count);
        Plan::new(self.name(), profile, analysis, &flow, groups, count as usize, Merges::default())
    }
}

/// Chains by the standard pair rules.
#[derive(Clone, Debug)]
pub struct FusionBasedPartitioner {
    /// The rules.
    pub rules: RuleTable,
}

impl Default for FusionBasedPartitioner {
    fn default() -> Self {
        Self { rules: RuleTable::standard() }
    }
}

impl Partitioner for FusionBasedPartitioner {
    fn name(&self) -> &'static str {
        "standard"
    }

    fn partition(&self, analysis: &Analysis, profile: Profile) -> Result<Plan, CertificateError> {
        let flow = Dataflow::new(analysis, profile);
        let (chain_of, count) = grow_chains(analysis, &flow, profile, &self.rules);
        let groups = attach(analysis, profile, chain_of, count);
        Plan::new(self.name(), profile, analysis, &flow, groups, count as usize, Merges::default())
    }
}

/// Chains by the standard and attention rules, then parallel projections merged.
#[derive(Clone, Debug)]
pub struct AttentionFusionPartitioner<'a> {
    /// The rules.
    pub rules: RuleTable,
    /// In the default profile, merge only what is faster merged on this device; without one, merge all.
    pub device: Option<&'a Device>,
}

impl Default for AttentionFusionPartitioner<'_> {
    fn default() -> Self {
        Self { rules: RuleTable::attention(), device: None }
    }
}

impl Partitioner for AttentionFusionPartitioner<'_> {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn partition(&self, analysis: &Analysis, profile: Profile) -> Result<Plan, CertificateError> {
        let flow = Dataflow::new(analysis, profile);
        let (chain_of, count) = grow_chains(analysis, &flow, profile, &self.rules);
        let unmerged = attach(analysis, profile, chain_of.clone(), count);
        let merges = find_merges(analysis, profile, self.device, &chain_of, &unmerged);
        let (chain_of, count) = apply_merges(chain_of, count, &merges.taken);
        let groups = attach(analysis, profile, chain_of, count);
        Plan::new(self.name(), profile, analysis, &flow, groups, count as usize, merges)
    }
}
