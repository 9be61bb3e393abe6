//! What `fusewright verify` accepts.

use std::ffi::OsString;

use clap::Args;

use super::{ListFormat, ModelOptions, OutputArguments};

const EXAMPLES: &str = "\
Examples:
  fusewright verify bert.onnx bert-fused.onnx
  fusewright verify model.pt2 model.onnx --batch 2 --also batch=1,seq=7
  fusewright verify bert-base ./my-bert/config.json --seeds 1
Exit codes: 0 the same function, 1 not, 2 wrong usage, 3 a model cannot be
read or run, 5 nothing in the two corresponds.";

#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct VerifyArguments {
    /// A model, as for plan.
    #[arg(value_name = "A")]
    pub(crate) first: OsString,

    /// The model that should compute the same.
    #[arg(value_name = "B")]
    pub(crate) second: OsString,

    /// How many seeds to make inputs from.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) seeds: u64,

    /// Largest relative difference; 0 asks for the same bits [default: by type, 1e-4 for f32].
    #[arg(long, value_name = "X")]
    pub(crate) tolerance: Option<f64>,

    /// Another binding of dims to compare with; may be repeated.
    #[arg(long, value_name = "NAME=N,...")]
    pub(crate) also: Vec<String>,

    /// How to print it.
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    pub(crate) format: ListFormat,

    #[command(flatten)]
    pub(crate) output: OutputArguments,

    #[command(flatten)]
    pub(crate) options: ModelOptions,
}
