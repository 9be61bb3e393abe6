//! Plans of a graph, as the data of a page.

use fusewright::page::{Tables, page_settings};
use fusewright::pattern::Library;
use fusewright::report::CompareReport;
use fusewright::{CompareSide, Error, PlanOptions, PlanSet, Profile, ReadModel, Strategy, compare};

use crate::question::{Failure, Question};

/// The planner, with the devices and rules that it knows.
#[derive(Debug)]
pub struct Planner(Tables);

impl Planner {
    /// A planner with these tables, as JSON.
    pub fn new(tables: &str) -> Result<Self, String> {
        serde_json::from_str(tables).map(Self).map_err(|problem| problem.to_string())
    }

    /// The data of a page about a model that a reader gave, or what went wrong: both as JSON. The sizes of the question
    /// are those that the model was read for.
    pub fn answer(&self, question: &str, model: &str) -> String {
        let asked = Question::read(question);
        asked.and_then(|question| plan(&self.0, &question, model)).unwrap_or_else(|failure| failure.to_json())
    }
}

fn plan(tables: &Tables, question: &Question, model: &str) -> Result<String, Failure> {
    let session = question.session()?;
    let profile = match question.profile.as_deref() {
        Some("reference") => Profile::Reference,
        _ => Profile::Default,
    };
    let strategies = question
        .strategies
        .iter()
        .map(|name| Strategy::from_name(name).ok_or_else(|| Failure::usage(format!("there is no strategy `{name}`"))));
    let mut strategies: Vec<Strategy> = strategies.collect::<Result<_, _>>()?;
    if strategies.is_empty() {
        strategies = Strategy::default_for(profile);
    }
    let device = question.device.as_deref().map(|id| {
        let known = tables.devices.iter().find(|device| device.id == id);
        let unknown = || Error::UnknownDevice { name: id.to_owned(), similar: Vec::new() };
        known.cloned().ok_or_else(unknown)
    });
    let device = device.transpose()?;
    let options = PlanOptions { strategies, profile, device, ..PlanOptions::default() };
    let read = ReadModel::from_text(model).map_err(|problem| Failure::usage(format!("the model: {problem}")))?;
    let model = session.open_read(read)?;
    let plans = model.plan(&options)?;
    let settings = page_settings(&session, &options, model.source());
    let library = Library::of_entries(tables.rules.clone()).map_err(Failure::usage)?;
    Ok(plans.page(&library, settings, tables.choices(), diff(&plans))?.to_json())
}

/// The last two plans against each other, as in the page that the command line writes.
fn diff(plans: &PlanSet) -> Option<CompareReport> {
    let sides: Vec<CompareSide> = plans.plans().map(|(strategy, _)| CompareSide { plans, strategy }).collect();
    compare(&sides[sides.len().checked_sub(2)?..], 0, 1)
}
