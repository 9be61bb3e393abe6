//! What `fusewright explain` accepts.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fusewright::{Profile, Strategy};

use super::{ModelOptions, OutputArguments, profile_parser, strategy_parser};

const EXAMPLES: &str = "\
Examples:
  fusewright explain vit_b_16 --hw a100-sxm-80
  fusewright explain model.onnx --misses
  fusewright explain model.onnx --node /encoder/layer.0/MatMul_1
  fusewright explain model.onnx --rule several-readers   what it concerns
  fusewright explain --rule several-readers              what it means";

#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ExplainArguments {
    /// A model, as for plan; not needed for the text of a rule.
    #[arg(value_name = "MODEL", required_unless_present = "rule")]
    pub(crate) model: Option<OsString>,

    /// One node: its group in each plan, why it is there, and what keeps more away.
    #[arg(long, value_name = "NAME", requires = "model")]
    pub(crate) node: Option<String>,

    /// A rule or reason: its long text, and with a model what it has to do with.
    #[arg(long, value_name = "ID", conflicts_with = "node")]
    pub(crate) rule: Option<String>,

    /// Only what is not fused.
    #[arg(long, requires = "model")]
    pub(crate) misses: bool,

    /// Strategy to explain; may be repeated [default: the most fused one, with
    /// --node all that plan shows, and optimal].
    #[arg(long, value_name = "NAME", value_parser = strategy_parser())]
    pub(crate) strategy: Vec<Strategy>,

    /// Device to predict times for, by id, or a TOML file that describes one.
    #[arg(long, value_name = "DEVICE", requires = "model")]
    pub(crate) hw: Option<OsString>,

    /// How to look at the graph.
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = profile_parser())]
    pub(crate) profile: Profile,

    /// File with a pattern of your own; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) patterns: Vec<PathBuf>,

    /// How to print it.
    #[arg(long, value_enum, default_value_t = ExplainFormat::Text)]
    pub(crate) format: ExplainFormat,

    /// Kinds of groups, and of misses, to show; 0 for all.
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
pub(crate) enum ExplainFormat {
    /// For people, in a terminal.
    Text,
    /// Everything, for programs; see `fusewright schema explain`.
    Json,
    /// For pull requests and notes.
    Markdown,
}
