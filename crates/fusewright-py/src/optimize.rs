//! Writing faster ONNX models.

use std::path::PathBuf;

use fusewright::report::optimize_diff;
use fusewright::{OptimizeOptions, Target};
use pyo3::prelude::*;

use crate::errors::Problem;
use crate::work::stage;

/// Rewrites an ONNX file; writes it where `output` is given. What was done as JSON and as text.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of Python, one for each option of the verb")]
#[pyo3(signature = (path, output=None, *, target="onnx", opset=None, pack=false, hw=None, force=false, width=80))]
pub(crate) fn optimize(
    py: Python<'_>,
    path: PathBuf,
    output: Option<PathBuf>,
    target: &str,
    opset: Option<i64>,
    pack: bool,
    hw: Option<PathBuf>,
    force: bool,
    width: usize,
) -> PyResult<(String, String)> {
    let target = target.parse::<Target>();
    stage(py, move || {
        let target = target.map_err(Problem::Usage)?;
        let device = hw.as_ref().map(fusewright::device).transpose()?;
        let optimized = fusewright::optimize(&path, OptimizeOptions { target, opset, pack, device })?;
        if let Some(output) = &output {
            optimized.write(output, force)?;
        }
        let report = optimized.report(output.as_deref());
        Ok((report.to_json(), optimize_diff(&report, width)))
    })
}
