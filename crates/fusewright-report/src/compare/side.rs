//! One column of a comparison.

use fusewright_cost::{floor_bytes, floor_us};
use fusewright_device::Device;
use fusewright_ir::{NodeId, StructureHash, total_work};
use fusewright_pattern::AttentionSite;
use fusewright_plan::{Analysis, Plan, Timing};
use serde::Serialize;

use crate::model::{Flops, ModelReport, Range, Subject};
use crate::strategy::{BytesReport, CertificateReport};

/// A plan that is compared.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// The model.
    pub subject: Subject<'a>,
    /// Its plan.
    pub plan: &'a Plan,
    /// The device with the plan's time on it.
    pub timed: Option<(&'a Device, &'a Timing)>,
}

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Count {
    /// Those that are.
    pub done: u64,
    /// Those that could be.
    pub of: u64,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SideReport {
    /// Name of the model.
    pub model: String,
    /// Where it was read from.
    pub source: String,
    /// Hash of its structure: ops, attributes, shapes and dtypes; no names, no weights.
    pub hash: String,
    /// Nodes with attention layers opened.
    pub nodes: u64,
    /// Elements of all trained tensors.
    pub parameters: u64,
    /// Arithmetic.
    pub flops: Flops,
    /// The partitioner.
    pub strategy: String,
    /// Id of the device; `null` without `--hw`.
    pub device: Option<String>,
    /// Groups.
    pub groups: u64,
    /// Launches.
    pub kernels: u64,
    /// Launches that the groups take on the device; `null` without `--hw`.
    pub device_kernels: Option<u64>,
    /// Attentions that are one kernel, of all that were found.
    pub attention_fused: Count,
    /// Attentions whose projections of one input are one product, of those with several.
    pub projections_merged: Count,
    /// Sets of parallel projections that the plan merged.
    pub parallel_merges: u64,
    /// Bytes moved and kept.
    pub bytes: BytesReport,
    /// Most bytes of activations alive at once.
    pub peak_memory_bytes: u64,
    /// Predicted time; `null` without `--hw`.
    pub latency_us: Option<Range>,
    /// Predicted energy; `null` without `--hw`.
    pub energy_mj: Option<f64>,
    /// Bytes that no plan of this model moves less than.
    pub floor_bytes: u64,
    /// Time that no plan of this model takes less than; `null` without `--hw`.
    pub floor_us: Option<f64>,
    /// What was checked of the plan.
    pub certificate: CertificateReport,
}

impl SideReport {
    pub(super) fn of(compared: &Compared) -> Self {
        let Compared { subject, plan, timed } = compared;
        let analysis = subject.analysis;
        let model = ModelReport::of(subject);
        Self {
            model: model.name,
            source: model.source,
            hash: StructureHash::of(analysis.graph).to_string(),
            nodes: model.nodes,
            parameters: model.parameters,
            flops: Flops::from(total_work(analysis.graph)),
            strategy: plan.strategy.to_owned(),
            device: timed.map(|(device, _)| device.id.clone()),
            groups: plan.counted as u64,
            kernels: u64::from(plan.total.kernels),
            device_kernels: timed.map(|(_, timing)| u64::from(timing.total.kernels)),
            attention_fused: fused(analysis, plan),
            projections_merged: merged(analysis, plan),
            parallel_merges: plan.merges.len() as u64,
            bytes: BytesReport::from(&plan.total),
            peak_memory_bytes: plan.peak_memory,
            latency_us: timed.map(|(_, timing)| Range::of(&timing.total)),
            energy_mj: timed.map(|(_, timing)| timing.energy.total()),
            floor_bytes: floor_bytes(analysis.graph, &analysis.storage),
            floor_us: timed.map(|(device, _)| floor_us(analysis.graph, &analysis.storage, device)),
            certificate: CertificateReport::of(plan),
        }
    }
}

/// All of these nodes are in one group.
pub(super) fn together(plan: &Plan, nodes: &[NodeId]) -> bool {
    nodes.windows(2).all(|pair| plan.groups.of(pair[0]) == plan.groups.of(pair[1]))
}

fn fused(analysis: &Analysis, plan: &Plan) -> Count {
    let sites = &analysis.attentions.sites;
    let done = sites.iter().filter(|site| together(plan, &site.chain)).count() as u64;
    Count { done, of: sites.len() as u64 }
}

fn merged(analysis: &Analysis, plan: &Plan) -> Count {
    let mut count = Count::default();
    for site in &analysis.attentions.sites {
        let several = projections(analysis, site);
        if site.is_packed() || several.len() > 1 {
            count.of += 1;
            count.done += u64::from(site.is_packed() || together(plan, &several));
        }
    }
    count
}

/// The projections of an attention that read one input, each once: of query, key and value, or of key and value.
fn projections(analysis: &Analysis, site: &AttentionSite) -> Vec<NodeId> {
    let graph = analysis.graph;
    let input = |id: NodeId| graph.node(id).inputs.first().map(|&value| analysis.storage.root(value));
    let [_, key, value] = site.projections;
    let shared = value.or(key).and_then(input);
    let mut several: Vec<NodeId> =
        site.projections.into_iter().flatten().filter(|&id| shared.is_some() && input(id) == shared).collect();
    several.sort_unstable();
    several.dedup();
    several
}
