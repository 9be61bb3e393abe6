//! What `fusewright optimize` accepts.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use fusewright::Target;

use super::ListFormat;

const EXAMPLES: &str = "\
Examples:
  fusewright optimize model.onnx -o fast.onnx --target ort
  fusewright optimize model.onnx -o fast.onnx --opset 23
  fusewright optimize model.onnx --dry-run --diff

`--target onnx` writes standard operators of the model's version, or of the one
that --opset names; attention as one node is among them from 23 on.
`--target ort` adds the operators of ONNX Runtime, whatever the version.";

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct OptimizeArguments {
    /// An ONNX file.
    #[arg(value_name = "MODEL")]
    pub(crate) model: OsString,

    /// File to write; weights go to FILE.data where they need a file of their own.
    #[arg(short, long, value_name = "FILE", required_unless_present = "dry_run")]
    pub(crate) output: Option<PathBuf>,

    /// Replace the output if it exists.
    #[arg(long, requires = "output")]
    pub(crate) force: bool,

    /// What the written model is for.
    #[arg(long, value_name = "NAME", default_value = "onnx", value_parser = target_parser())]
    pub(crate) target: Target,

    /// Bring the model to this version of the standard operators.
    #[arg(long, value_name = "N")]
    pub(crate) opset: Option<i64>,

    /// Make projections that read one tensor (Q, K and V, gate and up) one product.
    ///
    /// It saves launches, which pays on GPUs; on a few cores it was measured to make no difference.
    #[arg(long)]
    pub(crate) pack: bool,

    /// Make one product of those projections that are predicted to be faster so on this device: an id or a TOML file.
    #[arg(long, value_name = "DEVICE", conflicts_with = "pack")]
    pub(crate) hw: Option<OsString>,

    /// Show what changed by module, what did not and why, and operators before and after.
    #[arg(long)]
    pub(crate) diff: bool,

    /// Run the written model beside the original, at two bindings of open sizes; one that differs is removed again.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) verify: bool,

    /// Write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// How to print it.
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    pub(crate) format: ListFormat,

    /// Let lines of text be as wide as their names.
    #[arg(long)]
    pub(crate) wide: bool,

    /// Print nothing.
    #[arg(short, long, conflicts_with = "diff")]
    pub(crate) quiet: bool,
}

fn target_parser() -> impl clap::builder::TypedValueParser<Value = Target> {
    let names = Target::ALL.map(Target::name);
    PossibleValuesParser::new(names).map(|name| if name == Target::Ort.name() { Target::Ort } else { Target::Onnx })
}
