//! Several plans of one model, with what they are measured against.

use fusewright_device::Device;
use fusewright_plan::{Analysis, Plan, Profile, Timing, time_plan};
use fusewright_report::{Subject, WarningReport};

use crate::{Error, Model, PlanReport, Strategy};

/// What to plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanOptions {
    /// Which plans to make; each is made once, in the order of [`Strategy::ALL`].
    pub strategies: Vec<Strategy>,
    /// How to look at the graph.
    pub profile: Profile,
    /// Report every group too.
    pub groups: bool,
    /// The device that times are predicted for, and that decides what is worth merging.
    pub device: Option<Device>,
    /// Choices that the search for the optimal plan looks at before it hurries; `None` for as many as take it a second
    /// or two.
    pub effort: Option<u64>,
}

impl Default for PlanOptions {
    /// The default strategies in the default profile, without groups.
    fn default() -> Self {
        Self {
            strategies: Strategy::DEFAULT.to_vec(),
            profile: Profile::Default,
            groups: false,
            device: None,
            effort: None,
        }
    }
}

/// Certified plans of one model.
///
/// ```
/// use fusewright::{PlanOptions, Session, Strategy};
///
/// let model = Session::new().load("vit_b_16")?;
/// let plans = model.plan(&PlanOptions::default())?;
/// let attention = plans.plan(Strategy::Attention).expect("all strategies were asked for");
/// assert_eq!(attention.merges.len(), 12);
/// # Ok::<(), fusewright::Error>(())
/// ```
#[derive(Debug)]
pub struct PlanSet<'a> {
    model: &'a Model,
    analysis: Analysis<'a>,
    eager: Plan,
    /// What was asked for; `None` stands for the eager plan, which is there anyway.
    plans: Vec<(Strategy, Option<Plan>)>,
    /// The time of each of these on the device.
    timings: Vec<Timing>,
    device: Option<Device>,
    groups: bool,
}

impl<'a> PlanSet<'a> {
    pub(crate) fn of(model: &'a Model, options: &PlanOptions) -> Result<Self, Error> {
        let analysis = Analysis::of(model.decomposed());
        let make = |strategy: Strategy| {
            let plan =
                strategy.partitioner(options.device.as_ref(), options.effort).partition(&analysis, options.profile);
            plan.map_err(|problem| Error::Certificate { strategy: strategy.name(), problem })
        };
        let eager = make(Strategy::Eager)?;
        let mut plans = Vec::new();
        for strategy in Strategy::ALL.into_iter().filter(|strategy| options.strategies.contains(strategy)) {
            let plan = if strategy == Strategy::Eager { None } else { Some(make(strategy)?) };
            plans.push((strategy, plan));
        }
        let timings = options.device.iter().flat_map(|device| {
            plans.iter().map(|(_, plan)| time_plan(&analysis, plan.as_ref().unwrap_or(&eager), device))
        });
        let timings = timings.collect();
        Ok(Self { model, eager, plans, timings, device: options.device.clone(), groups: options.groups, analysis })
    }

    /// The model that is planned.
    pub fn model(&self) -> &'a Model {
        self.model
    }

    /// The device that times are predicted for.
    pub fn device(&self) -> Option<&Device> {
        self.device.as_ref()
    }

    /// The eager plan in the same profile, which savings are measured against.
    pub fn eager(&self) -> &Plan {
        &self.eager
    }

    /// The analysed graph.
    pub fn analysis(&self) -> &Analysis<'a> {
        &self.analysis
    }

    /// The plans that were asked for.
    pub fn plans(&self) -> impl Iterator<Item = (Strategy, &Plan)> {
        self.plans.iter().map(|(strategy, plan)| (*strategy, plan.as_ref().unwrap_or(&self.eager)))
    }

    /// One of them.
    pub fn plan(&self, strategy: Strategy) -> Option<&Plan> {
        self.plans().find(|(made, _)| *made == strategy).map(|(_, plan)| plan)
    }

    /// The plans with their times on the device; nothing where there is no device.
    pub fn timings(&self) -> impl Iterator<Item = (Strategy, &Plan, &Timing)> {
        self.plans().zip(&self.timings).map(|((strategy, plan), timing)| (strategy, plan, timing))
    }

    /// The fastest plan on the device; without one, the plan that moves the fewest bytes, then launches the fewest
    /// kernels.
    pub fn best(&self) -> Option<&Plan> {
        let timed = self.timings().min_by(|(_, _, a), (_, _, b)| a.total.us.total_cmp(&b.total.us));
        let counted = || self.plans().map(|(_, plan)| plan).min_by_key(|plan| (plan.total.moved(), plan.total.kernels));
        timed.map(|(_, plan, _)| plan).or_else(counted)
    }

    /// The best plan, with its time on the device.
    pub(crate) fn best_timed(&self) -> (&Plan, Option<&Timing>) {
        let best = self.best().unwrap_or(&self.eager);
        let timing = self.timings().find(|(_, plan, _)| std::ptr::eq(*plan, best)).map(|(_, _, timing)| timing);
        (best, timing)
    }

    /// What people and programs read.
    pub fn report(&self) -> PlanReport {
        let subject = Subject { analysis: &self.analysis, source: self.model.source(), format: self.model.format() };
        let plans: Vec<&Plan> = self.plans().map(|(_, plan)| plan).collect();
        let warning = |(node, text): (&str, &str)| WarningReport { node: node.to_owned(), text: text.to_owned() };
        let mut report = PlanReport::new(&subject, &self.eager, &plans);
        report.notes = self.model.notes().to_vec();
        report.warnings = self.model.warnings().map(warning).collect();
        if self.groups {
            report = report.with_groups(&subject, &plans);
        }
        let Some(device) = &self.device else { return report };
        let timed: Vec<(&Plan, &Timing)> = self.timings().map(|(_, plan, timing)| (plan, timing)).collect();
        report.with_times(&subject, device, &timed)
    }

    /// The best plan as a Mermaid flowchart.
    pub fn mermaid(&self) -> String {
        fusewright_report::mermaid(&self.analysis, self.best().unwrap_or(&self.eager))
    }

    /// The best plan as node data of Model Explorer.
    pub fn model_explorer(&self) -> String {
        let (plan, timing) = self.best_timed();
        fusewright_report::model_explorer(&self.analysis, plan, timing)
    }

    /// The predicted schedules as trace events, for Perfetto; `None` without a device.
    pub fn trace(&self) -> Option<String> {
        self.device.as_ref()?;
        let timed: Vec<(&Plan, &Timing)> = self.timings().map(|(_, plan, timing)| (plan, timing)).collect();
        Some(fusewright_report::trace(&self.analysis, &timed))
    }

    /// The best plan as a Graphviz graph.
    pub fn dot(&self) -> String {
        fusewright_report::dot(&self.analysis, self.best().unwrap_or(&self.eager))
    }
}
