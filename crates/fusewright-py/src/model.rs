//! A model that was opened.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use fusewright::report::{FindingsReport, TextOptions, explain_text, graph_json};
use fusewright::{Analysis, BUILT_IN, PlanOptions, Session, device, find_patterns, ir, pattern_library};
use pyo3::prelude::*;

use crate::errors::Problem;
use crate::options;
use crate::plans::Plans;
use crate::work::stage;

/// A model that was opened, its attention layers too.
#[pyclass(frozen, module = "fusewright._native")]
pub(crate) struct Model {
    model: fusewright::Model,
    session: Session,
}

impl Model {
    pub(crate) fn facade(&self) -> &fusewright::Model {
        &self.model
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
        let model = match content {
            Some(content) => session.load_bytes(content, source.to_string_lossy())?,
            None => session.load(source)?,
        };
        Ok(Model { model, session })
    })
}

#[pymethods]
impl Model {
    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        self.model.name()
    }

    /// The format that it was read in.
    #[getter]
    fn format(&self) -> &'static str {
        self.model.format()
    }

    /// What could not be read exactly, as node and explanation.
    #[getter]
    fn warnings(&self) -> Vec<(String, String)> {
        self.model.warnings().map(|(node, text)| (node.to_owned(), text.to_owned())).collect()
    }

    /// What is worth knowing of the file as a whole.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.model.notes().to_vec()
    }

    /// The graph as text or JSON, with attention layers opened or as the source states it.
    #[pyo3(signature = (*, decompose=false, format="text"))]
    fn dump(&self, py: Python<'_>, decompose: bool, format: &str) -> PyResult<String> {
        stage(py, || {
            let graph = if decompose { self.model.decomposed() } else { self.model.graph() };
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
            let analysis = Analysis::of(self.model.decomposed());
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
            let report = self.model.plan(&options)?.explain(&library, node)?;
            let page = explain_text(&report, TextOptions { top, width, styled: false });
            Ok((report.to_json(), page))
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
            let plans = self.model.plan(&options)?;
            Ok(Plans::new(plans.report(), plans.dot()))
        })
    }
}

/// Name and description of every built-in model.
#[pyfunction]
pub(crate) fn built_in_models() -> Vec<(&'static str, &'static str)> {
    BUILT_IN.iter().map(|model| (model.name, model.description)).collect()
}
