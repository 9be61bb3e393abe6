//! What `fusewright report` accepts.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use fusewright::{Profile, Strategy};

use super::{ModelOptions, OutputArguments, profile_parser, strategy_parser};

const EXAMPLES: &str = "\
Examples:
  fusewright report vit_b_16 --hw a100-sxm-80 -o vit.html
  fusewright report model.onnx --batch 8 --seq 512 -o model.html
  fusewright report old.onnx new.onnx -o diff.html       with the view Diff
  fusewright report --app -o app.html                    the page for any file
The file opens from disk in a browser, and asks no network for anything.";

#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ReportArguments {
    /// A model, as for plan.
    #[arg(value_name = "MODEL", required_unless_present = "app")]
    pub(crate) model: Option<OsString>,

    /// A second model, which the view Diff holds against the first. Without it the last two strategies are compared.
    #[arg(value_name = "OTHER")]
    pub(crate) other: Option<OsString>,

    /// The page without a model: it plans files that are dropped on it.
    #[arg(long, conflicts_with_all = ["model", "other", "strategy", "hw", "effort", "no_planner", "patterns"])]
    pub(crate) app: bool,

    /// Leave the planner out: a smaller file, whose device, batch and type are fixed.
    #[arg(long)]
    pub(crate) no_planner: bool,

    /// Strategy to plan with; may be repeated [default: eager, standard,
    /// attention, optimal].
    #[arg(long, value_name = "NAME", value_parser = strategy_parser())]
    pub(crate) strategy: Vec<Strategy>,

    /// Device to predict times for, by id, or a TOML file that describes one.
    #[arg(long, value_name = "DEVICE")]
    pub(crate) hw: Option<OsString>,

    /// Choices that the search for the optimal plan looks at before it hurries.
    #[arg(long, value_name = "N")]
    pub(crate) effort: Option<u64>,

    /// How to look at the graph.
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = profile_parser())]
    pub(crate) profile: Profile,

    /// File with a pattern of your own; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) patterns: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) output: OutputArguments,

    #[command(flatten)]
    pub(crate) options: ModelOptions,
}
