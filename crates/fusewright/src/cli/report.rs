//! `fusewright report`

use std::ffi::OsStr;

use fusewright::page::{ModelFile, Tables, app_page, model_file, page_settings, report_page};
use fusewright::report::CompareReport;
use fusewright::{CompareSide, Error, Model, PlanOptions, PlanSet, Strategy, compare, pattern_library};

use super::args::ReportArguments;
use super::diagnostics::{Failure, note, warn};
use super::output::{self, Style};

/// Bytes of a model's file that travel in a page; the planner of a larger one stays at home.
const LARGEST_MODEL: usize = 24 << 20;

pub(crate) fn run(arguments: &ReportArguments) -> Result<(), Failure> {
    output::check(&arguments.output)?;
    let Some(name) = arguments.model.as_deref() else {
        return output::write(&arguments.output, &app_page(), Style::Plain);
    };
    let session = arguments.options.session()?;
    let model = session.load(name)?;
    let other = arguments.other.as_ref().map(|other| session.load(other)).transpose()?;
    if !arguments.options.quiet {
        for model in std::iter::once(&model).chain(&other) {
            model.notes().iter().for_each(|text| note(text));
            warn(model.warnings(), arguments.options.verbose);
        }
    }
    let strategies = if arguments.strategy.is_empty() {
        Strategy::default_for(arguments.profile)
    } else {
        arguments.strategy.clone()
    };
    let device = arguments.hw.as_ref().map(fusewright::device).transpose()?;
    let options =
        PlanOptions { strategies, profile: arguments.profile, groups: false, device, effort: arguments.effort };
    let plans = model.plan(&options)?;
    let diff = diff(&plans, other.as_ref(), &options)?;
    let settings = page_settings(&session, &options, &name.to_string_lossy());
    let library = pattern_library(&arguments.patterns)?;
    let tables = Tables::of(&library, plans.device());
    let data = plans.page(&library, settings, tables.choices(), diff)?;
    let travels = if arguments.no_planner { None } else { planner_file(name, arguments.options.quiet)? };
    let embedded = travels.as_ref().map(|file| file.embedded(&tables));
    output::write(&arguments.output, &report_page(&data, embedded), Style::Plain)
}

/// The model's file as the planner in the page reads it. Standard input is read once, so it does not travel.
fn planner_file(name: &OsStr, quiet: bool) -> Result<Option<ModelFile>, Error> {
    let why = if name == "-" {
        "standard input is read only once"
    } else {
        let file = model_file(name)?;
        if file.bytes.len() <= LARGEST_MODEL {
            return Ok(Some(file));
        }
        "the model is too large for a page"
    };
    if !quiet {
        note(&format!("{why}, so the page has no planner: its device, batch and type are fixed"));
    }
    Ok(None)
}

/// The best plans of two models, or the last two plans of one.
fn diff(plans: &PlanSet, other: Option<&Model>, options: &PlanOptions) -> Result<Option<CompareReport>, Error> {
    let Some(&last) = options.strategies.last() else { return Ok(None) };
    if let Some(other) = other {
        let others = other.plan(options)?;
        let sides = [CompareSide { plans, strategy: last }, CompareSide { plans: &others, strategy: last }];
        return Ok(compare(&sides, 0, 1));
    }
    let sides: Vec<CompareSide> = plans.plans().map(|(strategy, _)| CompareSide { plans, strategy }).collect();
    Ok(sides.len().checked_sub(2).and_then(|first| compare(&sides[first..], 0, 1)))
}
