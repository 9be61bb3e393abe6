//! Rules: what `fusewright patterns` does.

use std::path::PathBuf;

use fusewright::report::{pattern_json as json_of, pattern_list_json, pattern_page as page_of};
use fusewright::{add_pattern_file, check_examples, find_rule, pattern_library};
use pyo3::prelude::*;

use crate::work::stage;

/// The rules of the library and of further files as JSON, one object each.
#[pyfunction]
#[pyo3(signature = (files=None))]
pub(crate) fn pattern_rows(py: Python<'_>, files: Option<Vec<PathBuf>>) -> PyResult<String> {
    stage(py, || Ok(pattern_list_json(&pattern_library(&files.unwrap_or_default())?)))
}

/// A rule with its documentation and examples as JSON.
#[pyfunction]
#[pyo3(signature = (id, files=None))]
pub(crate) fn pattern_json(py: Python<'_>, id: String, files: Option<Vec<PathBuf>>) -> PyResult<String> {
    stage(py, move || {
        let library = pattern_library(&files.unwrap_or_default())?;
        Ok(json_of(library.rule(find_rule(&library, &id)?)))
    })
}

/// The same as text.
#[pyfunction]
#[pyo3(signature = (id, files=None, *, width=80))]
pub(crate) fn pattern_page(py: Python<'_>, id: String, files: Option<Vec<PathBuf>>, width: usize) -> PyResult<String> {
    stage(py, move || {
        let library = pattern_library(&files.unwrap_or_default())?;
        Ok(page_of(library.rule(find_rule(&library, &id)?), width))
    })
}

/// The id of the rule of a file, and its examples that are not as the file says, each with what is wrong.
#[pyfunction]
pub(crate) fn check_pattern(py: Python<'_>, path: PathBuf) -> PyResult<(String, Vec<(String, String)>)> {
    stage(py, move || {
        let mut library = pattern_library::<PathBuf>(&[])?;
        let rule = add_pattern_file(&mut library, &path)?;
        let wrong =
            check_examples(&library, rule).into_iter().map(|example| (example.title, example.problem)).collect();
        Ok((library.rule(rule).id.clone(), wrong))
    })
}
