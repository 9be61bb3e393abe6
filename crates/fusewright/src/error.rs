//! Everything that can go wrong, what to do about it, and the exit code that says so.

use std::io;

use fusewright_ir::VerifyError;
use fusewright_pattern::DecomposeError;
use fusewright_plan::CertificateError;
use fusewright_torch::fx::FxError;

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
    #[error("`{path}` is a folder, expected a model file")]
    Folder {
        /// The folder.
        path: String,
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
    #[error("`{path}` is {format}; this version reads FX JSON only")]
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
    /// The exit code that the command line gives: 2 for a wrong request, 3 for a model that cannot be read, 70 for a
    /// bug of fusewright.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Fx { problem, .. } if asks_for_other_dims(problem) => 2,
            Error::UnknownModel { .. }
            | Error::Unreadable { .. }
            | Error::Folder { .. }
            | Error::BadGzip { .. }
            | Error::TooLarge { .. }
            | Error::UnsupportedFormat { .. }
            | Error::Fx { .. }
            | Error::InvalidGraph { .. }
            | Error::Decompose { .. } => 3,
            Error::BrokenStage { .. } | Error::Certificate { .. } => 70,
        }
    }

    /// What to do about it, where there is something.
    pub fn help(&self) -> Option<String> {
        match self {
            Error::UnknownModel { similar, .. } => Some(match similar.as_slice() {
                [] => "`fusewright models list` shows the built-in models".to_owned(),
                [first, rest @ ..] => {
                    let others = rest.iter().fold(String::new(), |text, name| text + " or `" + name + "`");
                    format!("did you mean `{first}`{others}?")
                }
            }),
            Error::UnsupportedFormat { .. } => Some(format!(
                "export the model from PyTorch: {}",
                export_command("package.module:build", "1x3x224x224")
            )),
            Error::Fx { problem: FxError::UnknownBinding { known, .. }, exporter, .. } if known.is_empty() => {
                let command = export_command(exporter.unwrap_or("package.module:build"), "batch=8x3x224x224");
                Some(format!("export it with sizes that stay open: {command}"))
            }
            Error::Fx { problem: FxError::UnknownBinding { known, .. }, .. } => {
                let flags: Vec<String> = known.iter().map(|name| format!("--dim {name}=N")).collect();
                Some(format!("give {}", flags.join(" or ")))
            }
            Error::Fx { problem: FxError::UnboundSymbol { symbol }, .. } => Some(format!("give --dim {symbol}=N")),
            Error::Fx { problem: FxError::NotJson { .. } | FxError::WrongFormat { .. }, .. } => {
                Some(format!("FX JSON is written by {}", export_command("package.module:build", "1x3x224x224")))
            }
            _ => None,
        }
    }
}

/// The request is at fault, not the file.
fn asks_for_other_dims(problem: &FxError) -> bool {
    matches!(problem, FxError::UnknownBinding { .. } | FxError::UnboundSymbol { .. } | FxError::SymbolOutOfRange { .. })
}

fn export_command(model: &str, input: &str) -> String {
    format!("python3 python/fusewright/fx.py {model} -o model.fx.json.gz --input {input}")
}
