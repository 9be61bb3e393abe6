//! What the lock file keeps of one model. Fields are in the order of their names, as they are written.

use std::collections::BTreeMap;

use fusewright_cost::GroupCost;
use fusewright_device::Device;
use fusewright_ir::{StructureHash, total_work};
use fusewright_plan::{Plan, Timing};
use serde::{Deserialize, Serialize};

use crate::fusions::Fusions;
use crate::hardware::device_json;
use crate::model::Subject;
use crate::places::Places;

/// A model, the options that it is planned with, and its plans.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LockEntry {
    /// The device that times are predicted for; absent without `--hw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<LockDevice>,
    /// The model.
    pub model: LockModel,
    /// The options.
    pub settings: LockSettings,
    /// The plans by name of the strategy.
    pub strategies: BTreeMap<String, LockStrategy>,
    /// Version of fusewright that planned.
    pub tool_version: String,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LockDevice {
    /// Hash of every number of its description.
    pub hash: String,
    /// Its id.
    pub id: String,
    /// Revision of its description.
    pub revision: u32,
}

impl LockDevice {
    fn of(device: &Device) -> Self {
        let hash = fusewright_ir::text_hash(&device_json(device));
        Self { hash, id: device.id.clone(), revision: device.revision }
    }
}

/// A model as its plans see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LockModel {
    /// Attentions in it.
    pub attentions: u64,
    /// FLOPs of contractions, 2 per multiply-accumulate.
    pub contraction_flops: u64,
    /// Hash of its structure: ops, attributes, shapes and dtypes; no names, no weights.
    pub hash: String,
    /// Nodes with attention layers opened.
    pub nodes: u64,
}

impl LockModel {
    fn of(subject: &Subject) -> Self {
        let analysis = subject.analysis;
        Self {
            attentions: analysis.attentions.sites.len() as u64,
            contraction_flops: total_work(analysis.graph).contraction_flops(),
            hash: StructureHash::of(analysis.graph).to_string(),
            nodes: analysis.graph.node_count() as u64,
        }
    }
}

/// The options that a model is planned with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LockSettings {
    /// Element type of mixed precision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autocast: Option<String>,
    /// Sizes of named dims.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dims: BTreeMap<String, u64>,
    /// Element type of all floating-point tensors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// Norms run in the type of mixed precision too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fast_norms: bool,
    /// The device: the id of a built-in one, or a file beside the lock file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hw: Option<String>,
    /// Where the model is: a path from the folder of the lock file with `/` between its parts, or a built-in name.
    pub model: String,
    /// `prefill` or `decode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// How the graph is looked at.
    pub profile: String,
}

impl LockSettings {
    /// What follows `fusewright check` to plan this again: the model, then options in a fixed order.
    pub fn command(&self) -> String {
        let quoted = |text: &str| {
            let plain = |c: char| c.is_alphanumeric() || "._-/+=:@,".contains(c);
            if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("{text:?}") }
        };
        let mut words = vec![quoted(&self.model)];
        let mut option = |name: &str, value: Option<&String>| {
            words.extend(value.map(|value| format!("{name} {}", quoted(value))));
        };
        option("--dtype", self.dtype.as_ref());
        option("--autocast", self.autocast.as_ref());
        option("--phase", self.phase.as_ref());
        option("--hw", self.hw.as_ref());
        option("--profile", Some(&self.profile).filter(|profile| *profile != "default"));
        if self.fast_norms {
            words.push("--fast-norms".to_owned());
        }
        words.extend(self.dims.iter().map(|(name, size)| format!("--dim {}", quoted(&format!("{name}={size}")))));
        words.join(" ")
    }
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LockStrategy {
    /// Attentions whose steps are all in one group.
    pub attention_chains: u64,
    /// Bytes of values that stay inside a kernel.
    pub bytes_internal: u64,
    /// Bytes read by kernels.
    pub bytes_read: u64,
    /// Bytes written by kernels.
    pub bytes_written: u64,
    /// Kernels that the device takes; absent without `--hw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_kernels: Option<u64>,
    /// Predicted energy, mJ; absent without `--hw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_mj: Option<f64>,
    /// Groups of several nodes by pattern and module path; `{0-11}` stands for the numbers 0 to 11.
    pub fused: BTreeMap<String, Places>,
    /// Groups in the count.
    pub groups: u64,
    /// Launches.
    pub kernels: u64,
    /// Predicted time, µs; absent without `--hw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<f64>,
    /// Sets of parallel projections that became one kernel.
    pub parallel_merges: u64,
    /// Most bytes of activations alive at once.
    pub peak_memory_bytes: u64,
    /// Kernels of one node by op.
    pub single: BTreeMap<String, u64>,
}

impl LockStrategy {
    fn of(subject: &Subject, plan: &Plan, timing: Option<&Timing>) -> Self {
        let Fusions { fused, single } = Fusions::of(subject.analysis, plan).folded();
        let GroupCost { read, written, internal, kernels, .. } = plan.total;
        Self {
            attention_chains: plan.attention_chains as u64,
            bytes_internal: internal,
            bytes_read: read,
            bytes_written: written,
            device_kernels: timing.map(|timing| u64::from(timing.total.kernels)),
            energy_mj: timing.map(|timing| rounded(timing.energy.total())),
            fused,
            groups: plan.counted as u64,
            kernels: u64::from(kernels),
            latency_us: timing.map(|timing| rounded(timing.total.us)),
            parallel_merges: plan.merges.len() as u64,
            peak_memory_bytes: plan.peak_memory,
            single,
        }
    }

    /// Bytes read and written.
    pub fn moved(&self) -> u64 {
        self.bytes_read.saturating_add(self.bytes_written)
    }
}

/// Six significant digits: the last bits of a sum of predictions are nobody's business and make noise in diffs.
fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

impl LockEntry {
    /// What is kept of these plans; timings are those of the plans, in their order, or none.
    pub fn of(
        subject: &Subject,
        settings: LockSettings,
        device: Option<&Device>,
        plans: &[(&Plan, Option<&Timing>)],
    ) -> Self {
        let strategy = |&(plan, timing): &(&Plan, Option<&Timing>)| {
            (plan.strategy.to_owned(), LockStrategy::of(subject, plan, timing))
        };
        Self {
            device: device.map(LockDevice::of),
            model: LockModel::of(subject),
            settings,
            strategies: plans.iter().map(strategy).collect(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_entry_is_a_command() {
        let mut settings = LockSettings {
            model: "exports/my model.onnx".to_owned(),
            profile: "default".to_owned(),
            hw: Some("h100-sxm".to_owned()),
            ..LockSettings::default()
        };
        settings.dims.extend([("seq".to_owned(), 128), ("batch".to_owned(), 8)]);
        assert_eq!(settings.command(), "\"exports/my model.onnx\" --hw h100-sxm --dim batch=8 --dim seq=128");
    }

    #[test]
    fn predictions_are_kept_to_six_digits() {
        assert!((rounded(1_234.567_89) - 1_234.57).abs() < 1e-9);
        assert_eq!(rounded(0.0).to_bits(), 0.0_f64.to_bits());
    }
}
