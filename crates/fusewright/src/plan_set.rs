//! Several plans of one model, with what they are measured against.

use fusewright_plan::{Analysis, Plan, Profile};
use fusewright_report::{Subject, WarningReport};

use crate::{Error, Model, PlanReport, Strategy};

/// What to plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanOptions {
    /// Which plans to make; each is made once, in the order of [`Strategy::ALL`].
    pub strategies: Vec<Strategy>,
    /// How to look at the graph.
    pub profile: Profile,
    /// Report every group too.
    pub groups: bool,
}

impl Default for PlanOptions {
    /// The default strategies in the default profile, without groups.
    fn default() -> Self {
        Self { strategies: Strategy::DEFAULT.to_vec(), profile: Profile::Default, groups: false }
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
    groups: bool,
}

impl<'a> PlanSet<'a> {
    pub(crate) fn of(model: &'a Model, options: &PlanOptions) -> Result<Self, Error> {
        let analysis = Analysis::of(model.decomposed());
        let make = |strategy: Strategy| {
            let plan = strategy.partitioner().partition(&analysis, options.profile);
            plan.map_err(|problem| Error::Certificate { strategy: strategy.name(), problem })
        };
        let eager = make(Strategy::Eager)?;
        let mut plans = Vec::new();
        for strategy in Strategy::ALL.into_iter().filter(|strategy| options.strategies.contains(strategy)) {
            let plan = if strategy == Strategy::Eager { None } else { Some(make(strategy)?) };
            plans.push((strategy, plan));
        }
        Ok(Self { model, analysis, eager, plans, groups: options.groups })
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

    /// The plan that moves the fewest bytes, then launches the fewest kernels.
    pub fn best(&self) -> Option<&Plan> {
        self.plans().map(|(_, plan)| plan).min_by_key(|plan| (plan.total.moved(), plan.total.kernels))
    }

    /// What people and programs read.
    pub fn report(&self) -> PlanReport {
        let subject = Subject { analysis: &self.analysis, source: self.model.source(), format: self.model.format() };
        let plans: Vec<&Plan> = self.plans().map(|(_, plan)| plan).collect();
        let warning = |(node, text): (&str, &str)| WarningReport { node: node.to_owned(), text: text.to_owned() };
        let mut report = PlanReport::new(&subject, &self.eager, &plans);
        report.notes = self.model.notes().to_vec();
        report.warnings = self.model.warnings().map(warning).collect();
        if self.groups { report.with_groups(&subject, &plans) } else { report }
    }

    /// The best plan as a Graphviz graph.
    pub fn dot(&self) -> String {
        fusewright_report::dot(&self.analysis, self.best().unwrap_or(&self.eager))
    }
}
