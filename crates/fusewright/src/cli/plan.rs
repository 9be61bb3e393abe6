//! `fusewright plan`

use std::path::Path;

use fusewright::report::{self, TextOptions};
use fusewright::{Model, PlanOptions, PlanSet, Strategy};

use super::args::{OutputArguments, PlanArguments, PlanFormat};
use super::diagnostics::{Failure, note, warn};
use super::output::{self, Style};

/// Columns of text unless `--wide`.
const WIDTH: usize = 80;

pub(crate) fn run(arguments: &PlanArguments) -> Result<(), Failure> {
    output::check(&arguments.output)?;
    if arguments.format == PlanFormat::Trace && arguments.hw.is_none() {
        let help = "give --hw, for example --hw a100-sxm-80";
        return Err(Failure::usage("a trace needs the times of a device").with_help(help));
    }
    if let Some(path) = &arguments.annotate {
        check_annotated(path, arguments)?;
    }
    let model = arguments.model.options.session()?.load(&arguments.model.name)?;
    let strategies = if arguments.strategy.is_empty() {
        Strategy::default_for(arguments.profile)
    } else {
        arguments.strategy.clone()
    };
    let device = arguments.hw.as_ref().map(fusewright::device).transpose()?;
    let options = PlanOptions {
        strategies,
        profile: arguments.profile,
        groups: arguments.groups,
        device,
        effort: arguments.effort,
    };
    let plans = model.plan(&options)?;
    if !arguments.model.options.quiet {
        model.notes().iter().for_each(|text| note(text));
        warn(model.warnings(), arguments.model.options.verbose);
    }
    if arguments.model.options.verbose {
        describe(&model, &plans);
    }
    if let Some(path) = &arguments.annotate {
        plans.annotated(&arguments.model.name)?.write(path, arguments.output.force)?;
    }
    let (text, style) = render(arguments, &plans);
    output::write(&arguments.output, &text, style)
}

/// Refuses an annotated model that must not be written, before any work is done.
fn check_annotated(path: &Path, arguments: &PlanArguments) -> Result<(), Failure> {
    if arguments.model.name == "-" {
        return Err(Failure::usage("standard input is read only once, and --annotate reads the model again")
            .with_help("give the model as a file"));
    }
    if path == Path::new("-") {
        return Err(
            Failure::usage("a model is not written to standard output").with_help("name a file with --annotate")
        );
    }
    output::check(&OutputArguments { output: Some(path.to_owned()), force: arguments.output.force })
}

fn render(arguments: &PlanArguments, plans: &PlanSet) -> (String, Style) {
    let text = match arguments.format {
        PlanFormat::Text => {
            let width = if arguments.wide { usize::MAX } else { WIDTH };
            let options = TextOptions { top: arguments.top, width, styled: true };
            return (report::text(&plans.report(), options), Style::Coloured);
        }
        PlanFormat::Json => plans.report().to_json(),
        PlanFormat::Markdown => report::markdown(&plans.report(), arguments.top),
        PlanFormat::Csv => report::csv(&plans.report()),
        PlanFormat::Dot => plans.dot(),
        PlanFormat::Mermaid => plans.mermaid(),
        PlanFormat::ModelExplorer => plans.model_explorer(),
        // That there is a device was checked before.
        PlanFormat::Trace => plans.trace().unwrap_or_default(),
    };
    (text, Style::Plain)
}

fn describe(model: &Model, plans: &PlanSet) {
    let (read, opened) = (model.graph().node_count(), model.decomposed().node_count());
    note(&format!("read `{}` as {}: {read} nodes, {opened} with attention opened", model.source(), model.format()));
    for (strategy, plan) in plans.plans() {
        let certificate = plan.certificate;
        let (nodes, groups) = (certificate.nodes, certificate.groups);
        note(&format!("certified the {} plan: {nodes} nodes in {groups} groups", strategy.name()));
    }
}
