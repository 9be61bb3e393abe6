//! A table that leaves through the Arrow `PyCapsule` interface.
//!
//! Whatever speaks that interface (polars, pandas, pyarrow, `DuckDB`) takes the columns as they are, without a copy.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::ffi::FFI_ArrowSchema;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::types::{Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, RecordBatch, RecordBatchIterator};
use arrow_schema::{ArrowError, DataType};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyList};

use crate::errors::Problem;

/// Rows and columns, in Arrow's layout.
#[pyclass(frozen, module = "fusewright._native")]
pub(crate) struct Table {
    batch: RecordBatch,
}

impl Table {
    pub(crate) fn new(batch: RecordBatch) -> Self {
        Self { batch }
    }
}

#[pymethods]
impl Table {
    fn __len__(&self) -> usize {
        self.batch.num_rows()
    }

    /// Names of the columns in order; units are in the names.
    #[getter]
    fn column_names(&self) -> Vec<String> {
        self.batch.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// The values of one column.
    fn column<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyList>> {
        let column = self.batch.column_by_name(name).ok_or_else(|| {
            let known = self.column_names().join(", ");
            Problem::Usage(format!("there is no column `{name}`; the columns are {known}")).raise(py)
        })?;
        list(py, column)
    }

    /// Columns by name.
    fn to_pydict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(py);
        for (name, column) in self.column_names().iter().zip(self.batch.columns()) {
            columns.set_item(name, list(py, column)?)?;
        }
        Ok(columns)
    }

    /// The columns as a stream of Arrow record batches.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // A producer may give its own types whatever was asked for.
        drop(requested_schema);
        let batches = RecordBatchIterator::new([Ok::<_, ArrowError>(self.batch.clone())], self.batch.schema());
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(batches)), c"arrow_array_stream")
    }

    /// Names and types of the columns.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.batch.schema().as_ref())
            .map_err(|error| Problem::Bug(error.to_string()).raise(py))?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }
}

/// A column as Python values; missing ones are `None`.
fn list<'py>(py: Python<'py>, column: &ArrayRef) -> PyResult<Bound<'py, PyList>> {
    match column.data_type() {
        DataType::UInt64 => numbers::<UInt64Type>(py, column),
        DataType::Int64 => numbers::<Int64Type>(py, column),
        DataType::Float64 => numbers::<Float64Type>(py, column),
        DataType::Boolean => PyList::new(py, column.as_boolean().iter()),
        DataType::Utf8 => PyList::new(py, column.as_string::<i32>().iter()),
        DataType::List(_) => {
            let rows = column.as_list::<i32>().iter();
            let rows =
                rows.map(|row| row.map_or_else(|| Ok(py.None()), |row| list(py, &Arc::clone(&row))?.into_py_any(py)));
            PyList::new(py, rows.collect::<PyResult<Vec<_>>>()?)
        }
        other => Err(Problem::Bug(format!("a column of type {other}")).raise(py)),
    }
}

fn numbers<'py, T: ArrowPrimitiveType>(py: Python<'py>, column: &ArrayRef) -> PyResult<Bound<'py, PyList>>
where
    T::Native: IntoPyObject<'py>,
{
    PyList::new(py, column.as_primitive::<T>().iter().collect::<Vec<_>>())
}
