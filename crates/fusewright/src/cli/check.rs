//! `fusewright check`

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use fusewright::report::{
    self, CheckOptions, CheckReport, CheckedModel, TextOptions, Verdict, check_markdown, check_text,
};
use fusewright::{Baseline, CheckRequest};

use super::args::{CheckArguments, CheckFormat, OutputArguments};
use super::diagnostics::{Failure, note};
use super::output::{self, Style};

/// Columns of text unless `--wide`.
const WIDTH: usize = 80;

pub(crate) fn run(arguments: &CheckArguments) -> Result<(), Failure> {
    output::check(&arguments.output)?;
    let mut baseline = Baseline::read(&arguments.lock)?;
    let requests = requests(arguments, &baseline)?;
    let mut models: Vec<CheckedModel> = Vec::new();
    for request in &requests {
        if arguments.update {
            let result = baseline.update(request)?;
            models.push(result.checked);
            baseline.put(result.entry);
        } else {
            models.push(baseline.check(request)?.checked);
        }
    }
    if arguments.update {
        let target = OutputArguments { output: Some(arguments.lock.clone()), force: true };
        output::write(&target, &baseline.lock().to_json(), Style::Plain)?;
    }
    let lock = arguments.lock.display().to_string();
    let report = CheckReport::new(lock, arguments.tolerance / 100.0, models);
    let (text, style) = render(arguments, &report, baseline.text());
    output::write(&arguments.output, &text, style)?;
    if let Some(path) = &arguments.summary {
        append(path, &check_markdown(&report))?;
    }
    exit_code(&report, arguments)
}

/// What is to be checked: one model, or all that the lock file has.
fn requests(arguments: &CheckArguments, baseline: &Baseline) -> Result<Vec<CheckRequest>, Failure> {
    let session = arguments.options.session()?;
    let mut requests = match &arguments.model {
        Some(model) => {
            let request = baseline.request(&session, model, arguments.hw.as_deref(), arguments.profile);
            if arguments.update { vec![request] } else { baseline.meant_by(request) }
        }
        None => baseline.requests(),
    };
    for request in &mut requests {
        request.strategies.clone_from(&arguments.strategy);
        request.options = CheckOptions { tolerance: arguments.tolerance / 100.0, exact: arguments.exact };
    }
    if !requests.is_empty() {
        return Ok(requests);
    }
    let (lock, code) = (arguments.lock.display(), if arguments.update { 2 } else { 4 });
    let text = format!("`{lock}` has no models");
    let help = Some("`fusewright check MODEL --update` adds one".to_owned());
    Err(Failure::Message { text, help, code })
}

fn render(arguments: &CheckArguments, report: &CheckReport, lock: Option<&str>) -> (String, Style) {
    let text = match arguments.format {
        CheckFormat::Text => {
            let width = if arguments.wide { usize::MAX } else { WIDTH };
            return (check_text(report, TextOptions { top: 0, width, styled: true }), Style::Coloured);
        }
        CheckFormat::Json => report.to_json(),
        CheckFormat::Markdown => check_markdown(report),
        CheckFormat::Github => report::github(report, lock),
        CheckFormat::Sarif => report::sarif(report, lock),
        CheckFormat::Junit => report::junit(report),
    };
    (text, Style::Plain)
}

fn append(path: &Path, text: &str) -> Result<(), Failure> {
    let written =
        OpenOptions::new().create(true).append(true).open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|problem: io::Error| Failure::usage(format!("cannot write `{}`: {problem}", path.display())))
}

fn exit_code(report: &CheckReport, arguments: &CheckArguments) -> Result<(), Failure> {
    match report.verdict {
        Verdict::Regressed => Err(Failure::Found { code: 1 }),
        Verdict::NoBaseline if arguments.lenient => {
            note("no baseline, which --lenient takes as fine");
            Ok(())
        }
        Verdict::NoBaseline => Err(Failure::Found { code: 4 }),
        Verdict::Same | Verdict::Updated | Verdict::Improved | Verdict::Changed => Ok(()),
    }
}
