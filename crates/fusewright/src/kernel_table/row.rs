//! A row of a table as a kernel.

use csv::StringRecord;
use fusewright_cost::time::{Attention, AttentionLibrary, Gemm, Kernel, Stream, StreamKind};
use fusewright_ir::DType;

use super::{COLUMNS, KernelTableError};

/// Names of element types besides those of [`DType`].
const OTHER_NAMES: [(&str, DType); 10] = [
    ("fp64", DType::F64),
    ("fp32", DType::F32),
    ("float32", DType::F32),
    ("fp16", DType::F16),
    ("float16", DType::F16),
    ("bfloat16", DType::Bf16),
    ("fp8", DType::F8E4M3),
    ("f8", DType::F8E4M3),
    ("int8", DType::I8),
    ("int4", DType::I4),
];

/// Where the known columns are.
pub(super) struct Columns([Option<usize>; COLUMNS.len()]);

impl Columns {
    pub(super) fn of(header: &StringRecord) -> Result<Self, KernelTableError> {
        let place = |name: &str| header.iter().position(|column| column.trim() == name);
        let columns = Self(COLUMNS.map(|(name, _)| place(name)));
        for required in ["op", "dtype"] {
            if columns.place(required).is_none() {
                return Err(KernelTableError::NoColumn(required));
            }
        }
        Ok(columns)
    }

    fn place(&self, column: &str) -> Option<usize> {
        COLUMNS.iter().position(|(name, _)| *name == column).and_then(|index| self.0[index])
    }
}

/// One row.
pub(super) struct Row<'a> {
    pub(super) columns: &'a Columns,
    pub(super) record: &'a StringRecord,
    pub(super) line: u64,
}

impl Row<'_> {
    pub(super) fn kernel(&self) -> Result<Kernel, KernelTableError> {
        match self.cell("op") {
            "gemm" => self.gemm(),
            "attention" => self.attention(),
            "pointwise" => self.stream(StreamKind::Pointwise, 1),
            "softmax" => self.stream(StreamKind::Softmax, 5),
            "layernorm" => self.stream(StreamKind::BlockNorm, 7),
            "rmsnorm" => self.stream(StreamKind::RmsNorm, 4),
            _ => Err(self.wrong("op", COLUMNS[0].1)),
        }
    }

    fn gemm(&self) -> Result<Kernel, KernelTableError> {
        let size = |column| self.size(column, None);
        let (m, n, k, batch) = (size("m")?, size("n")?, size("k")?, self.size("batch", Some(1))?);
        let dtype = self.dtype()?;
        let mut gemm = Gemm::plain(batch, m, n, k, dtype);
        if matches!(dtype, DType::F8E4M3 | DType::F8E5M2) {
            // Eight bits are a type of operands; results leave such products in 16.
            gemm.output = DType::Bf16;
            gemm.bytes = gemm.bytes.saturating_add(batch.saturating_mul(m).saturating_mul(n));
        }
        Ok(Kernel::Gemm(gemm))
    }

    fn attention(&self) -> Result<Kernel, KernelTableError> {
        let (heads, queries) = (self.size("h", None)?, self.size("s_q", None)?);
        let head_dim = self.size("d", None)?;
        let library = match self.cell("kernel") {
            "sdpa" => AttentionLibrary::PyTorch,
            _ => AttentionLibrary::FlashAttention,
        };
        let attention = Attention {
            batch: self.size("b", None)?,
            heads,
            kv_heads: self.size("h_kv", Some(heads))?,
            queries,
            keys: self.size("s_kv", Some(queries))?,
            head_dim,
            value_dim: head_dim,
            causal: self.truth("causal")?,
            dtype: self.dtype()?,
            bytes: 0,
            library,
        };
        Ok(Kernel::Attention(attention.with_operand_bytes()))
    }

    fn stream(&self, kind: StreamKind, operations: u64) -> Result<Kernel, KernelTableError> {
        let (rows, cols) = (self.size("rows", None)?, self.size("cols", None)?);
        let passes = self.size("reads", Some(1))?.saturating_add(self.size("writes", Some(1))?);
        let dtype = self.dtype()?;
        let elements = rows.saturating_mul(cols);
        let bytes = dtype.bytes(elements).saturating_mul(passes);
        Ok(Kernel::Stream(Stream { kind, rows, cols, dtype, flops: elements.saturating_mul(operations), bytes }))
    }

    fn cell(&self, column: &str) -> &str {
        self.columns.place(column).and_then(|place| self.record.get(place)).unwrap_or("").trim()
    }

    /// A size; where the cell is empty or the column is missing, `usual`.
    fn size(&self, column: &'static str, usual: Option<u64>) -> Result<u64, KernelTableError> {
        let cell = self.cell(column);
        let usual = usual.filter(|_| cell.is_empty());
        usual.or_else(|| cell.parse().ok()).ok_or_else(|| self.wrong(column, "a whole number of elements"))
    }

    fn truth(&self, column: &'static str) -> Result<bool, KernelTableError> {
        match self.cell(column) {
            "1" | "true" | "True" => Ok(true),
            "" | "0" | "false" | "False" => Ok(false),
            _ => Err(self.wrong(column, "0 or 1")),
        }
    }

    fn dtype(&self) -> Result<DType, KernelTableError> {
        let cell = self.cell("dtype");
        let other = || OTHER_NAMES.iter().find(|(name, _)| *name == cell).map(|(_, dtype)| *dtype);
        let known = DType::from_name(cell).or_else(other);
        known.ok_or_else(|| self.wrong("dtype", "an element type such as f32, f16, bf16, fp8 or i8"))
    }

    fn wrong(&self, column: &'static str, expected: &str) -> KernelTableError {
        let found = self.cell(column).to_owned();
        KernelTableError::Cell { line: self.line, column, found, expected: expected.to_owned() }
    }
}
