//! Rewriting a model file.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;

use fusewright_device::Device;
use fusewright_report::{AttentionsFused, BeforeAfter, ChangeMade, ChangeSkipped, OptimizeReport};
use fusewright_rewrite::{Options, Packing, Rewrite, Rewritten, Target};

use crate::load::Content;
use crate::{Error, PlanOptions, Session, Strategy, load, model_output};

/// How a model is rewritten.
#[derive(Clone, Debug)]
pub struct OptimizeOptions {
    /// Which operators it may use.
    pub target: Target,
    /// The version of the standard operators that it is brought to; that of the model where absent.
    pub opset: Option<i64>,
    /// Projections that read one tensor become one product.
    pub pack: bool,
    /// Without `pack`, those become one product that are predicted to be faster so on this device, at the sizes that
    /// the model has or that are assumed for it.
    pub device: Option<Device>,
}

/// A rewritten model, not written yet.
#[derive(Clone, Debug)]
pub struct Optimized {
    rewritten: Rewritten,
    source: String,
    target: Target,
}

/// Rewrites an ONNX file.
///
/// ```
/// use fusewright::{OptimizeOptions, Target, optimize};
///
/// let options = OptimizeOptions { target: Target::Ort, opset: None, pack: false, device: None };
/// let refused = optimize("vit_b_16", options).unwrap_err();
/// assert!(refused.to_string().contains("optimize reads and writes ONNX files"));
/// ```
pub fn optimize(model: impl AsRef<OsStr>, options: OptimizeOptions) -> Result<Optimized, Error> {
    let content = load::find(model.as_ref())?;
    let OptimizeOptions { target, opset, pack, device } = options;
    let paying = match device {
        Some(device) if !pack => Some(paying(&content, device)?),
        _ => None,
    };
    let pack = match &paying {
        _ if pack => Packing::Always,
        Some(names) => Packing::These(names),
        None => Packing::Never,
    };
    let rewritten = load::rewrite(&content, &Options { target, opset, pack })?;
    Ok(Optimized { rewritten, source: content.source, target })
}

/// The results of the projections that a plan for the device merges.
fn paying(content: &Content, device: Device) -> Result<BTreeSet<String>, Error> {
    let model = Session::new().open(content)?;
    let options = PlanOptions { strategies: vec![Strategy::Attention], device: Some(device), ..PlanOptions::default() };
    let plans = model.plan(&options)?;
    let graph = model.decomposed();
    let members = plans.plan(Strategy::Attention).into_iter().flat_map(|plan| &plan.merges);
    let outputs = members.flat_map(|merge| &merge.members).flat_map(|&id| &graph.node(id).outputs);
    Ok(outputs.map(|&value| graph.value_name(value).to_owned()).collect())
}

impl Optimized {
    /// What was changed. `output` is the file that was written, if one was.
    pub fn report(&self, output: Option<&Path>) -> OptimizeReport {
        let report = self.rewritten.report();
        let (before, after) = report.nodes();
        let mut operators: BTreeMap<String, BeforeAfter> = BTreeMap::new();
        for (name, &before) in &report.before {
            operators.insert(name.clone(), BeforeAfter { before, after: 0 });
        }
        for (name, &after) in &report.after {
            operators.entry(name.clone()).or_insert(BeforeAfter { before: 0, after: 0 }).after = after;
        }
        OptimizeReport {
            schema_version: OptimizeReport::SCHEMA_VERSION,
            model: self.source.clone(),
            output: output.map(|path| path.display().to_string()),
            target: self.target.name().to_owned(),
            opset: self.rewritten.opset(),
            nodes: BeforeAfter { before, after },
            attention: AttentionsFused {
                found: report.attentions,
                already: report.whole,
                fused: report.count(Rewrite::Attention),
            },
            changes: report
                .changes
                .iter()
                .map(|change| ChangeMade {
                    rewrite: change.rewrite.name().to_owned(),
                    module: change.module.clone(),
                    operator: change.op.clone(),
                    nodes: change.nodes,
                })
                .collect(),
            skipped: report
                .skips
                .iter()
                .map(|skip| ChangeSkipped {
                    rewrite: skip.rewrite.name().to_owned(),
                    module: skip.module.clone(),
                    reason: skip.reason.clone(),
                })
                .collect(),
            operators,
            notes: report.notes.clone(),
        }
    }

    /// Whether a file of this name, or the file of its data, is there already.
    pub fn check_output(&self, path: &Path, force: bool) -> Result<(), Error> {
        model_output::check(&self.rewritten, path, force)
    }

    /// Writes the model, and beside it `NAME.data` where its weights need a file of their own. Both are written under
    /// other names in the same folder and get their own when they are whole; a failure leaves nothing behind.
    pub fn write(&self, path: &Path, force: bool) -> Result<(), Error> {
        model_output::write(&self.rewritten, path, force)
    }

    /// Takes away what was written under this name.
    pub fn remove(&self, path: &Path) {
        model_output::remove(&self.rewritten, path);
    }
}
