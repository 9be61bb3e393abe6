//! What `fusewright compare` accepts.

use std::ffi::OsString;

use clap::{Args, ValueEnum};
use fusewright::{Profile, Strategy};

use super::{ModelOptions, OutputArguments, profile_parser, strategy_parser};

const EXAMPLES: &str = "\
Examples:
  fusewright compare old.onnx new.onnx               two versions of a model
  fusewright compare vit_b_16 --strategy standard --strategy optimal
  fusewright compare bert-base --hw a100-sxm-80 --hw h100-sxm
  fusewright compare bert.onnx bert_ort.onnx         what ONNX Runtime made of it
  fusewright compare bert_ort.onnx --hw xeon-8490h   how far that is from the best
A file with fused ops of ONNX Runtime (com.microsoft) is taken as it is written,
one kernel per op, and compared with the optimal plan.";

#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct CompareArguments {
    /// A model, as for plan.
    #[arg(value_name = "A")]
    pub(crate) first: OsString,

    /// A second model. Without it two strategies or two devices are compared, or the file as it is written with the
    /// optimal plan.
    #[arg(value_name = "B")]
    pub(crate) second: Option<OsString>,

    /// Strategy to plan with; several compare the plans of one model.
    #[arg(long, value_name = "NAME", value_parser = strategy_parser())]
    pub(crate) strategy: Vec<Strategy>,

    /// Device to predict times for; several compare one plan on each of them.
    #[arg(long, value_name = "DEVICE")]
    pub(crate) hw: Vec<OsString>,

    /// How to look at the graphs.
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = profile_parser())]
    pub(crate) profile: Profile,

    /// How to print it.
    #[arg(long, value_enum, default_value_t = CompareFormat::Text)]
    pub(crate) format: CompareFormat,

    /// Patterns to show of each kind of change; 0 for all.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 8)]
    pub(crate) top: usize,

    /// Let lines of text be as wide as their names.
    #[arg(long)]
    pub(crate) wide: bool,

    #[command(flatten)]
    pub(crate) output: OutputArguments,

    #[command(flatten)]
    pub(crate) options: ModelOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompareFormat {
    /// For people, in a terminal.
    Text,
    /// Everything, for programs; see `fusewright schema compare`.
    Json,
    /// For pull requests and notes.
    Markdown,
}
