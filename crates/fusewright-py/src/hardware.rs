//! Devices: what `fusewright hw` does.

use std::ffi::OsString;
use std::path::PathBuf;

use fusewright::hardware::{find, ids};
use fusewright::{Device, device, device_file, predict_file, report};
use fusewright_calibrate::{Effort, calibrate as measure};
use pyo3::prelude::*;

use crate::errors::Problem;
use crate::work::stage;

/// The built-in devices as JSON, one object each.
#[pyfunction]
pub(crate) fn device_rows(py: Python<'_>) -> PyResult<String> {
    stage(py, || {
        let devices: Vec<Device> = ids().filter_map(find).collect();
        Ok(report::device_list_json(&devices))
    })
}

/// Every number of a device with unit and source, as JSON.
#[pyfunction]
pub(crate) fn device_json(py: Python<'_>, name_or_path: OsString) -> PyResult<String> {
    stage(py, || Ok(report::device_json(&device(name_or_path)?)))
}

/// The same as text.
#[pyfunction]
#[pyo3(signature = (name_or_path, width=80))]
pub(crate) fn device_page(py: Python<'_>, name_or_path: OsString, width: usize) -> PyResult<String> {
    stage(py, || Ok(report::device_page(&device(name_or_path)?, width)))
}

/// Refuses a device file that breaks a rule; gives its id.
#[pyfunction]
pub(crate) fn check_device(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    stage(py, || Ok(device_file(path)?.id))
}

/// Predicted time and limiter for each kernel of a CSV file, as CSV.
#[pyfunction]
pub(crate) fn predict_kernels(py: Python<'_>, hw: OsString, csv: PathBuf) -> PyResult<String> {
    stage(py, || Ok(predict_file(&device(hw)?, csv)?))
}

/// Measures this machine's processor; gives its device file.
#[pyfunction]
pub(crate) fn calibrate(py: Python<'_>) -> PyResult<String> {
    stage(py, || measure(Effort::Full, |_| {}).map_err(|problem| Problem::Machine(problem.to_string())))
}
