//! What the command line accepts.

mod check;
mod compare;
mod explain;
mod optimize;
mod report;
mod run;
mod verify;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use fusewright::{DType, Phase, Profile, Session, Strategy};

use super::diagnostics::Failure;

pub(crate) use check::{CheckArguments, CheckFormat};
pub(crate) use compare::{CompareArguments, CompareFormat};
pub(crate) use explain::{ExplainArguments, ExplainFormat};
pub(crate) use optimize::OptimizeArguments;
pub(crate) use report::ReportArguments;
pub(crate) use run::RunArguments;
pub(crate) use verify::VerifyArguments;

const EXIT_CODES: &str = "\
Exit codes: 0 ok, 1 a plan regressed or models differ, 2 wrong usage or the
output cannot be written, 3 the model cannot be read or run, 4 no baseline,
5 nothing to compare, 70 a bug of fusewright.
Environment: NO_COLOR, CLICOLOR, CLICOLOR_FORCE and TERM decide about colour
where --color does not.";

/// Plans operator fusion in transformer graphs: what can run as one kernel, and what that is worth.
#[derive(Debug, Parser)]
#[command(version, after_long_help = EXIT_CODES, max_term_width = 80)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What fuses in a model and what it is worth, strategies side by side.
    Plan(PlanArguments),
    /// The gate for CI: a model's plans against the committed lock file.
    Check(CheckArguments),
    /// Two models, strategies or devices side by side, or an optimized file and the best plan.
    Compare(CompareArguments),
    /// Why: per group its rules, its worth and what ended it; per miss what is in the way and what helps.
    Explain(ExplainArguments),
    /// Write a faster ONNX model that computes the same.
    Optimize(OptimizeArguments),
    /// Runs a model here: time and memory of a plan beside eager execution.
    Run(RunArguments),
    /// Whether two models compute the same function, by running both.
    Verify(VerifyArguments),
    /// The graph of a model, as fusewright sees it.
    Dump(DumpArguments),
    /// The built-in models.
    Models(ModelsArguments),
    /// Devices: the built-in ones, every number of one, checks of files.
    Hw(HwArguments),
    /// The rules of fusion: what they look for, and where a model holds it.
    Patterns(PatternsArguments),
    /// A page about a model: graph, kernels, roofline, memory, what did not fuse; one HTML file.
    Report(ReportArguments),
    /// The JSON Schemas of `--format json` and of the lock file.
    Schema(SchemaArguments),
}

const PLAN_EXAMPLES: &str = "\
Examples:
  fusewright plan vit_b_16
  fusewright plan model.pt2 --dtype bf16 --dim batch=8
  fusewright plan bert-base --seq 512 --dtype f16 --hw a100-sxm-80
  fusewright plan llama-3-8b --phase decode --context 4096
  fusewright plan vit_b_16 --profile reference --format json
  fusewright plan vit_b_16 --groups --format csv -o kernels.csv
  fusewright plan vit_b_16 --format dot | dot -Tsvg > plan.svg
  fusewright plan model.onnx --annotate planned.onnx";

#[derive(Debug, Args)]
#[command(after_long_help = PLAN_EXAMPLES)]
pub(crate) struct PlanArguments {
    /// Strategy to plan with; may be repeated [default: eager, standard,
    /// attention, optimal].
    #[arg(long, value_name = "NAME", value_parser = strategy_parser())]
    pub(crate) strategy: Vec<Strategy>,

    /// Device to predict times for, by id, or a TOML file that describes one.
    #[arg(long, value_name = "DEVICE")]
    pub(crate) hw: Option<OsString>,

    /// Choices that the search for the optimal plan looks at before it hurries.
    ///
    /// The default of 1,000,000 takes it a second or two, and few graphs need as many. A plan of a search that hurried
    /// says how far it may be from the best. A limit in seconds would make plans differ from run to run.
    #[arg(long, value_name = "N")]
    pub(crate) effort: Option<u64>,

    /// How to look at the graph.
    ///
    /// `default` sees through views and knows ops by what they compute; `reference` counts the modules and functions
    /// of a symbolic trace by their names, as the published reference figures were counted.
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = profile_parser())]
    pub(crate) profile: Profile,

    /// How to print it.
    #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
    pub(crate) format: PlanFormat,

    /// List every group too.
    #[arg(long)]
    pub(crate) groups: bool,

    /// Also write the ONNX model with its nodes' groups as metadata, which viewers such as Netron show.
    ///
    /// Each node gets the group of the best plan that it is in, the pattern and the bytes of that group, and its time
    /// with --hw. Nothing else of the model changes; weights that lie in other files go to FILE.data.
    #[arg(long, value_name = "FILE")]
    pub(crate) annotate: Option<PathBuf>,

    /// Opportunities to show; 0 for all.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 5)]
    pub(crate) top: usize,

    /// Let lines of text be as wide as their names.
    #[arg(long)]
    pub(crate) wide: bool,

    #[command(flatten)]
    pub(crate) output: OutputArguments,

    #[command(flatten)]
    pub(crate) model: ModelArguments,
}

#[derive(Debug, Args)]
pub(crate) struct DumpArguments {
    /// Open attention layers into their steps, as plans do.
    #[arg(long)]
    pub(crate) decompose: bool,

    /// How to print it.
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    pub(crate) format: ListFormat,

    #[command(flatten)]
    pub(crate) output: OutputArguments,

    #[command(flatten)]
    pub(crate) model: ModelArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ModelsArguments {
    #[command(subcommand)]
    pub(crate) command: ModelsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Lists them.
    List {
        /// How to print it.
        #[arg(long, value_enum, default_value_t = ListFormat::Text)]
        format: ListFormat,

        #[command(flatten)]
        output: OutputArguments,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PatternsArguments {
    #[command(subcommand)]
    pub(crate) command: PatternsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PatternsCommand {
    /// Lists them by family.
    List {
        /// Pattern file to add to the built-in ones; may be repeated.
        #[arg(long, value_name = "FILE")]
        patterns: Vec<PathBuf>,

        /// How to print it.
        #[arg(long, value_enum, default_value_t = ListFormat::Text)]
        format: ListFormat,

        #[command(flatten)]
        output: OutputArguments,
    },
    /// All that is known of one: what it computes, its pattern, its examples; or what a reason means.
    Show {
        /// Id of a rule or of a reason.
        #[arg(value_name = "ID")]
        id: String,

        /// Pattern file to add to the built-in ones; may be repeated.
        #[arg(long, value_name = "FILE")]
        patterns: Vec<PathBuf>,

        /// How to print it.
        #[arg(long, value_enum, default_value_t = ListFormat::Text)]
        format: ListFormat,

        #[command(flatten)]
        output: OutputArguments,
    },
    /// Where they hold in a model, and where they nearly do and why not.
    Find {
        /// Pattern file to add to the built-in ones; may be repeated.
        #[arg(long, value_name = "FILE")]
        patterns: Vec<PathBuf>,

        /// How to print it.
        #[arg(long, value_enum, default_value_t = ListFormat::Text)]
        format: ListFormat,

        #[command(flatten)]
        output: OutputArguments,

        #[command(flatten)]
        model: ModelArguments,
    },
    /// Checks pattern files and runs their examples.
    Check {
        /// TOML files that hold patterns.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
}

const PREDICT_COLUMNS: &str = "\
Columns of the table, sizes in elements; what is in brackets holds where a cell
is empty or the column missing. Other columns pass through; predicted_us and
limiter are added.
  op         gemm, attention, pointwise, softmax, layernorm or rmsnorm
  dtype      f32, f16, bf16, fp8, i8, ...; with fp8 the activations are quantised
  m, n, k    gemm: rows and columns of the result, terms of each sum
  batch      gemm: independent products [1]
  b, h, h_kv attention: sequences, heads of queries, of keys and values [h]
  s_q, s_kv  attention: queries, keys of a sequence [s_q]
  d, causal  attention: width of a head; 1 if no query sees later keys [0]
  kernel     attention: sdpa for the one PyTorch picks [FlashAttention's]
  rows, cols others: size of each tensor; softmax and norms run over cols
  reads, writes others: how many such tensors are read and written [1]";

#[derive(Debug, Args)]
pub(crate) struct HwArguments {
    #[command(subcommand)]
    pub(crate) command: HwCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HwCommand {
    /// Lists the built-in devices.
    List {
        /// How to print it.
        #[arg(long, value_enum, default_value_t = ListFormat::Text)]
        format: ListFormat,

        #[command(flatten)]
        output: OutputArguments,
    },
    /// Every number of a device, with its unit and source.
    Show {
        /// A built-in device's name, or a TOML file.
        #[arg(value_name = "NAME|FILE")]
        device: OsString,

        /// How to print it.
        #[arg(long, value_enum, default_value_t = ListFormat::Text)]
        format: ListFormat,

        #[command(flatten)]
        output: OutputArguments,
    },
    /// Predicts how long the kernels of a table take.
    #[command(after_long_help = PREDICT_COLUMNS)]
    Predict {
        /// A built-in device's name, or a TOML file.
        #[arg(long, value_name = "NAME|FILE")]
        hw: OsString,

        /// The table, or -.
        #[arg(long, value_name = "FILE")]
        csv: PathBuf,

        #[command(flatten)]
        output: OutputArguments,
    },
    /// Measures this machine's processor and writes its device file; half a minute, best while nothing else runs.
    Calibrate {
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Checks device files and lists everything that is wrong with them.
    Check {
        /// TOML files that describe devices.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ModelArguments {
    /// A .pt2, ONNX, config.json or FX JSON file, a built-in model's name, or -.
    ///
    /// JSON may be compressed with gzip. A folder stands for the config.json in it, - for standard input.
    /// `fusewright models list` shows the built-in models.
    #[arg(value_name = "MODEL")]
    pub(crate) name: OsString,

    #[command(flatten)]
    pub(crate) options: ModelOptions,
}

/// How a model is opened.
#[derive(Clone, Debug, Args)]
pub(crate) struct ModelOptions {
    /// Element type for all floating-point tensors, weights included [default: that of the model].
    #[arg(long, value_name = "TYPE", value_parser = dtype_parser())]
    pub(crate) dtype: Option<DType>,

    /// Run it in mixed precision, as PyTorch's autocast does: contractions in this type, norms and softmax in f32.
    #[arg(long, value_name = "TYPE", value_parser = autocast_parser())]
    pub(crate) autocast: Option<DType>,

    /// Norms that are no modules of PyTorch run in that type too, as timm's fast norms do.
    #[arg(long, requires = "autocast")]
    pub(crate) fast_norms: bool,

    /// Size of a named dim of the model; may be repeated.
    #[arg(long, value_name = "NAME=N", value_parser = parse_dim)]
    pub(crate) dim: Vec<(String, u64)>,

    /// Short for --dim batch=N.
    #[arg(long, value_name = "N")]
    pub(crate) batch: Option<u64>,

    /// Short for --dim seq=N.
    #[arg(long, value_name = "N")]
    pub(crate) seq: Option<u64>,

    /// Pass of a decoder built from a config.json [default: prefill].
    #[arg(long, value_enum, value_name = "PHASE")]
    pub(crate) phase: Option<PhaseName>,

    /// Short for --dim context=N: tokens in the cache when decoding.
    #[arg(long, value_name = "N")]
    pub(crate) context: Option<u64>,

    /// Short for --dim `target_seq=N`: length of the decoder's sequence.
    #[arg(long, value_name = "N")]
    pub(crate) target_seq: Option<u64>,

    /// Check the graph after each stage.
    #[arg(long)]
    pub(crate) verify_each: bool,

    /// No warnings.
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Say what was read and checked, and show all warnings.
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

impl ModelOptions {
    /// The session that these arguments describe.
    pub(crate) fn session(&self) -> Result<Session, Failure> {
        let mut dims = BTreeMap::new();
        let short =
            [("batch", self.batch), ("seq", self.seq), ("context", self.context), ("target_seq", self.target_seq)];
        let short = short.into_iter().filter_map(|(name, size)| Some((name.to_owned(), size?)));
        for (name, size) in self.dim.iter().cloned().chain(short) {
            if dims.insert(name.clone(), size).is_some() {
                let help = "give each dim once; --batch, --seq, --context and --target-seq are dims too";
                return Err(Failure::usage(format!("dim `{name}` is given twice")).with_help(help));
            }
        }
        let mut session = Session::new().with_verification_of_each_stage(self.verify_each);
        for (name, size) in dims {
            session = session.with_dim(name, size);
        }
        if let Some(phase) = self.phase {
            session = session.with_phase(phase.into());
        }
        if let Some(dtype) = self.dtype {
            session = session.with_dtype(dtype);
        }
        if let Some(lower) = self.autocast {
            session = session.with_autocast(lower).with_fast_norms(self.fast_norms);
        }
        Ok(session)
    }
}

#[derive(Debug, Args)]
pub(crate) struct OutputArguments {
    /// File to write instead of standard output; it appears whole or not at all.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Replace files that exist.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArguments {
    /// What it describes.
    #[arg(value_enum, default_value_t = SchemaName::Plan)]
    pub(crate) name: SchemaName,

    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaName {
    /// `plan --format json`.
    Plan,
    /// `check --format json`.
    Check,
    /// `compare --format json`.
    Compare,
    /// `explain --format json`.
    Explain,
    /// `optimize --format json`.
    Optimize,
    /// The lock file.
    Lock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// For people, in a terminal.
    Text,
    /// Everything, for programs; see `fusewright schema`.
    Json,
    /// For pull requests and notes.
    Markdown,
    /// One row per strategy, or per group with --groups.
    Csv,
    /// The best plan as a Graphviz graph.
    Dot,
    /// The best plan as a Mermaid flowchart, for small graphs.
    Mermaid,
    /// The predicted schedules as trace events, for Perfetto or Chrome; needs --hw.
    Trace,
    /// The best plan as node data of Model Explorer: colours by group, time or bytes by op.
    ModelExplorer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PhaseName {
    /// All tokens of a prompt at once.
    Prefill,
    /// The next token, with the keys and values of those before it in a cache.
    Decode,
}

impl From<PhaseName> for Phase {
    fn from(name: PhaseName) -> Self {
        match name {
            PhaseName::Prefill => Phase::Prefill,
            PhaseName::Decode => Phase::Decode,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal that can show it.
    Auto,
    /// Even into files and pipes.
    Always,
    /// Nowhere.
    Never,
}

impl Color {
    /// Makes this the choice for all output; without one, terminal and environment decide.
    pub(crate) fn choose(self) {
        match self {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
    }
}

fn strategy_parser() -> impl clap::builder::TypedValueParser<Value = Strategy> {
    let names = Strategy::ALL.map(Strategy::name);
    PossibleValuesParser::new(names)
        .map(|name| Strategy::from_name(&name).expect("the names offered are those of the strategies"))
}

fn profile_parser() -> impl clap::builder::TypedValueParser<Value = Profile> {
    let names = [Profile::Default, Profile::Reference].map(Profile::name);
    PossibleValuesParser::new(names)
        .map(|name| if name == Profile::Reference.name() { Profile::Reference } else { Profile::Default })
}

fn dtype_parser() -> impl clap::builder::TypedValueParser<Value = DType> {
    let names = DType::all().filter(|dtype| dtype.is_float()).map(DType::name);
    PossibleValuesParser::new(names).map(|name| DType::from_name(&name).expect("the names offered are those of dtypes"))
}

fn autocast_parser() -> impl clap::builder::TypedValueParser<Value = DType> {
    let names = [DType::F16, DType::Bf16].map(DType::name);
    PossibleValuesParser::new(names).map(|name| if name == DType::F16.name() { DType::F16 } else { DType::Bf16 })
}

pub(crate) fn parse_dim(text: &str) -> Result<(String, u64), String> {
    let expected = "expected NAME=N, for example batch=8";
    let (name, size) = text.split_once('=').ok_or(expected)?;
    let size = size.parse().map_err(|_| format!("`{size}` is not a size; {expected}"))?;
    if name.is_empty() { Err(expected.to_owned()) } else { Ok((name.to_owned(), size)) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn arguments_are_consistent() {
        super::Arguments::command().debug_assert();
    }
}
