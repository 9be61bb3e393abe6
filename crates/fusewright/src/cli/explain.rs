//! `fusewright explain`

use fusewright::pattern::Library;
use fusewright::report::{ExplainReport, RuleText, TextOptions, explain_markdown, explain_text, rule_json, rule_page};
use fusewright::{PlanOptions, Strategy, find_rule_text, pattern_library};

use super::args::{ExplainArguments, ExplainFormat};
use super::diagnostics::{Failure, note, warn};
use super::output::{self, Style};

/// Columns of text unless `--wide`.
const WIDTH: usize = 80;

pub(crate) fn run(arguments: &ExplainArguments) -> Result<(), Failure> {
    output::check(&arguments.output)?;
    let library = pattern_library(&arguments.patterns)?;
    let rule = arguments.rule.as_ref().map(|id| find_rule_text(&library, id)).transpose()?;
    let report = report(arguments, &library)?;
    let (text, style) = match (&report, &rule) {
        (Some(report), rule) => render(arguments, report, rule.as_ref(), &library),
        (None, Some(rule)) if arguments.format == ExplainFormat::Json => (rule_json(rule), Style::Plain),
        (None, Some(rule)) => (rule_page(rule, &library, WIDTH), Style::Plain),
        (None, None) => return Err(Failure::usage("there is nothing to explain").with_help("give MODEL or --rule ID")),
    };
    output::write(&arguments.output, &text, style)
}

fn report(arguments: &ExplainArguments, library: &Library) -> Result<Option<ExplainReport>, Failure> {
    let Some(name) = &arguments.model else { return Ok(None) };
    let model = arguments.options.session()?.load(name)?;
    if !arguments.options.quiet {
        model.notes().iter().for_each(|text| note(text));
        warn(model.warnings(), arguments.options.verbose);
    }
    let device = arguments.hw.as_ref().map(fusewright::device).transpose()?;
    let strategies = strategies(arguments);
    let plans =
        model.plan(&PlanOptions { strategies, profile: arguments.profile, device, ..PlanOptions::default() })?;
    let mut report = plans.explain(library, arguments.node.as_deref())?;
    if let Some(id) = &arguments.rule {
        report = report.about_rule(id);
    }
    if arguments.misses {
        report = report.misses_only();
    }
    Ok(Some(report))
}

fn strategies(arguments: &ExplainArguments) -> Vec<Strategy> {
    match (arguments.strategy.as_slice(), &arguments.node) {
        ([], None) => Strategy::DEFAULT.last().copied().into_iter().collect(),
        ([], Some(_)) => Strategy::DEFAULT.into_iter().chain([Strategy::Optimal]).collect(),
        (asked, _) => asked.to_vec(),
    }
}

fn render(
    arguments: &ExplainArguments,
    report: &ExplainReport,
    rule: Option<&RuleText>,
    library: &Library,
) -> (String, Style) {
    match arguments.format {
        ExplainFormat::Text => {
            let width = if arguments.wide { usize::MAX } else { WIDTH };
            let page = rule.map_or_else(String::new, |rule| rule_page(rule, library, WIDTH) + "\n");
            let options = TextOptions { top: arguments.top, width, styled: true };
            (page + &explain_text(report, options), Style::Coloured)
        }
        ExplainFormat::Json => (report.to_json(), Style::Plain),
        ExplainFormat::Markdown => (explain_markdown(report, arguments.top), Style::Plain),
    }
}
