//! `fusewright._native`: the facade as Python sees it.
//!
//! Opening, planning and writing happen without the interpreter lock; between them the interpreter may deliver a
//! Ctrl-C. Everything that can go wrong becomes an exception in one place, `errors`. Tables leave as Arrow record
//! batches. What is convenient rather than necessary is written in Python, in `python/fusewright`.

mod check;
mod errors;
mod hardware;
mod model;
mod optimize;
mod options;
mod patterns;
mod plans;
mod rows;
mod table;
mod work;

use pyo3::prelude::*;

/// The native module.
#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::hardware::{calibrate, check_device, device_json, device_page, device_rows, predict_kernels};
    #[pymodule_export]
    use crate::model::{Model, built_in_models, open};
    #[pymodule_export]
    use crate::optimize::optimize;
    #[pymodule_export]
    use crate::patterns::{check_pattern, pattern_json, pattern_page, pattern_rows};
    #[pymodule_export]
    use crate::plans::{Plans, schema, strategies};
    #[pymodule_export]
    use crate::table::Table;

    use super::{Bound, PyModule, PyModuleMethods, PyResult};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
