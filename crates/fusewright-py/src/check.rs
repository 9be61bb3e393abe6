//! `fusewright check` for a model that is open already, a live one too.

use std::ffi::OsString;
use std::path::PathBuf;

use fusewright::report::{
    CheckOptions, CheckReport, Checked, CheckedModel, LockEntry, Subject, TextOptions, check_text,
};
use fusewright::{Baseline, Device, Error, PlanOptions, Profile, Strategy, device};
use pyo3::prelude::*;

use crate::errors::Problem;
use crate::model::Model;
use crate::options;
use crate::work::stage;

/// Columns of text.
const WIDTH: usize = 80;

/// What is asked of a lock file.
struct Request {
    lock: PathBuf,
    strategies: Vec<Strategy>,
    profile: Profile,
    hw: Option<OsString>,
    options: CheckOptions,
}

#[pymethods]
impl Model {
    /// Holds plans against a lock file, or writes them into it: verdict, JSON and the page of a terminal.
    #[pyo3(signature = (lock, strategies, *, profile="default", hw=None, update=false, tolerance=0.02, exact=false))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python, one for each option of the verb")]
    fn check(
        &self,
        py: Python<'_>,
        lock: PathBuf,
        strategies: Vec<String>,
        profile: &str,
        hw: Option<OsString>,
        update: bool,
        tolerance: f64,
        exact: bool,
    ) -> PyResult<(&'static str, String, String)> {
        let report = stage(py, move || {
            let strategies = options::strategies(Some(strategies))?;
            let options = CheckOptions { tolerance, exact };
            let request = Request { lock, strategies, profile: options::profile(profile)?, hw, options };
            let mut baseline = Baseline::read(&request.lock)?;
            let (checked, entry) = self.held_against(&baseline, &request)?;
            let checked = if update { checked.updated() } else { checked };
            if update {
                baseline.put(entry);
                std::fs::write(&request.lock, baseline.lock().to_json()).map_err(|problem| {
                    Problem::Usage(format!("cannot write `{}`: {problem}", request.lock.display()))
                })?;
            }
            Ok(CheckReport::new(request.lock.display().to_string(), tolerance, vec![checked]))
        })?;
        let page = check_text(&report, TextOptions { top: 0, width: WIDTH, styled: false });
        Ok((report.verdict.name(), report.to_json(), page))
    }
}

impl Model {
    fn held_against(&self, baseline: &Baseline, request: &Request) -> Result<(CheckedModel, LockEntry), Error> {
        let model = self.facade();
        let asked = baseline.request(self.session(), model.source().as_ref(), request.hw.as_deref(), request.profile);
        let name = asked.settings.command();
        let hw: Option<Device> = request.hw.as_ref().map(device).transpose()?;
        let plans = model.plan(&PlanOptions {
            strategies: request.strategies.clone(),
            profile: request.profile,
            groups: false,
            device: hw.clone(),
            ..PlanOptions::default()
        })?;
        let subject = Subject { analysis: plans.analysis(), source: model.source(), format: model.format() };
        let all: Vec<_> = plans.plans().map(|(_, plan)| plan).collect();
        let timed: Vec<_> = match hw {
            Some(_) => plans.timings().map(|(_, plan, timing)| (plan, Some(timing))).collect(),
            None => all.iter().map(|&plan| (plan, None)).collect(),
        };
        let entry = LockEntry::of(&subject, asked.settings, hw.as_ref(), &timed);
        let checked = Checked { subject, now: &entry, plans: &all, device: hw.as_ref() };
        let checked = match baseline.lock().models.get(&name) {
            Some(before) => checked.against(&name, before, request.options),
            None => checked.without_baseline(&name, "the lock file has no entry for it"),
        };
        Ok((checked, entry))
    }
}
