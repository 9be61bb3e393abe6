//! The published report of one model and its plans.

use fusewright_cost::floor_bytes;
use fusewright_ir::total_work;
use fusewright_plan::Plan;
use serde::Serialize;

use crate::baseline::Baseline;
use crate::group_rows::{GroupRow, group_rows};
use crate::json;
use crate::model::{AttentionReport, DeviceReport, Flops, ModelReport, Subject};
use crate::strategy::StrategyReport;
use crate::strategy::multiple;

/// Version of the JSON form. It rises when a field changes its meaning or disappears; new fields do not raise it.
pub const SCHEMA_VERSION: u32 = 1;

/// What no plan of this graph can beat.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Floor {
    /// Bytes moved by one kernel that did everything: inputs, weights and results, each once.
    pub bytes: u64,
    /// Time: the larger of FLOPs / peak and these bytes / bandwidth; `null` without `--hw`.
    pub latency_us: Option<f64>,
}

/// A node that was not read exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WarningReport {
    /// Its name.
    pub node: String,
    /// What was done with it, and why.
    pub text: String,
}

/// What `fusewright plan` says of a model. Figures are exact counts unless their field says that they are modelled.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlanReport {
    /// Version of this form: 1.
    #[cfg_attr(test, schemars(range(min = 1, max = 1)))]
    pub schema_version: u32,
    /// Version of fusewright that wrote it.
    pub tool_version: String,
    /// The model.
    pub model: ModelReport,
    /// Arithmetic of one forward pass.
    pub flops: Flops,
    /// Multiply-accumulates of contractions: half of `flops.contraction`.
    pub macs: u64,
    /// The attentions in it.
    pub attention: AttentionReport,
    /// What times are modelled for.
    pub device: DeviceReport,
    /// One entry per plan.
    pub strategies: Vec<StrategyReport>,
    /// The groups of all plans, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<GroupRow>>,
    /// What no plan can beat.
    pub floor: Floor,
    /// What is worth knowing of the model's file as a whole: weights that are missing, sizes that were assumed.
    pub notes: Vec<String>,
    /// What could not be read exactly, in the order of the nodes.
    pub warnings: Vec<WarningReport>,
}

impl PlanReport {
    /// Reports `plans`, each measured against the eager plan of the same graph and profile.
    pub fn new(subject: &Subject, eager: &Plan, plans: &[&Plan]) -> Self {
        let analysis = subject.analysis;
        let baseline = Baseline::new(analysis, eager);
        let work = total_work(analysis.graph);
        let floor = Floor { bytes: floor_bytes(analysis.graph, &analysis.storage), latency_us: None };
        let strategy = |plan: &&Plan| {
            let mut report = StrategyReport::of(analysis, plan, &baseline);
            report.above_floor.bytes = multiple(report.bytes.moved() as f64, floor.bytes as f64);
            report
        };
        Self {
            schema_version: SCHEMA_VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            model: ModelReport::of(subject),
            flops: Flops::from(work),
            macs: work.macs,
            attention: AttentionReport::of(analysis),
            device: DeviceReport::of(analysis.graph),
            strategies: plans.iter().map(strategy).collect(),
            groups: None,
            floor,
            notes: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Adds one row per group of each of `plans`.
    #[must_use]
    pub fn with_groups(mut self, subject: &Subject, plans: &[&Plan]) -> Self {
        self.groups = Some(plans.iter().flat_map(|plan| group_rows(subject.analysis, plan)).collect());
        self
    }

    /// The fastest plan on the device; without one, the plan that moves the fewest bytes, then launches the fewest
    /// kernels.
    pub fn best(&self) -> Option<&StrategyReport> {
        self.strategies.iter().min_by(|a, b| {
            let time = |strategy: &StrategyReport| strategy.latency_us.map_or(0.0, |range| range.mid);
            let counts = |strategy: &StrategyReport| (strategy.bytes.moved(), strategy.kernels);
            time(a).total_cmp(&time(b)).then_with(|| counts(a).cmp(&counts(b)))
        })
    }

    /// Attentions that the source spells out in several ops, so that there is something to fuse.
    pub fn attentions_to_fuse(&self) -> u64 {
        self.attention.found - self.attention.single_op
    }

    /// The report as JSON, indented, with a newline at the end.
    pub fn to_json(&self) -> String {
        json::indented(self)
    }
}
