//! The published form of a check.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{FigureChange, FusionReport, MovedFusion};
use crate::json;
use crate::plan_report::SCHEMA_VERSION;

/// What became of a plan, a model or a whole lock file; the later the more it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Verdict {
    /// As the lock file says.
    Same,
    /// Written to the lock file.
    Updated,
    /// Better in some figure, worse in none.
    Improved,
    /// Other groups, and neither better nor worse.
    Changed,
    /// The lock file has nothing to compare with.
    NoBaseline,
    /// Worse in some figure.
    Regressed,
}

impl Verdict {
    /// Public name.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Same => "same",
            Verdict::Updated => "updated",
            Verdict::Improved => "improved",
            Verdict::Changed => "changed",
            Verdict::NoBaseline => "no-baseline",
            Verdict::Regressed => "regressed",
        }
    }
}

/// A count before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CountChange {
    /// What the lock file says.
    pub before: u64,
    /// What is planned now.
    pub after: u64,
}

/// A plan against the lock file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckedStrategy {
    /// Name of the partitioner.
    pub name: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Kernels now.
    pub kernels: u64,
    /// Bytes moved now.
    pub bytes: u64,
    /// Figures that differ.
    pub figures: Vec<FigureChange>,
    /// Fused groups that are there no more.
    pub vanished: Vec<FusionReport>,
    /// Fused groups that are new.
    pub appeared: Vec<FusionReport>,
    /// Fused groups that stand elsewhere.
    pub moved: Vec<MovedFusion>,
    /// Kernels of one node whose number differs, by op.
    pub single: BTreeMap<String, CountChange>,
}

/// A model against the lock file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckedModel {
    /// Name of its entry: what follows `fusewright check`.
    pub name: String,
    /// What became of it: the worst of its plans.
    pub verdict: Verdict,
    /// Its structure is not that of the lock file: other ops, attributes, shapes or dtypes.
    pub model_changed: bool,
    /// Structure hash now.
    pub hash: String,
    /// Version of fusewright that wrote the entry, where that is another than this one.
    pub locked_by: Option<String>,
    /// The description of the device is not that of the lock file.
    pub device_changed: bool,
    /// What is worth knowing of the comparison, a sentence each.
    pub notes: Vec<String>,
    /// Its plans.
    pub strategies: Vec<CheckedStrategy>,
}

/// What `fusewright check` says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckReport {
    /// Version of this form: 1.
    #[cfg_attr(test, schemars(range(min = 1, max = 1)))]
    pub schema_version: u32,
    /// Version of fusewright that checked.
    pub tool_version: String,
    /// The lock file.
    pub lock: String,
    /// The worst of its models.
    pub verdict: Verdict,
    /// Tolerance of predicted times, as a fraction.
    pub tolerance: f64,
    /// The models.
    pub models: Vec<CheckedModel>,
}

impl CheckedModel {
    /// The same where what is planned now was written to the lock file.
    #[must_use]
    pub fn updated(mut self) -> Self {
        if self.verdict == Verdict::NoBaseline {
            self.notes.clear();
        }
        for strategy in &mut self.strategies {
            if strategy.verdict == Verdict::NoBaseline {
                strategy.verdict = Verdict::Updated;
            }
        }
        self.verdict = Verdict::Updated;
        self
    }

    /// Nothing of it was in the lock file.
    pub(super) fn is_new(&self) -> bool {
        self.strategies.iter().all(|strategy| strategy.verdict == Verdict::NoBaseline)
    }
}

impl CheckReport {
    /// The report of some models against one lock file.
    pub fn new(lock: impl Into<String>, tolerance: f64, models: Vec<CheckedModel>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            lock: lock.into(),
            verdict: models.iter().map(|model| model.verdict).max().unwrap_or(Verdict::NoBaseline),
            tolerance,
            models,
        }
    }

    /// The report as JSON, indented, with a newline at the end.
    pub fn to_json(&self) -> String {
        json::indented(self)
    }
}
