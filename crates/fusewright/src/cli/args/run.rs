//! What `fusewright run` accepts.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use fusewright::Strategy;

use super::{ListFormat, ModelArguments, OutputArguments, strategy_parser};

const EXAMPLES: &str = "\
Examples:
  fusewright run vit_b_16                     eager against the optimal plan
  fusewright run bert.onnx --seq 128 --groups --hw here.toml
  fusewright run model.pt2 --inputs in.npz --outputs out.npz
Weights come from the model's files; what no file holds is made up from the
seed, and so are inputs that are not given.";

#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct RunArguments {
    /// Plan to run beside eager; may be repeated [default: optimal].
    #[arg(long, value_name = "NAME", value_parser = strategy_parser())]
    pub(crate) strategy: Vec<Strategy>,

    /// Device to predict times for, by id, or a TOML file that describes one: `fusewright hw calibrate` writes that of
    /// this machine.
    #[arg(long, value_name = "DEVICE")]
    pub(crate) hw: Option<OsString>,

    /// Inputs by name, as numpy.savez writes them.
    #[arg(long, value_name = "FILE.npz")]
    pub(crate) inputs: Option<PathBuf>,

    /// Where to write the results of the last plan, for numpy.load.
    #[arg(long, value_name = "FILE.npz")]
    pub(crate) outputs: Option<PathBuf>,

    /// Seed of what is made up.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,

    /// Timed runs of each plan, after one that is not timed.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) runs: usize,

    /// List the groups that take longest.
    #[arg(long)]
    pub(crate) groups: bool,

    /// How many groups to list; 0 for all.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub(crate) top: usize,

    /// How to print it.
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    pub(crate) format: ListFormat,

    #[command(flatten)]
    pub(crate) output: OutputArguments,

    #[command(flatten)]
    pub(crate) model: ModelArguments,
}
