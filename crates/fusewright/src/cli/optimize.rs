//! `fusewright optimize`

use std::path::Path;

use fusewright::report::{optimize_diff, optimize_text};
use fusewright::{OptimizeOptions, optimize};

use super::args::{ListFormat, OptimizeArguments, OutputArguments};
use super::diagnostics::Failure;
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
    let options = OptimizeOptions { target: arguments.target, opset: arguments.opset, pack: arguments.pack };
    let optimized = optimize(&arguments.model, options)?;
    if let Some(path) = output {
        optimized.write(path, arguments.force)?;
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
