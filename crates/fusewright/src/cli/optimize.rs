//! `fusewright optimize`

use std::path::Path;

use fusewright::execution::VerifyOptions;
use fusewright::report::{optimize_diff, optimize_text};
use fusewright::{OptimizeOptions, Optimized, Session, optimize};

use super::args::{ListFormat, OptimizeArguments, OutputArguments};
use super::diagnostics::{Failure, note};
use super::output::{self, Style};

/// Columns of text unless `--wide`.
const WIDTH: usize = 80;

pub(crate) fn run(arguments: &OptimizeArguments) -> Result<(), Failure> {
    let output = arguments.output.as_deref().filter(|_| !arguments.dry_run);
    if output == Some(Path::new("-")) {
        return Err(Failure::usage("a model is not written to standard output").with_help("name a file with -o"));
    }
    if let Some(path) = output {
        output::check(&OutputArguments { output: Some(path.to_owned()), force: arguments.force })?;
    }
    let device = arguments.hw.as_ref().map(fusewright::device).transpose()?;
    let options = OptimizeOptions { target: arguments.target, opset: arguments.opset, pack: arguments.pack, device };
    let optimized = optimize(&arguments.model, options)?;
    if let Some(path) = output {
        optimized.write(path, arguments.force)?;
        if arguments.verify {
            verify(arguments, &optimized, path)?;
        }
    }
    if arguments.quiet {
        return Ok(());
    }
    let report = optimized.report(output);
    let width = if arguments.wide { usize::MAX } else { WIDTH };
    let text = match (arguments.format, arguments.diff) {
        (ListFormat::Json, _) => report.to_json(),
        (ListFormat::Text, true) => optimize_diff(&report, width),
        (ListFormat::Text, false) => optimize_text(&report, width),
    };
    output::write(&OutputArguments { output: None, force: false }, &text, Style::Plain)
}

/// The models disagree.
const NOT_EQUIVALENT: u8 = 1;
/// Seeds of the inputs.
const SEEDS: std::ops::Range<u64> = 0..3;
/// Sizes of open dims that are a batch, and of all others.
const BINDINGS: [(u64, u64); 2] = [(2, 7), (3, 12)];
/// Largest relative difference, for single precision.
const TOLERANCE: f64 = 1e-4;

/// Runs both models at a few sizes of everything that is open, those at which the original runs. A written one that
/// differs, or could not be run at any, is not left there.
fn verify(arguments: &OptimizeArguments, optimized: &Optimized, path: &Path) -> Result<(), Failure> {
    let options = VerifyOptions { seeds: SEEDS.collect(), tolerance: Some(TOLERANCE) };
    let original = Session::new().load(&arguments.model)?;
    let sized = |(batch, other): (u64, u64)| {
        original.graph().dims.iter().fold(Session::new(), |session, dim| {
            session.with_dim(dim.name.clone(), if dim.size == 1 { batch } else { other })
        })
    };
    let sessions: Vec<Session> = match original.graph().dims[..] {
        [] => vec![Session::new()],
        _ => BINDINGS.into_iter().map(sized).collect(),
    };
    let (mut worst, mut runs, mut problem) = (0.0_f64, 0, None);
    for session in &sessions {
        let found = match session.load(&arguments.model)?.verify(&session.load(path)?, &options) {
            Ok(found) => found,
            Err(error) => {
                problem = Some(error);
                continue;
            }
        };
        (worst, runs) = (worst.max(found.worst()), runs + found.cases.len());
        if !found.passes() {
            optimized.remove(path);
            let text = format!("the optimized model differs from the original by {worst:.2e} and was removed");
            let help =
                Some("this is a bug of fusewright; please report it with the model if you may share it".to_owned());
            return Err(Failure::Message { text, help, code: NOT_EQUIVALENT });
        }
    }
    if let (0, Some(problem)) = (runs, problem) {
        optimized.remove(path);
        return Err(problem.into());
    }
    if !arguments.quiet {
        note(&format!("verified: largest relative difference {worst:.2e} in {runs} runs"));
    }
    Ok(())
}
