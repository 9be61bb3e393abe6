//! The partitioners by their public names.

use fusewright_device::Device;
use fusewright_plan::{
    AttentionFusionPartitioner, CompiledPartitioner, EagerPartitioner, FusionBasedPartitioner,
    OptimalFusionPartitioner, Partitioner, WrittenPartitioner,
};

/// Which partitioner makes a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strategy {
    /// One kernel per node that launches one.
    Eager,
    /// One kernel per op of the file, the fused ops of an optimized ONNX file included.
    AsWritten,
    /// Loops fused as a loop compiler does it, calls of libraries as they are.
    Compiled,
    /// Chains of neighbours, such as convolution, batch norm and activation.
    Standard,
    /// Those, and attention: its chain of products, and parallel projections as one.
    Attention,
    /// The cheapest partition into kernels that a device can run.
    Optimal,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Strategy; 6] = [
        Strategy::Eager,
        Strategy::AsWritten,
        Strategy::Compiled,
        Strategy::Standard,
        Strategy::Attention,
        Strategy::Optimal,
    ];

    /// Those that are compared unless others are asked for, from least to most fused.
    pub const DEFAULT: [Strategy; 4] = [Strategy::Eager, Strategy::Standard, Strategy::Attention, Strategy::Optimal];

    /// Public name, as given to `--strategy`.
    pub fn name(self) -> &'static str {
        match self {
            Strategy::Eager => "eager",
            Strategy::AsWritten => "as-written",
            Strategy::Compiled => "compiled",
            Strategy::Standard => "standard",
            Strategy::Attention => "attention",
            Strategy::Optimal => "optimal",
        }
    }

    /// The strategy with this public name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.name() == name)
    }

    /// What makes its plans; `device` decides which parallel projections are worth merging.
    pub(crate) fn partitioner(self, device: Option<&Device>, effort: Option<u64>) -> Box<dyn Partitioner + '_> {
        match self {
            Strategy::Eager => Box::new(EagerPartitioner),
            Strategy::AsWritten => Box::new(WrittenPartitioner),
            Strategy::Compiled => Box::new(CompiledPartitioner),
            Strategy::Standard => Box::new(FusionBasedPartitioner::default()),
            Strategy::Attention => {
                Box::new(AttentionFusionPartitioner { device, ..AttentionFusionPartitioner::default() })
            }
            Strategy::Optimal => {
                let optimal = OptimalFusionPartitioner::new(device);
                Box::new(OptimalFusionPartitioner { effort: effort.unwrap_or(optimal.effort), ..optimal })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_partitioners() {
        for strategy in Strategy::ALL {
            assert_eq!(strategy.partitioner(None, None).name(), strategy.name());
            assert_eq!(Strategy::from_name(strategy.name()), Some(strategy));
        }
        assert_eq!(Strategy::from_name("best"), None);
    }
}
