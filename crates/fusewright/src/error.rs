//! Everything that can go wrong, what to do about it, and the exit code that says so.

use std::io;

use fusewright_device::DeviceError;
use fusewright_exec::ExecError;
use fusewright_hf::HfError;
use fusewright_ir::VerifyError;
use fusewright_onnx::OnnxError;
use fusewright_pattern::{AutocastError, DecomposeError, PatternError};
use fusewright_plan::CertificateError;
use fusewright_report::LockError;
use fusewright_rewrite::RewriteError;
use fusewright_torch::fx::FxError;
use fusewright_torch::pt2::Pt2Error;

use crate::KernelTableError;

/// Why a model could not be opened or planned. The message names the file and the place in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither a file nor a built-in model has this name.
    #[error("no file and no built-in model is called `{name}`")]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// Built-in models with a similar name.
        similar: Vec<&'static str>,
    },
    /// No built-in device has this name.
    #[error("no built-in device is called `{name}`")]
    UnknownDevice {
        /// What was asked for.
        name: String,
        /// Built-in devices with a similar name.
        similar: Vec<&'static str>,
    },
    /// A device file is wrong.
    #[error("{problem}")]
    Device {
        /// What is wrong, and where in which file.
        #[source]
        problem: DeviceError,
    },
    /// No rule has this id.
    #[error("no pattern is called `{name}`")]
    UnknownPattern {
        /// What was asked for.
        name: String,
        /// Rules with a similar id.
        similar: Vec<String>,
    },
    /// A pattern file is wrong.
    #[error("{problem}")]
    Pattern {
        /// What is wrong, and where in which file.
        #[source]
        problem: PatternError,
    },
    /// A table of kernels is wrong.
    #[error("`{path}`: {problem}")]
    KernelTable {
        /// The file.
        path: String,
        /// What is wrong, and where.
        #[source]
        problem: KernelTableError,
    },
    /// The model has no node of this name.
    #[error("no node is called `{name}`")]
    UnknownNode {
        /// What was asked for.
        name: String,
        /// Nodes with a similar name.
        similar: Vec<String>,
    },
    /// No rule, reason or pattern has this id.
    #[error("no rule and no reason has the id `{id}`")]
    UnknownRule {
        /// What was asked for.
        id: String,
        /// Ids that are similar.
        similar: Vec<String>,
    },
    /// Nothing was planned, so there is nothing to explain.
    #[error("no strategy was asked for")]
    NoStrategy,
    /// Only ONNX files are written.
    #[error("`{path}` is {format}; {what} reads and writes ONNX files")]
    NotOnnx {
        /// What was asked for.
        path: String,
        /// What it is, in words.
        format: &'static str,
        /// What was to write it: `optimize`, or the option that does.
        what: &'static str,
    },
    /// A model that cannot be rewritten.
    #[error("`{path}`: {problem}")]
    Rewrite {
        /// The file.
        path: String,
        /// What is wrong, and where.
        #[source]
        problem: RewriteError,
    },
    /// The written model, or its data, would take the place of a file.
    #[error("the output `{path}` exists already")]
    Exists {
        /// The file.
        path: String,
    },
    /// A file that cannot be written.
    #[error("cannot write `{path}`: {problem}")]
    Unwritable {
        /// The file.
        path: String,
        /// What the system says.
        #[source]
        problem: io::Error,
    },
    /// A lock file is wrong.
    #[error("`{path}`: {problem}")]
    Lock {
        /// The file.
        path: String,
        /// What is wrong, and where.
        #[source]
        problem: LockError,
    },
    /// The file is there but cannot be read.
    #[error("cannot read `{path}`: {problem}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        #[source]
        problem: io::Error,
    },
    /// The path leads to a folder.
    #[error("`{path}` is a folder, expected {expected}")]
    Folder {
        /// The folder.
        path: String,
        /// What should be there.
        expected: &'static str,
    },
    /// The compressed data are damaged or cut off.
    #[error("`{path}` cannot be decompressed: {problem}; expected a whole gzip file")]
    BadGzip {
        /// The file.
        path: String,
        /// What the decompressor says.
        #[source]
        problem: io::Error,
    },
    /// More data than a graph can have.
    #[error("`{path}` holds more than {limit} bytes of text; no graph without weights is that large")]
    TooLarge {
        /// The file.
        path: String,
        /// How many bytes are read at most.
        limit: u64,
    },
    /// A format that this version does not read.
    #[error("`{path}` is {format}; expected a .pt2, ONNX, config.json or FX JSON file")]
    UnsupportedFormat {
        /// The file.
        path: String,
        /// What it is.
        format: &'static str,
    },
    /// The FX JSON is wrong.
    #[error("`{path}`: {problem}")]
    Fx {
        /// The file or built-in model.
        path: String,
        /// What is wrong, and where.
        #[source]
        problem: FxError,
        /// What the exporter makes the model from, where that is known.
        exporter: Option<&'static str>,
    },
    /// The `.pt2` archive is wrong.
    #[error("`{path}`: {problem}")]
    Pt2 {
        /// The file.
        path: String,
        /// What is wrong, and where.
        #[source]
        problem: Pt2Error,
    },
    /// The ONNX model is wrong.
    #[error("`{path}`: {problem}")]
    Onnx {
        /// The file.
        path: String,
        /// What is wrong, and where.
        #[source]
        problem: OnnxError,
    },
    /// The `config.json` is wrong, or describes a model that is not known.
    #[error("`{path}`: {problem}")]
    Config {
        /// The file or built-in model.
        path: String,
        /// What is wrong, and where.
        #[source]
        problem: HfError,
    },
    /// A phase was asked of a model whose file states the pass already.
    #[error("`{path}` is one fixed pass; a phase can be chosen for a config.json only")]
    FixedPhase {
        /// The file or built-in model.
        path: String,
    },
    /// A model's weights lie outside its folder.
    #[error(
        "`{path}` keeps weights in `{name}`, a link that leaves the folder of the model; expected a file inside it"
    )]
    OutsideFolder {
        /// The model.
        path: String,
        /// The name that the model gives.
        name: String,
    },
    /// A graph that was given is not one that can be planned.
    #[error("`{path}`: {problem}")]
    InvalidGraph {
        /// Where the graph comes from.
        path: String,
        /// What is wrong.
        #[source]
        problem: VerifyError,
    },
    /// An attention layer that cannot be opened, for example because its scores would be larger than any tensor.
    #[error("`{path}`: {problem}")]
    Decompose {
        /// The file or built-in model.
        path: String,
        /// Which layer, and why.
        #[source]
        problem: DecomposeError,
    },
    /// A node that does not accept the element types that autocast gives it.
    #[error("`{path}`: {problem}")]
    Autocast {
        /// The file or built-in model.
        path: String,
        /// Which node, and why.
        #[source]
        problem: AutocastError,
    },
    /// The model cannot be run, or not be compared with another.
    #[error("`{path}`: {problem}")]
    Execute {
        /// The file or built-in model.
        path: String,
        /// Which node, weight or input, and why.
        #[source]
        problem: ExecError,
    },
    /// Inputs or outputs of a run cannot be read or written.
    #[error("`{path}`: {problem}")]
    Inputs {
        /// The model that they are for.
        path: String,
        /// What is wrong with them.
        problem: String,
    },
    /// A bug: a stage made a graph that breaks an invariant.
    #[error("the graph is broken after the stage `{stage}`: {problem}")]
    BrokenStage {
        /// The stage.
        stage: &'static str,
        /// The broken invariant.
        #[source]
        problem: VerifyError,
    },
    /// A bug: a partitioner made a plan that fails its certificate.
    #[error("the {strategy} plan fails its certificate: {problem}")]
    Certificate {
        /// The partitioner.
        strategy: &'static str,
        /// The check that failed.
        #[source]
        problem: CertificateError,
    },
}

impl Error {
    /// The exit code that the command line gives: 2 for a wrong request, 3 for a model that cannot be read or run, 5 for two
    /// that cannot be compared, 70 for a
    /// bug of fusewright.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::FixedPhase { .. }
            | Error::UnknownDevice { .. }
            | Error::UnknownPattern { .. }
            | Error::UnknownNode { .. }
            | Error::UnknownRule { .. }
            | Error::NotOnnx { .. }
            | Error::Exists { .. }
            | Error::Unwritable { .. }
            | Error::Rewrite { problem: RewriteError::Version { .. }, .. }
            | Error::Inputs { .. }
            | Error::Execute { problem: ExecError::Input { .. }, .. }
            | Error::NoStrategy => 2,
            Error::Rewrite { problem: RewriteError::Broken(_), .. } => 70,
            error if error.asks_for_other_dims() => 2,
            Error::Execute { problem: ExecError::Unrelated { .. }, .. } => 5,
            Error::UnknownModel { .. }
            | Error::Execute { .. }
            | Error::Device { .. }
            | Error::Pattern { .. }
            | Error::KernelTable { .. }
            | Error::Lock { .. }
            | Error::Unreadable { .. }
            | Error::Folder { .. }
            | Error::BadGzip { .. }
            | Error::TooLarge { .. }
            | Error::UnsupportedFormat { .. }
            | Error::Fx { .. }
            | Error::Pt2 { .. }
            | Error::Onnx { .. }
            | Error::Rewrite { .. }
            | Error::Config { .. }
            | Error::OutsideFolder { .. }
            | Error::InvalidGraph { .. }
            | Error::Decompose { .. }
            | Error::Autocast { .. } => 3,
            Error::BrokenStage { .. } | Error::Certificate { .. } => 70,
        }
    }

    /// What to do about it, where there is something.
    pub fn help(&self) -> Option<String> {
        match self {
            Error::UnknownModel { similar, .. } => {
                Some(did_you_mean(similar).unwrap_or("`fusewright models list` shows the built-in models".to_owned()))
            }
            Error::UnknownDevice { similar, .. } => Some(did_you_mean(similar).unwrap_or(
                "`fusewright hw list` shows the built-in devices; a file of your own is given as a path, e.g. ./my.toml"
                    .to_owned(),
            )),
            Error::UnknownNode { similar, .. } => {
                let similar: Vec<&str> = similar.iter().map(String::as_str).collect();
                Some(did_you_mean(&similar).unwrap_or("`fusewright dump MODEL --decompose` lists all nodes".to_owned()))
            }
            Error::UnknownRule { similar, .. } => {
                let similar: Vec<&str> = similar.iter().map(String::as_str).collect();
                let all = "`fusewright explain MODEL` shows ids, `fusewright patterns list` those of patterns";
                Some(did_you_mean(&similar).unwrap_or(all.to_owned()))
            }
            Error::Lock { .. } => Some("`fusewright check --update` writes it anew; docs/ci.md says what it holds".to_owned()),
            Error::UnknownPattern { similar, .. } => {
                let similar: Vec<&str> = similar.iter().map(String::as_str).collect();
                Some(did_you_mean(&similar).unwrap_or("`fusewright patterns list` shows all".to_owned()))
            }
            Error::NotOnnx { what, .. } if *what != "optimize" => {
                Some("`torch.onnx.export` writes an ONNX file".to_owned())
            }
            Error::NotOnnx { .. } => Some(
                "`fusewright.torch.optimize` in Python does the same to live PyTorch modules; `torch.onnx.export` writes \
                 an ONNX file"
                    .to_owned(),
            ),
            Error::Exists { .. } => Some("--force replaces it".to_owned()),
            Error::Pattern { .. } => Some("docs/patterns.md says what a pattern file looks like".to_owned()),
            Error::KernelTable { .. } => Some("`fusewright hw predict --help` lists the columns".to_owned()),
            Error::Device { .. } => Some(
                "docs/devices.md says what a device file looks like; `fusewright hw check FILE` lists all problems"
                    .to_owned(),
            ),
            Error::UnsupportedFormat { .. } => Some(format!(
                "export the model from PyTorch: {}",
                export_command("package.module:build", "1x3x224x224")
            )),
            Error::Fx { problem: FxError::UnknownBinding { known, .. }, exporter, .. } if known.is_empty() => {
                let command = export_command(exporter.unwrap_or("package.module:build"), "batch=8x3x224x224");
                Some(format!("export it with sizes that stay open: {command}"))
            }
            Error::Fx { problem: FxError::UnknownBinding { known, .. }, .. }
            | Error::Pt2 { problem: Pt2Error::UnknownBinding { known, .. }, .. }
            | Error::Config { problem: HfError::UnknownBinding { known, .. }, .. }
                if !known.is_empty() =>
            {
                let flags: Vec<String> = known.iter().map(|name| format!("--dim {name}=N")).collect();
                Some(format!("give {}", flags.join(" or ")))
            }
            Error::FixedPhase { .. } => Some("export the pass that is wanted, or plan the config.json".to_owned()),
            Error::Fx { problem: FxError::UnboundSymbol { symbol }, .. } => Some(format!("give --dim {symbol}=N")),
            Error::Fx { problem: FxError::NotJson { .. } | FxError::WrongFormat { .. }, .. } => {
                Some(format!("FX JSON is written by {}", export_command("package.module:build", "1x3x224x224")))
            }
            _ => None,
        }
    }

    /// The request is at fault, not the file: it gives a dim that is not there, or a size that the dim cannot have.
    fn asks_for_other_dims(&self) -> bool {
        match self {
            Error::Fx { problem, .. } | Error::Pt2 { problem: Pt2Error::Graph(problem), .. } => matches!(
                problem,
                FxError::UnknownBinding { .. } | FxError::UnboundSymbol { .. } | FxError::SymbolOutOfRange { .. }
            ),
            Error::Pt2 { problem, .. } => {
                matches!(problem, Pt2Error::UnknownBinding { .. } | Pt2Error::Contradiction { .. })
            }
            Error::Onnx { problem, .. } => matches!(
                problem,
                OnnxError::UnknownDim { .. } | OnnxError::DimConflict { .. } | OnnxError::DimRange { .. }
            ),
            Error::Config { problem, .. } => {
                matches!(problem, HfError::UnknownBinding { .. } | HfError::BadBinding { .. })
            }
            _ => false,
        }
    }
}

fn did_you_mean(similar: &[&str]) -> Option<String> {
    let (first, rest) = similar.split_first()?;
    let others = rest.iter().fold(String::new(), |text, name| text + " or `" + name + "`");
    Some(format!("did you mean `{first}`{others}?"))
}

fn export_command(model: &str, input: &str) -> String {
    format!("python3 python/fusewright/fx.py {model} -o model.fx.json.gz --input {input}")
}
