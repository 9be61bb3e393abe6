//! The page about a model: its data, and the file that holds them.

mod settings;
mod source;

use fusewright_page::data::DeviceChoice;
use fusewright_page::{PageData, PageSettings, PageSubject, TimedPlan};
use fusewright_pattern::Library;
use fusewright_report::{CompareReport, rule_text};

use crate::{Error, PlanSet};

pub use fusewright_page::{EmbeddedModel, Reader, Tables, app_page, report_page};
pub use settings::page_settings;
pub use source::{ModelFile, model_file};

impl PlanSet<'_> {
    /// Everything that a page about these plans shows; `devices` are those that it offers, `diff` compares two plans, of
    /// this model or another.
    ///
    /// ```
    /// use fusewright::{PlanOptions, Session, page, pattern_library};
    ///
    /// let (session, options) = (Session::new(), PlanOptions::default());
    /// let model = session.load("vit_b_16")?;
    /// let plans = model.plan(&options)?;
    /// let settings = page::page_settings(&session, &options, "vit_b_16");
    /// let library = pattern_library(&[] as &[&str])?;
    /// let devices = page::Tables::of(&library, None).choices();
    /// let data = plans.page(&library, settings, devices, None)?;
    /// let attention = &data.plans[2];
    /// // Before the layers, twelve equal ones, what follows them.
    /// assert!(attention.outline.iter().any(|entry| entry.times >= 10));
    /// assert!(page::report_page(&data, None).starts_with("<!doctype html>"));
    /// # Ok::<(), fusewright::Error>(())
    /// ```
    pub fn page(
        &self,
        library: &Library,
        settings: PageSettings,
        devices: Vec<DeviceChoice>,
        diff: Option<CompareReport>,
    ) -> Result<PageData, Error> {
        let explained = self.explain(library, None)?.misses_only();
        let timed: Vec<TimedPlan> = self
            .plans()
            .map(|(strategy, plan)| {
                let timing = self.timings().find(|(of, _, _)| *of == strategy).map(|(_, _, timing)| timing);
                TimedPlan { plan, timing }
            })
            .collect();
        let eager_timing = timed.iter().find(|timed| timed.plan.strategy == "eager").and_then(|timed| timed.timing);
        let subject = PageSubject {
            analysis: self.analysis(),
            eager: TimedPlan { plan: self.eager(), timing: eager_timing },
            plans: &timed,
            device: self.device(),
            explained: &explained,
        };
        let mut data = PageData::new(&subject, self.report(), settings);
        let rules = data.rule_ids().into_iter().filter_map(|id| Some((id.to_owned(), rule_text(id, library)?)));
        data.rules = rules.collect();
        data.devices = devices;
        data.diff = diff;
        Ok(data)
    }
}
