//! What `fusewright check` accepts.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fusewright::report::LOCK_FILE;
use fusewright::{Profile, Strategy};

use super::{ModelOptions, OutputArguments, profile_parser, strategy_parser};

const EXAMPLES: &str = "\
Examples:
  fusewright check bert.onnx --hw a100-sxm-80 --update   writes the lock file
  fusewright check bert.onnx --hw a100-sxm-80            compares with it
  fusewright check                                  every model of the lock file
  fusewright check --format github --summary \"$GITHUB_STEP_SUMMARY\"
Exit codes: 0 as locked, improved or changed without being worse; 1 regressed;
4 no baseline. docs/ci.md has a workflow for GitHub Actions.";

#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct CheckArguments {
    /// A model, as for plan, with the options that its entry was written with, or without options; without a model,
    /// every entry of the lock file is checked.
    #[arg(value_name = "MODEL")]
    pub(crate) model: Option<OsString>,

    /// The lock file.
    #[arg(long, value_name = "FILE", default_value = LOCK_FILE)]
    pub(crate) lock: PathBuf,

    /// Write what is planned now to the lock file, and say what changes.
    #[arg(long)]
    pub(crate) update: bool,

    /// How much slower a predicted time may be, in percent; counts are compared exactly.
    #[arg(long, value_name = "PERCENT", default_value_t = 2.0, value_parser = parse_percent)]
    pub(crate) tolerance: f64,

    /// Fail on any difference, improvements too.
    #[arg(long)]
    pub(crate) exact: bool,

    /// A model without baseline is fine.
    #[arg(long)]
    pub(crate) lenient: bool,

    /// Strategy to check; may be repeated [default: those of the lock file,
    /// for a new entry those that plan shows and that fuse].
    #[arg(long, value_name = "NAME", value_parser = strategy_parser())]
    pub(crate) strategy: Vec<Strategy>,

    /// Device to predict times for, by id, or a TOML file that describes one.
    #[arg(long, value_name = "DEVICE", requires = "model")]
    pub(crate) hw: Option<OsString>,

    /// How to look at the graph.
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = profile_parser())]
    pub(crate) profile: Profile,

    /// How to print it.
    #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
    pub(crate) format: CheckFormat,

    /// File that a summary in Markdown is appended to.
    #[arg(long, value_name = "FILE")]
    pub(crate) summary: Option<PathBuf>,

    /// Let lines of text be as wide as their names.
    #[arg(long)]
    pub(crate) wide: bool,

    #[command(flatten)]
    pub(crate) output: OutputArguments,

    #[command(flatten)]
    pub(crate) options: ModelOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// For people, in a terminal or a log.
    Text,
    /// Everything, for programs; see `fusewright schema check`.
    Json,
    /// For pull requests.
    Markdown,
    /// Annotations of GitHub Actions.
    Github,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// `JUnit` XML, for CI systems that show tests.
    Junit,
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let value = text.trim_end_matches('%').trim_end().parse::<f64>().ok();
    let value = value.filter(|value| value.is_finite() && *value >= 0.0);
    value.ok_or_else(|| format!("`{text}` is no percentage; expected a number from 0, for example 2"))
}
