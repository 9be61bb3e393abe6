//! Rewriting a model file, and writing it so that it appears whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use fusewright_device::Device;
use fusewright_report::{AttentionsFused, BeforeAfter, ChangeMade, ChangeSkipped, OptimizeReport};
use fusewright_rewrite::{Options, Packing, Rewrite, Rewritten, Target};

use crate::load::Content;
use crate::{Error, PlanOptions, Session, Strategy, load};

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
        let mut files = vec![path.to_owned()];
        if self.rewritten.needs_data_file() {
            files.push(data_file(path));
        }
        for file in files {
            let path = file.display().to_string();
            match fs::metadata(&file) {
                Ok(about) if about.is_dir() => return Err(Error::Folder { path, expected: "a file to write" }),
                Ok(about) if about.is_file() && !force => return Err(Error::Exists { path }),
                Ok(about) if !about.is_file() => {
                    let problem = io::Error::other("it is no regular file, and a model is written as a whole");
                    return Err(Error::Unwritable { path, problem });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes the model, and beside it `NAME.data` where its weights need a file of their own. Both are written under
    /// other names in the same folder and get their own when they are whole; a failure leaves nothing behind.
    pub fn write(&self, path: &Path, force: bool) -> Result<(), Error> {
        self.check_output(path, force)?;
        let failed = |problem: io::Error| Error::Unwritable { path: path.display().to_string(), problem };
        // Through a link the file behind it is replaced, not the link.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut model = Temporary::beside(&target).map_err(failed)?;
        if !self.rewritten.needs_data_file() {
            self.rewritten.write(&mut model.file, None).and_then(|()| model.keep()).map_err(failed)?;
            return Ok(());
        }
        let data_path = data_file(&target);
        let name = data_path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut data = Temporary::beside(&data_path).map_err(failed)?;
        let written = self.rewritten.write(&mut model.file, Some((&name, &mut data.file)));
        // A model is never there without its data.
        written.and_then(|()| model.file.flush()).and_then(|()| data.keep()).and_then(|()| model.keep()).map_err(failed)
    }

    /// Takes away what was written under this name.
    pub fn remove(&self, path: &Path) {
        let _ = fs::remove_file(path);
        if self.rewritten.needs_data_file() {
            let _ = fs::remove_file(data_file(path));
        }
    }
}

/// The file that weights go to.
fn data_file(model: &Path) -> PathBuf {
    let mut name = OsString::from(model.as_os_str());
    name.push(".data");
    name.into()
}

/// A file under a hidden name, which gets its own when it is whole and goes away when it does not become so.
struct Temporary {
    file: BufWriter<File>,
    path: PathBuf,
    target: PathBuf,
    kept: bool,
}

impl Temporary {
    fn beside(target: &Path) -> io::Result<Self> {
        let name = target.file_name().ok_or_else(|| io::Error::other("the path has no file name"))?;
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.tmp", std::process::id()));
        let path = target.with_file_name(hidden);
        let file = BufWriter::with_capacity(1 << 20, OpenOptions::new().write(true).create_new(true).open(&path)?);
        Ok(Self { file, path, target: target.to_owned(), kept: false })
    }

    fn keep(&mut self) -> io::Result<()> {
        self.file.flush()?;
        fs::rename(&self.path, &self.target)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}
