//! `fusewright plan`

use fusewright::report::{self, TextOptions};
use fusewright::{Model, PlanOptions, PlanSet, Strategy};

use super::args::{PlanArguments, PlanFormat};
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
    let (text, style) = render(arguments, &plans);
    output::write(&arguments.output, &text, style)
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
