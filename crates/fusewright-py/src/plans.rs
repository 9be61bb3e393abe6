//! The plans of a model, reported.

use fusewright::Strategy;
use fusewright::report::{self, PLAN_SCHEMA, PlanReport, TextOptions};
use pyo3::prelude::*;

use crate::errors::Problem;
use crate::rows;
use crate::table::Table;
use crate::work::stage;

/// Certified plans of one model: their report in every form.
#[pyclass(frozen, module = "fusewright._native")]
pub(crate) struct Plans {
    /// With every group of every plan.
    full: PlanReport,
    /// Without.
    short: PlanReport,
    dot: String,
}

impl Plans {
    pub(crate) fn new(full: PlanReport, dot: String) -> Self {
        let short = PlanReport { groups: None, ..full.clone() };
        Self { full, short, dot }
    }
}

#[pymethods]
impl Plans {
    /// The published JSON; `groups` adds every group of every plan.
    #[pyo3(signature = (*, groups=false))]
    fn json(&self, py: Python<'_>, groups: bool) -> PyResult<String> {
        stage(py, || Ok(if groups { self.full.to_json() } else { self.short.to_json() }))
    }

    /// The page that a terminal shows.
    #[pyo3(signature = (*, width=80, top=5, groups=false, styled=false))]
    fn text(&self, width: usize, top: usize, groups: bool, styled: bool) -> String {
        let report = if groups { &self.full } else { &self.short };
        report::text(report, TextOptions { top, width, styled })
    }

    /// Markdown, for notes and pull requests.
    #[pyo3(signature = (*, top=5, groups=false))]
    fn markdown(&self, top: usize, groups: bool) -> String {
        report::markdown(if groups { &self.full } else { &self.short }, top)
    }

    /// CSV, a row per strategy or per group.
    #[pyo3(signature = (*, groups=false))]
    fn csv(&self, groups: bool) -> String {
        report::csv(if groups { &self.full } else { &self.short })
    }

    /// The best plan as a Graphviz graph.
    fn dot(&self) -> &str {
        &self.dot
    }

    /// The name of the plan that is fastest, or moves the fewest bytes where there is no device.
    #[getter]
    fn best(&self) -> Option<&str> {
        self.full.best().map(|strategy| strategy.name.as_str())
    }

    /// A table: `strategies`, `patterns`, `groups`, `kernels`, `attentions` or `missed`.
    fn table(&self, py: Python<'_>, name: &str) -> PyResult<Table> {
        stage(py, || {
            let batch = match name {
                "strategies" => rows::strategies(&self.full),
                "patterns" => rows::patterns(&self.full),
                "groups" => rows::groups(&self.full),
                "kernels" => rows::kernels(&self.full),
                "attentions" => rows::attentions(&self.full),
                "missed" => rows::missed(&self.full),
                other => return Err(Problem::Usage(format!("there is no table `{other}`"))),
            };
            batch
                .map(Table::new)
                .map_err(|error| Problem::Bug(format!("a table has columns of unequal length: {error}")))
        })
    }
}

/// The JSON Schema of the report.
#[pyfunction]
pub(crate) fn schema() -> &'static str {
    PLAN_SCHEMA
}

/// Names of all strategies, from least to most fused.
#[pyfunction]
pub(crate) fn strategies() -> Vec<&'static str> {
    Strategy::ALL.into_iter().map(Strategy::name).collect()
}
