//! Work without the interpreter lock, that neither panics nor swallows a Ctrl-C.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::marker::Ungil;
use pyo3::prelude::*;

use crate::errors::Problem;

/// Runs a stage without the interpreter lock; a signal that came meanwhile is delivered after it.
pub(crate) fn stage<T: Ungil + Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, Problem> + Ungil + Send,
) -> PyResult<T> {
    // What a stage was working on is not looked at again after a panic.
    let done = py.detach(|| catch_unwind(AssertUnwindSafe(work)));
    py.check_signals()?;
    let result = done.unwrap_or_else(|panic| Err(Problem::Bug(describe(panic.as_ref()))));
    result.map_err(|problem| problem.raise(py))
}

fn describe(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a bug of fusewright: {}", text.unwrap_or("a panic without a message"))
}
