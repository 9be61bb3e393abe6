//! `fusewright patterns`

use std::fmt::Write;
use std::path::PathBuf;

use fusewright::pattern::Reason;
use fusewright::report::{
    FindingsReport, findings_text, pattern_json, pattern_list_json, pattern_page, pattern_table, reason_page,
};
use fusewright::{Analysis, add_pattern_file, check_examples, find_patterns, find_rule, pattern_library};

use super::args::{ListFormat, ModelArguments, OutputArguments, PatternsArguments, PatternsCommand};
use super::diagnostics::{Failure, error};
use super::output::{self, Style};

/// Columns of text.
const WIDTH: usize = 80;

pub(crate) fn run(arguments: &PatternsArguments) -> Result<(), Failure> {
    match &arguments.command {
        PatternsCommand::List { patterns, format, output } => {
            let library = pattern_library(patterns)?;
            let text = match format {
                ListFormat::Text => pattern_table(&library, WIDTH),
                ListFormat::Json => pattern_list_json(&library),
            };
            output::write(output, &text, Style::Plain)
        }
        PatternsCommand::Show { id, patterns, format, output } => {
            let library = pattern_library(patterns)?;
            let reason = Reason::ALL.iter().find(|reason| reason.id() == id);
            if let (Some(reason), None, ListFormat::Text) = (reason, library.find(id), format) {
                return output::write(output, &reason_page(&library, reason, WIDTH), Style::Plain);
            }
            let rule = find_rule(&library, id)?;
            let text = match format {
                ListFormat::Text => pattern_page(library.rule(rule), WIDTH),
                ListFormat::Json => pattern_json(library.rule(rule)),
            };
            output::write(output, &text, Style::Plain)
        }
        PatternsCommand::Find { patterns, format, output, model } => find(patterns, *format, output, model),
        PatternsCommand::Check { files } => check(files),
    }
}

fn find(
    patterns: &[PathBuf],
    format: ListFormat,
    output: &OutputArguments,
    model: &ModelArguments,
) -> Result<(), Failure> {
    output::check(output)?;
    let library = pattern_library(patterns)?;
    let model = model.options.session()?.load(&model.name)?;
    let analysis = Analysis::of(model.decomposed());
    let report = FindingsReport::of(analysis.graph, &library, &find_patterns(&analysis, &library));
    let text = match format {
        ListFormat::Text => findings_text(&report, WIDTH),
        ListFormat::Json => report.to_json(),
    };
    output::write(output, &text, Style::Plain)
}

/// Reads all files, the fine ones after a bad one too, and runs their examples.
fn check(files: &[PathBuf]) -> Result<(), Failure> {
    let mut library = pattern_library::<PathBuf>(&[])?;
    let (mut fine, mut refused) = (String::new(), 0);
    for path in files {
        let problems = match add_pattern_file(&mut library, path) {
            Ok(rule) => {
                let wrong = check_examples(&library, rule);
                if wrong.is_empty() {
                    let rule = library.rule(rule);
                    let _ = writeln!(fine, "{}: fine, `{}`, {} examples", path.display(), rule.id, rule.examples.len());
                }
                wrong.iter().map(|e| format!("{}: example \"{}\": {}", path.display(), e.title, e.problem)).collect()
            }
            Err(problem) => vec![problem.to_string()],
        };
        refused += usize::from(!problems.is_empty());
        for problem in &problems {
            error(problem);
        }
    }
    output::write(&OutputArguments { output: None, force: false }, &fine, Style::Plain)?;
    if refused == 0 {
        return Ok(());
    }
    let text = format!("{refused} of {} pattern files are wrong", files.len());
    Err(Failure::input(text).with_help("docs/patterns.md says what a pattern file looks like"))
}
