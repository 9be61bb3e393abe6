//! A model that was opened.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use fusewright::report::{FindingsReport, TextOptions, explain_text, graph_json};
use fusewright::{
    Analysis, BUILT_IN, CompareSide, PlanOptions, Session, compare, device, find_patterns, ir, page, pattern_library,
};
use pyo3::prelude::*;

use crate::errors::Problem;
use crate::options;
use crate::plans::Plans;
use crate::work::stage;

/// A model that was opened, its attention layers too.
#[pyclass(frozen, module = "fusewright._native")]
pub(crate) struct Model {
    opened: fusewright::Model,
    session: Session,
    /// What to call it in a command, and where to read it again; `None` for what came as bytes.
    place: Option<OsString>,
}

impl Model {
    pub(crate) fn facade(&self) -> &fusewright::Model {
        &self.opened
    }

    /// How it was opened.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }
}

/// Opens a file, a folder, a built-in name, or `content` under the name `source`.
#[pyfunction]
#[pyo3(signature = (source, content=None, *, dims=None, dtype=None, autocast=None, fast_norms=false, phase=None, verify_each=false))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of Python, one for each option of a session")]
pub(crate) fn open(
    py: Python<'_>,
    source: OsString,
    content: Option<Vec<u8>>,
    dims: Option<BTreeMap<String, u64>>,
    dtype: Option<String>,
    autocast: Option<String>,
    fast_norms: bool,
    phase: Option<String>,
    verify_each: bool,
) -> PyResult<Model> {
    stage(py, move || {
        let mut session = Session::new().with_verification_of_each_stage(verify_each);
        for (name, size) in dims.unwrap_or_default() {
            session = session.with_dim(name, size);
        }
        if let Some(name) = dtype {
            session = session.with_dtype(options::dtype("dtype", &name)?);
        }
        if let Some(name) = autocast {
            session = session.with_autocast(options::dtype("autocast", &name)?).with_fast_norms(fast_norms);
        }
        if let Some(name) = phase {
            session = session.with_phase(options::phase(&name)?);
        }
        let place = if content.is_none() { Some(source.clone()) } else { None };
        let opened = match content {
            Some(content) => session.load_bytes(content, source.to_string_lossy())?,
            None => session.load(source)?,
        };
        Ok(Model { opened, session, place })
    })
}

#[pymethods]
impl Model {
    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        self.opened.name()
    }

    /// The format that it was read in.
    #[getter]
    fn format(&self) -> &'static str {
        self.opened.format()
    }

    /// What could not be read exactly, as node and explanation.
    #[getter]
    fn warnings(&self) -> Vec<(String, String)> {
        self.opened.warnings().map(|(node, text)| (node.to_owned(), text.to_owned())).collect()
    }

    /// What is worth knowing of the file as a whole.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.opened.notes().to_vec()
    }

    /// The graph as text or JSON, with attention layers opened or as the source states it.
    #[pyo3(signature = (*, decompose=false, format="text"))]
    fn dump(&self, py: Python<'_>, decompose: bool, format: &str) -> PyResult<String> {
        stage(py, || {
            let graph = if decompose { self.opened.decomposed() } else { self.opened.graph() };
            match format {
                "text" => Ok(ir::text::print(graph)),
                "json" => Ok(graph_json(graph)),
                other => Err(Problem::Usage(format!("`{other}` is no format of a dump; expected `text` or `json`"))),
            }
        })
    }

    /// Where the rules of the library, and of further files, hold and where they nearly do, as JSON.
    #[pyo3(signature = (files=None))]
    fn find_patterns(&self, py: Python<'_>, files: Option<Vec<PathBuf>>) -> PyResult<String> {
        stage(py, || {
            let library = pattern_library(&files.unwrap_or_default())?;
            let analysis = Analysis::of(self.opened.decomposed());
            Ok(FindingsReport::of(analysis.graph, &library, &find_patterns(&analysis, &library)).to_json())
        })
    }

    /// Explains plans, or one node in them: JSON and the page of a terminal.
    #[pyo3(signature = (strategies=None, *, profile="default", hw=None, node=None, files=None, width=80, top=5))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python, one for each option of the verb")]
    fn explain(
        &self,
        py: Python<'_>,
        strategies: Option<Vec<String>>,
        profile: &str,
        hw: Option<OsString>,
        node: Option<&str>,
        files: Option<Vec<PathBuf>>,
        width: usize,
        top: usize,
    ) -> PyResult<(String, String)> {
        stage(py, || {
            let library = pattern_library(&files.unwrap_or_default())?;
            let options = PlanOptions {
                strategies: options::strategies(strategies)?,
                profile: options::profile(profile)?,
                groups: false,
                device: hw.map(device).transpose()?,
                ..PlanOptions::default()
            };
            let report = self.opened.plan(&options)?.explain(&library, node)?;
            let text = explain_text(&report, TextOptions { top, width, styled: false });
            Ok((report.to_json(), text))
        })
    }

    /// The page about it, one HTML file; with `planner` it plans anew for other devices and sizes, where the model is a
    /// file or built in.
    #[pyo3(signature = (strategies=None, *, profile="default", hw=None, planner=true))]
    fn page(
        &self,
        py: Python<'_>,
        strategies: Option<Vec<String>>,
        profile: &str,
        hw: Option<OsString>,
        planner: bool,
    ) -> PyResult<String> {
        stage(py, || {
            let options = PlanOptions {
                strategies: options::strategies(strategies)?,
                profile: options::profile(profile)?,
                device: hw.map(device).transpose()?,
                ..PlanOptions::default()
            };
            let plans = self.opened.plan(&options)?;
            let settings = page::page_settings(&self.session, &options, self.opened.source());
            let sides: Vec<CompareSide> =
                plans.plans().map(|(strategy, _)| CompareSide { plans: &plans, strategy }).collect();
            let diff = sides.len().checked_sub(2).and_then(|first| compare(&sides[first..], 0, 1));
            let library = pattern_library(&[] as &[PathBuf])?;
            let tables = page::Tables::of(&library, plans.device());
            let data = plans.page(&library, settings, tables.choices(), diff)?;
            let place = self.place.as_ref().filter(|place| planner && *place != "-");
            let file = place.map(page::model_file).transpose()?;
            Ok(page::report_page(&data, file.as_ref().map(|file| file.embedded(&tables))))
        })
    }

    /// Plans it.
    #[pyo3(signature = (strategies=None, *, profile="default", hw=None))]
    fn plan(
        &self,
        py: Python<'_>,
        strategies: Option<Vec<String>>,
        profile: &str,
        hw: Option<OsString>,
    ) -> PyResult<Plans> {
        let options = stage(py, || {
            Ok(PlanOptions {
                strategies: options::strategies(strategies)?,
                profile: options::profile(profile)?,
                groups: true,
                device: hw.map(device).transpose()?,
                ..PlanOptions::default()
            })
        })?;
        stage(py, || {
            let plans = self.opened.plan(&options)?;
            Ok(Plans::new(plans.report(), plans.dot()))
        })
    }
}

/// Name and description of every built-in model.
#[pyfunction]
pub(crate) fn built_in_models() -> Vec<(&'static str, &'static str)> {
    BUILT_IN.iter().map(|model| (model.name, model.description)).collect()
}
