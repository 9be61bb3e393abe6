//! Kernels in a table: CSV in, the same CSV with predicted times out.
//!
//! The columns that are read are those of [`COLUMNS`]; all others pass through as they are. `op` is one of `gemm`,
//! `attention`, `pointwise`, `softmax`, `layernorm` and `rmsnorm`.

mod row;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use fusewright_cost::time::predict;
use fusewright_device::Device;

use crate::Error;

use row::Row;

/// Columns that say what a kernel does, with what they hold; sizes are in elements.
pub const COLUMNS: [(&str, &str); 18] = [
    ("op", "gemm, attention, pointwise, softmax, layernorm or rmsnorm"),
    ("dtype", "element type of operands and result, e.g. bf16, f32, fp8"),
    ("m", "gemm: rows of the result"),
    ("n", "gemm: columns of the result"),
    ("k", "gemm: terms of each sum"),
    ("batch", "gemm: independent products [1]"),
    ("b", "attention: sequences"),
    ("h", "attention: heads of queries"),
    ("h_kv", "attention: heads of keys and values [h]"),
    ("s_q", "attention: queries of a sequence"),
    ("s_kv", "attention: keys of a sequence [s_q]"),
    ("d", "attention: width of a head"),
    ("causal", "attention: 1 if no query sees a key that follows it [0]"),
    ("kernel", "attention: sdpa for the kernel that PyTorch picks, anything else for FlashAttention"),
    ("rows", "others: rows of each tensor"),
    ("cols", "others: columns, which softmax and norms run over"),
    ("reads", "others: tensors of rows × cols that are read [1]"),
    ("writes", "others: tensors of rows × cols that are written [1]"),
];

/// What is wrong with a table of kernels.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelTableError {
    /// Not CSV.
    #[error("{0}; expected comma-separated values with a header line")]
    NotCsv(String),
    /// A column that every table has is missing.
    #[error("line 1 has no column `{0}`; expected at least op, dtype and the sizes of the ops")]
    NoColumn(&'static str),
    /// The table has the result already.
    #[error("line 1 has a column `{0}` already; rename or remove it")]
    ResultColumn(&'static str),
    /// A cell that cannot be used.
    #[error("line {line}, column `{column}`: `{found}`; expected {expected}")]
    Cell {
        /// Counted from 1, the header being the first.
        line: u64,
        /// Its name.
        column: &'static str,
        /// What is there.
        found: String,
        /// What should be.
        expected: String,
    },
}

/// Adds `predicted_us` and `limiter` to every row of a file, or of standard input where the path is `-`.
pub fn predict_file(device: &Device, path: impl AsRef<Path>) -> Result<String, Error> {
    let path = path.as_ref();
    let shown = path.display().to_string();
    let mut table = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().read_to_end(&mut table)
    } else {
        File::open(path).and_then(|mut file| file.read_to_end(&mut table))
    };
    read.map_err(|problem| Error::Unreadable { path: shown.clone(), problem })?;
    predict_table(device, &table).map_err(|problem| Error::KernelTable { path: shown, problem })
}

/// Adds `predicted_us` and `limiter` to every row.
pub fn predict_table(device: &Device, table: &[u8]) -> Result<String, KernelTableError> {
    let not_csv = |error: &csv::Error| KernelTableError::NotCsv(error.to_string());
    let mut reader = csv::ReaderBuilder::new().from_reader(table);
    let mut header = reader.headers().map_err(|error| not_csv(&error))?.clone();
    for result in ["predicted_us", "limiter"] {
        if header.iter().any(|name| name == result) {
            return Err(KernelTableError::ResultColumn(result));
        }
    }
    let columns = row::Columns::of(&header)?;
    header.push_field("predicted_us");
    header.push_field("limiter");
    let mut writer = csv::Writer::from_writer(Vec::with_capacity(2 * table.len()));
    writer.write_record(&header).map_err(|error| not_csv(&error))?;
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| not_csv(&error))? {
        let line = record.position().map_or(0, csv::Position::line);
        let kernel = Row { columns: &columns, record: &record, line }.kernel()?;
        let prediction = predict(device, &kernel);
        record.push_field(&format!("{:.4}", prediction.us));
        record.push_field(prediction.limiter.name());
        writer.write_record(&record).map_err(|error| not_csv(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| KernelTableError::NotCsv(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| KernelTableError::NotCsv(error.to_string()))
}
