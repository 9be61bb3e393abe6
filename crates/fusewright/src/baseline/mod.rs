//! Plans held against a lock file: what `fusewright check` does.

mod file;
mod path;
mod settings;

use std::collections::BTreeSet;
use std::ffi::OsStr;

use fusewright_plan::Profile;
use fusewright_report::{CheckOptions, Checked, CheckedModel, LockEntry, LockSettings, Subject};

use crate::{Error, PlanOptions, Session, Strategy};

pub use file::Baseline;

/// The strategies that a new entry of a lock file gets: those that `plan` shows and that fuse.
fn usual() -> Vec<Strategy> {
    Strategy::DEFAULT.into_iter().filter(|&strategy| strategy != Strategy::Eager).collect()
}

/// Which model to hold against a lock file, and how.
#[derive(Clone, Debug)]
pub struct CheckRequest {
    /// The model and its options, as the lock file names them.
    pub settings: LockSettings,
    /// Which plans; empty for those of the entry, or the usual ones for a new entry.
    pub strategies: Vec<Strategy>,
    /// How they are compared.
    pub options: CheckOptions,
}

/// What became of one model.
#[derive(Clone, Debug)]
pub struct CheckResult {
    /// The comparison.
    pub checked: CheckedModel,
    /// What the lock file would keep of it now.
    pub entry: LockEntry,
}

impl Baseline {
    /// A request for a model as a user names it, opened as the session says; paths are put down from the folder of the
    /// lock file.
    pub fn request(&self, session: &Session, model: &OsStr, hw: Option<&OsStr>, profile: Profile) -> CheckRequest {
        let settings = LockSettings {
            hw: hw.map(|hw| self.name_of_device(hw)),
            model: self.name_of_model(model),
            profile: profile.name().to_owned(),
            ..session.lock_settings()
        };
        CheckRequest { settings, strategies: Vec::new(), options: CheckOptions::default() }
    }

    /// A request for each model of the lock file.
    pub fn requests(&self) -> Vec<CheckRequest> {
        let request = |entry: &LockEntry| CheckRequest {
            settings: entry.settings.clone(),
            strategies: Vec::new(),
            options: CheckOptions::default(),
        };
        self.lock().models.values().map(request).collect()
    }

    /// What a request stands for: its own entry, or, where it names a model without options and the lock file has the
    /// model with options only, each of these.
    pub fn meant_by(&self, request: CheckRequest) -> Vec<CheckRequest> {
        let settings = &request.settings;
        let plain = LockSettings {
            model: settings.model.clone(),
            profile: Profile::Default.name().to_owned(),
            ..LockSettings::default()
        };
        if *settings != plain || self.lock().models.contains_key(&settings.command()) {
            return vec![request];
        }
        let of_model = self.requests().into_iter().filter(|other| other.settings.model == settings.model);
        let others: Vec<CheckRequest> = of_model.collect();
        if others.is_empty() { vec![request] } else { others }
    }

    /// Plans a model and holds it against its entry.
    ///
    /// ```
    /// use fusewright::report::Verdict;
    /// use fusewright::{Baseline, Profile, Session};
    ///
    /// let mut baseline = Baseline::empty("fusewright.lock.json");
    /// let request = baseline.request(&Session::new(), "vit_b_16".as_ref(), None, Profile::Default);
    /// let first = baseline.check(&request)?;
    /// assert_eq!(first.checked.verdict, Verdict::NoBaseline);
    /// baseline.put(first.entry);
    /// assert_eq!(baseline.check(&request)?.checked.verdict, Verdict::Same);
    /// # Ok::<(), fusewright::Error>(())
    /// ```
    pub fn check(&self, request: &CheckRequest) -> Result<CheckResult, Error> {
        self.compare(request, &request.strategies)
    }

    /// Plans a model with the strategies of its entry and those asked for, to replace the entry; the comparison says what
    /// changes.
    pub fn update(&self, request: &CheckRequest) -> Result<CheckResult, Error> {
        let mut strategies: BTreeSet<Strategy> = request.strategies.iter().copied().collect();
        strategies.extend(self.strategies_of(&request.settings.command()));
        let strategies: Vec<Strategy> = strategies.into_iter().collect();
        let mut result = self.compare(request, &strategies)?;
        result.checked = result.checked.updated();
        Ok(result)
    }

    fn strategies_of(&self, name: &str) -> Vec<Strategy> {
        let entry = self.lock().models.get(name);
        entry.into_iter().flat_map(|e| e.strategies.keys()).filter_map(|name| Strategy::from_name(name)).collect()
    }

    fn compare(&self, request: &CheckRequest, strategies: &[Strategy]) -> Result<CheckResult, Error> {
        let settings = &request.settings;
        let name = settings.command();
        let strategies = match (strategies, self.strategies_of(&name)) {
            ([], locked) if locked.is_empty() => usual(),
            ([], locked) => locked,
            (asked, _) => asked.to_vec(),
        };
        let session = Session::from_lock_settings(settings).map_err(|problem| self.bad_setting(&name, problem))?;
        let profile = settings::profile(settings).map_err(|problem| self.bad_setting(&name, problem))?;
        let model = session.load(self.path_of_model(&settings.model))?;
        let device = settings.hw.as_ref().map(|hw| crate::device(self.path_of_device(hw))).transpose()?;
        let plans =
            model.plan(&PlanOptions { strategies, profile, device: device.clone(), ..PlanOptions::default() })?;
        let subject = Subject { analysis: plans.analysis(), source: model.source(), format: model.format() };
        let timed: Vec<_> = plans.timings().map(|(_, plan, timing)| (plan, Some(timing))).collect();
        let all: Vec<_> = plans.plans().map(|(_, plan)| plan).collect();
        let with_times = if device.is_some() { timed } else { all.iter().map(|&plan| (plan, None)).collect() };
        let entry = LockEntry::of(&subject, settings.clone(), device.as_ref(), &with_times);
        let checked = Checked { subject, now: &entry, plans: &all, device: device.as_ref() };
        let checked = match self.lock().models.get(&name) {
            Some(before) => checked.against(&name, before, request.options),
            None => checked.without_baseline(&name, self.missing()),
        };
        Ok(CheckResult { checked, entry })
    }
}
