//! Everything that the page shows, in columns: a page of ten thousand ops stays small, and the script reads arrays.
//!
//! Texts of the model are places in [`PageData::strings`]. Kernels of a plan are numbered in the order in which they
//! run; groups that launch nothing are not among them. Columns that mostly rise are written as differences.

mod deltas;
mod kernels;
mod memory;
mod ops;
mod outline;
mod repeats;
mod roofs;
mod savings;
mod sections;
mod stack;
mod strings;

use std::collections::BTreeMap;

use fusewright_device::Device;
use fusewright_plan::{Analysis, Plan, Timing};
use fusewright_report::{CompareReport, ExplainReport, ExplainedMiss, PlanReport, RuleText};
use serde::Serialize;

pub use kernels::Kernels;
pub use memory::Memory;
pub use ops::Ops;
pub use outline::OutlineEntry;
pub use roofs::{Roof, Roofs};
pub use savings::{SavingClass, SavingRow};
pub use sections::{Section, SectionLayout};

use strings::Strings;

/// Version of the form of the data; script and data of one page always have the same.
pub const PAGE_VERSION: u32 = 1;

/// How the model was opened and planned: what the page's controls show, and what the planner in it is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PageSettings {
    /// Id of the device; `None` without one.
    pub device: Option<String>,
    /// Element type that was asked for.
    pub dtype: Option<String>,
    /// Type of autocast that was asked for.
    pub autocast: Option<String>,
    /// `prefill` or `decode`, where the model leaves it open and it was asked for.
    pub phase: Option<String>,
    /// Sizes that were asked for, by the name of the dim.
    pub dims: BTreeMap<String, u64>,
    /// Names of the strategies.
    pub strategies: Vec<String>,
    /// Name of the profile.
    pub profile: String,
    /// The command that writes this page.
    pub command: String,
}

/// A device that the controls offer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceChoice {
    /// Id.
    pub id: String,
    /// Full name.
    pub title: String,
    /// `gpu`, `systolic` or `cpu`.
    pub class: String,
}

/// One plan as the page shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanView {
    /// Name of the strategy.
    pub strategy: String,
    /// Its kernels.
    pub kernels: Kernels,
    /// Consecutive kernels that belong together, a layer most often.
    pub sections: Vec<Section>,
    /// The sections in order, equal ones once.
    pub outline: Vec<OutlineEntry>,
    /// What lives in memory.
    pub memory: Memory,
    /// What it saves against eager, by class of fusion.
    pub savings: Vec<SavingRow>,
    /// What it does not fuse though a rule holds or nearly holds, largest saving first.
    pub misses: Vec<ExplainedMiss>,
}

/// What the page shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PageData {
    /// [`PAGE_VERSION`].
    pub page_version: u32,
    /// The first sentence.
    pub verdict: String,
    /// What `plan --format json` says.
    pub report: PlanReport,
    /// How it was made.
    pub settings: PageSettings,
    /// Every text that occurs.
    pub strings: Vec<String>,
    /// Names of the graph's inputs.
    pub inputs: Vec<u32>,
    /// The nodes.
    pub ops: Ops,
    /// The plans, in the order of the report's strategies.
    pub plans: Vec<PlanView>,
    /// Highest rates of the device.
    pub roofs: Option<Roofs>,
    /// What the ids of rules and reasons mean.
    pub rules: BTreeMap<String, RuleText>,
    /// Devices that the controls offer.
    pub devices: Vec<DeviceChoice>,
    /// Two plans against each other.
    pub diff: Option<CompareReport>,
}

/// A plan with its time on the device.
#[derive(Clone, Copy, Debug)]
pub struct TimedPlan<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Its time.
    pub timing: Option<&'a Timing>,
}

/// What page data are made of.
#[derive(Clone, Copy, Debug)]
pub struct PageSubject<'a> {
    /// The analysed graph.
    pub analysis: &'a Analysis<'a>,
    /// The eager plan, which savings are measured against.
    pub eager: TimedPlan<'a>,
    /// The plans, in the order of the report's strategies.
    pub plans: &'a [TimedPlan<'a>],
    /// The device.
    pub device: Option<&'a Device>,
    /// What is not fused and why, plan by plan.
    pub explained: &'a ExplainReport,
}

impl PageData {
    /// The data of a page about `report`, whose plans are those of `subject`.
    pub fn new(subject: &PageSubject, report: PlanReport, settings: PageSettings) -> Self {
        let graph = subject.analysis.graph;
        let mut strings = Strings::default();
        let inputs = graph.inputs().iter().map(|&input| strings.place(graph.value_name(input))).collect();
        let ops = Ops::of(subject.analysis, &mut strings);
        let plans = subject.plans.iter().enumerate().map(|(number, timed)| {
            let kernels = Kernels::of(subject.analysis, timed, &mut strings);
            let sections = sections::sections(subject.analysis, timed.plan, &kernels, &mut strings);
            PlanView {
                strategy: timed.plan.strategy.to_owned(),
                outline: outline::outline(&sections, &mut strings),
                memory: Memory::of(subject.analysis, timed.plan, &kernels),
                savings: savings::savings(subject.analysis, &subject.eager, timed),
                misses: subject.explained.plans.get(number).map(|plan| plan.misses.clone()).unwrap_or_default(),
                kernels,
                sections,
            }
        });
        let plans = plans.collect();
        Self {
            page_version: PAGE_VERSION,
            verdict: fusewright_report::verdict(&report).replace('\u{a0}', " "),
            report: PlanReport { groups: None, ..report },
            settings,
            inputs,
            ops,
            plans,
            strings: strings.into_texts(),
            roofs: subject.device.map(Roofs::of),
            rules: BTreeMap::new(),
            devices: Vec::new(),
            diff: None,
        }
    }

    /// Ids of the rules and reasons that the data name.
    pub fn rule_ids(&self) -> Vec<&str> {
        let misses = self.plans.iter().flat_map(|plan| &plan.misses);
        let ids = misses.flat_map(|miss| {
            [Some(miss.rule.as_str()), Some(miss.reason.as_str()), miss.variant.as_deref()].into_iter().flatten()
        });
        let mut ids: Vec<&str> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The data as JSON in one line.
    pub fn to_json(&self) -> String {
        // Every map of the data has text for keys, so writing it to memory cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl DeviceChoice {
    /// A device.
    pub fn of(device: &Device) -> Self {
        Self { id: device.id.clone(), title: device.name.clone(), class: device.class.name().to_owned() }
    }
}
