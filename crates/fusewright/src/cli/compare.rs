//! `fusewright compare`

use fusewright::report::{CompareReport, TextOptions, compare_markdown, compare_text};
use fusewright::{CompareSide, Device, Model, PlanOptions, PlanSet, Strategy, compare};

use super::args::{CompareArguments, CompareFormat};
use super::diagnostics::{Failure, note, warn};
use super::output::{self, Style};

/// Columns of text unless `--wide`.
const WIDTH: usize = 80;

/// Sides that fit on a page.
const MOST_SIDES: usize = 4;

pub(crate) fn run(arguments: &CompareArguments) -> Result<(), Failure> {
    output::check(&arguments.output)?;
    let session = arguments.options.session()?;
    let names = std::iter::once(&arguments.first).chain(&arguments.second);
    let models: Vec<Model> = names.map(|name| session.load(name)).collect::<Result<_, _>>()?;
    let devices: Vec<Device> = arguments.hw.iter().map(fusewright::device).collect::<Result<_, _>>()?;
    if !arguments.options.quiet {
        for model in &models {
            model.notes().iter().for_each(|text| note(text));
            warn(model.warnings(), arguments.options.verbose);
        }
    }
    let report = match choice(arguments, &models)? {
        Choice::Models(strategy) => of_models(arguments, &models, devices.first(), strategy)?,
        Choice::Peer => of_peer(arguments, &models, devices.first())?,
        Choice::Strategies => of_strategies(arguments, &models[0], devices.first())?,
        Choice::Devices(strategy) => of_devices(arguments, &models[0], &devices, strategy)?,
    };
    let (text, style) = match arguments.format {
        CompareFormat::Text => {
            let width = if arguments.wide { usize::MAX } else { WIDTH };
            let options = TextOptions { top: arguments.top, width, styled: true };
            (compare_text(&report, options), Style::Coloured)
        }
        CompareFormat::Json => (report.to_json(), Style::Plain),
        CompareFormat::Markdown => (compare_markdown(&report, arguments.top), Style::Plain),
    };
    output::write(&arguments.output, &text, style)
}

/// What differs between the sides.
enum Choice {
    /// Two models by one strategy.
    Models(Strategy),
    /// A file as it is written against the best plan.
    Peer,
    /// Strategies for one model.
    Strategies,
    /// Devices for one plan.
    Devices(Strategy),
}

fn choice(arguments: &CompareArguments, models: &[Model]) -> Result<Choice, Failure> {
    let (strategies, devices) = (arguments.strategy.len(), arguments.hw.len());
    let varying = usize::from(models.len() > 1) + usize::from(strategies > 1) + usize::from(devices > 1);
    if varying > 1 {
        let text = "two models, several --strategy and several --hw cannot be compared at once";
        return Err(Failure::usage(text).with_help("let one of them differ"));
    }
    if strategies.max(devices) > MOST_SIDES {
        return Err(Failure::usage(format!("more than {MOST_SIDES} sides cannot be compared at once")));
    }
    let strategy = arguments.strategy.first().copied();
    let usual = Strategy::DEFAULT[Strategy::DEFAULT.len() - 1];
    let optimized = models.iter().any(Model::has_fused_ops);
    Ok(match (models.len() > 1, strategies > 1, devices > 1) {
        (false, true, _) => Choice::Strategies,
        (false, _, true) => Choice::Devices(strategy.unwrap_or(usual)),
        (true, ..) if strategy.is_none() && optimized => Choice::Peer,
        (true, ..) => Choice::Models(strategy.unwrap_or(usual)),
        (false, ..) if strategy.is_none() => Choice::Peer,
        (false, ..) => {
            let help = "give a second model, a second --strategy or a second --hw";
            return Err(Failure::usage("there is nothing to compare with").with_help(help));
        }
    })
}

fn plans<'a>(
    arguments: &CompareArguments,
    model: &'a Model,
    device: Option<&Device>,
    strategies: &[Strategy],
) -> Result<PlanSet<'a>, Failure> {
    let (strategies, profile, device) = (strategies.to_vec(), arguments.profile, device.cloned());
    Ok(model.plan(&PlanOptions { strategies, profile, device, ..PlanOptions::default() })?)
}

/// The comparison of plans that were all made.
fn compared(sides: &[CompareSide], from: usize) -> Result<CompareReport, Failure> {
    let report = compare(sides, from, sides.len().saturating_sub(1));
    report.ok_or_else(|| Failure::usage("a plan to compare was not made"))
}

fn of_models(
    arguments: &CompareArguments,
    models: &[Model],
    device: Option<&Device>,
    strategy: Strategy,
) -> Result<CompareReport, Failure> {
    let sets: Vec<PlanSet> =
        models.iter().map(|model| plans(arguments, model, device, &[strategy])).collect::<Result<_, _>>()?;
    let sides: Vec<CompareSide> = sets.iter().map(|plans| CompareSide { plans, strategy }).collect();
    compared(&sides, 0)
}

/// The files as they are written, then the best plan of the last one: how far the last file is from it.
fn of_peer(arguments: &CompareArguments, models: &[Model], device: Option<&Device>) -> Result<CompareReport, Failure> {
    let both = [Strategy::AsWritten, Strategy::Optimal];
    let sets: Vec<PlanSet> =
        models.iter().map(|model| plans(arguments, model, device, &both)).collect::<Result<_, _>>()?;
    let written = sets.iter().map(|plans| CompareSide { plans, strategy: Strategy::AsWritten });
    let best = sets.last().map(|plans| CompareSide { plans, strategy: Strategy::Optimal });
    let sides: Vec<CompareSide> = written.chain(best).collect();
    compared(&sides, sets.len() - 1)
}

fn of_strategies(
    arguments: &CompareArguments,
    model: &Model,
    device: Option<&Device>,
) -> Result<CompareReport, Failure> {
    let plans = plans(arguments, model, device, &arguments.strategy)?;
    let sides: Vec<CompareSide> =
        arguments.strategy.iter().map(|&strategy| CompareSide { plans: &plans, strategy }).collect();
    compared(&sides, 0)
}

fn of_devices(
    arguments: &CompareArguments,
    model: &Model,
    devices: &[Device],
    strategy: Strategy,
) -> Result<CompareReport, Failure> {
    let sets: Vec<PlanSet> =
        devices.iter().map(|device| plans(arguments, model, Some(device), &[strategy])).collect::<Result<_, _>>()?;
    let sides: Vec<CompareSide> = sets.iter().map(|plans| CompareSide { plans, strategy }).collect();
    compared(&sides, 0)
}
