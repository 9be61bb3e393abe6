//! Measured kernels, from the tables that `docs/accuracy.md` describes.

use std::fmt;
use std::path::Path;

use fusewright_cost::time::{Attention, AttentionLibrary, Gemm, Kernel, Stream, StreamKind};
use fusewright_ir::DType;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::own;
use crate::split::held_out;

/// Kinds of kernels whose errors are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Gemm,
    GemmF8,
    Linear,
    Bmm,
    AttentionCausal,
    AttentionFull,
    /// Attention as PyTorch picks it, inside a launch graph.
    Sdpa,
    Elementwise,
    /// Element by element, inside a launch graph.
    Pass,
    Softmax,
    LayerNorm,
    UnfusedFull,
    UnfusedCausal,
}

/// One measured time.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Id of the device's file.
    pub(crate) device: &'static str,
    pub(crate) class: Class,
    /// What was run, one after the other.
    pub(crate) kernels: Vec<Kernel>,
    /// Measured, µs.
    pub(crate) us: f64,
    /// The time contains what an eager framework spends on the host.
    pub(crate) eager: bool,
    pub(crate) held_out: bool,
}

/// A table that could not be used.
#[derive(Debug)]
pub(crate) struct DataError(String);

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All rows that coefficients are fitted to.
pub(crate) fn read(folder: &Path) -> Result<Vec<Row>, DataError> {
    let mut rows = table(folder, "aic_gemm.csv", gemm)?;
    rows.extend(table(folder, "aic_attention.csv", attention)?);
    rows.extend(table(folder, "neusight_ops.csv", operator)?);
    rows.extend(table(folder, "flash_attention_h100.csv", unfused)?);
    rows.extend(own::read()?);
    Ok(rows)
}

pub(crate) fn table<T: DeserializeOwned>(
    folder: &Path,
    file: &str,
    row: fn(&T) -> Result<Option<Row>, String>,
) -> Result<Vec<Row>, DataError> {
    let path = folder.join(file);
    let problem = |what: String| DataError(format!("{}: {what}", path.display()));
    let mut reader = csv::Reader::from_path(&path).map_err(|error| problem(error.to_string()))?;
    let mut rows = Vec::new();
    for (index, record) in reader.deserialize().enumerate() {
        let found = record.map_err(|error| error.to_string()).and_then(|record| row(&record));
        rows.extend(found.map_err(|error| problem(format!("line {}: {error}", index + 2)))?);
    }
    Ok(rows)
}

fn device(name: &str) -> Result<&'static str, String> {
    Ok(match name {
        "h100_sxm" => "h100-sxm",
        "a100_sxm" => "a100-sxm-80",
        "a100_pcie_80" => "a100-pcie-80",
        "a100_pcie_40" => "a100-pcie-40",
        "v100_pcie" => "v100-pcie",
        _ => return Err(format!("device `{name}` has no device file; expected one that the data's README names")),
    })
}

#[derive(Deserialize)]
struct GemmRow {
    device: String,
    dtype: String,
    subset: String,
    m: u64,
    n: u64,
    k: u64,
    latency_us: f64,
}

fn gemm(row: &GemmRow) -> Result<Option<Row>, String> {
    let &GemmRow { m, n, k, latency_us: us, .. } = row;
    // Pairs around the edge of a tile test the formula; fitting them would weight those few heights.
    if row.subset != "random" {
        return Ok(None);
    }
    let (class, input, output) = match row.dtype.as_str() {
        "bf16" => (Class::Gemm, DType::Bf16, DType::Bf16),
        "fp8" => (Class::GemmF8, DType::F8E4M3, DType::Bf16),
        other => return Err(format!("dtype `{other}`; expected bf16 or fp8")),
    };
    let mut gemm = Gemm::plain(1, m, n, k, input);
    gemm.output = output;
    gemm.bytes = input.bytes(m * k + k * n) + output.bytes(m * n);
    let held_out = held_out(&format!("{m},{n},{k}"));
    Ok(Some(Row { device: device(&row.device)?, class, kernels: vec![Kernel::Gemm(gemm)], us, eager: false, held_out }))
}

#[derive(Deserialize)]
struct AttentionRow {
    device: String,
    causal: u8,
    batch: u64,
    seq: u64,
    heads: u64,
    kv_heads: u64,
    head_dim: u64,
    latency_us: f64,
}

fn attention(row: &AttentionRow) -> Result<Option<Row>, String> {
    let &AttentionRow { batch, seq, heads, kv_heads, head_dim, latency_us: us, .. } = row;
    let causal = row.causal == 1;
    let attention = Attention {
        batch,
        heads,
        kv_heads,
        queries: seq,
        keys: seq,
        head_dim,
        value_dim: head_dim,
        causal,
        dtype: DType::Bf16,
        bytes: 0,
        library: AttentionLibrary::FlashAttention,
    };
    let kernel = Kernel::Attention(attention.with_operand_bytes());
    let class = if causal { Class::AttentionCausal } else { Class::AttentionFull };
    let held_out = held_out(&format!("{batch},{seq},{heads},{kv_heads},{head_dim}"));
    Ok(Some(Row { device: device(&row.device)?, class, kernels: vec![kernel], us, eager: false, held_out }))
}

#[derive(Deserialize)]
struct OperatorRow {
    device: String,
    op: String,
    batch: Option<u64>,
    m: Option<u64>,
    n: Option<u64>,
    k: Option<u64>,
    rows: Option<u64>,
    cols: Option<u64>,
    latency_us: f64,
}

fn operator(row: &OperatorRow) -> Result<Option<Row>, String> {
    let device = device(&row.device)?;
    let us = row.latency_us;
    if let (Some(batch), Some(m), Some(n), Some(k)) = (row.batch, row.m, row.n, row.k) {
        let linear = row.op == "linear";
        let (class, batch, m) = if linear { (Class::Linear, 1, batch * m) } else { (Class::Bmm, batch, m) };
        let kernel = Kernel::Gemm(Gemm::plain(batch, m, n, k, DType::F32));
        let held_out = held_out(&format!("{batch},{m},{n},{k}"));
        return Ok(Some(Row { device, class, kernels: vec![kernel], us, eager: true, held_out }));
    }
    let (Some(rows), Some(cols)) = (row.rows, row.cols) else {
        return Err(format!("op `{}` has neither batch, m, n, k nor rows, cols", row.op));
    };
    let (class, kind, passes) = match row.op.as_str() {
        "softmax" => (Class::Softmax, StreamKind::Softmax, 2),
        "ln" => (Class::LayerNorm, StreamKind::BlockNorm, 2),
        "add" | "mul" | "div" | "pow" => (Class::Elementwise, StreamKind::Pointwise, 3),
        _ => (Class::Elementwise, StreamKind::Pointwise, 2),
    };
    let elements = rows * cols;
    let stream = Stream { kind, rows, cols, dtype: DType::F32, flops: elements, bytes: passes * 4 * elements };
    let held_out = held_out(&format!("{rows},{cols}"));
    Ok(Some(Row { device, class, kernels: vec![Kernel::Stream(stream)], us, eager: true, held_out }))
}

#[derive(Deserialize)]
struct UnfusedRow {
    head_dim: u64,
    causal: u8,
    seq: u64,
    batch: u64,
    heads: u64,
    unfused_tflops: Option<f64>,
}

/// Layout copies of operands and result that the framework makes around its products, as many as the times contain.
const COPIES: u64 = 6;

/// Attention as a framework runs it without a kernel of its own, priced kernel by kernel.
fn unfused(row: &UnfusedRow) -> Result<Option<Row>, String> {
    let &UnfusedRow { head_dim, seq, batch, heads, .. } = row;
    let Some(tflops) = row.unfused_tflops else { return Ok(None) };
    let causal = row.causal == 1;
    let sequences = batch * heads;
    let dtype = DType::F16;
    let pass = |kind, passes: u64, rows: u64, cols: u64| {
        let elements = rows * cols;
        Kernel::Stream(Stream { kind, rows, cols, dtype, flops: elements, bytes: passes * dtype.bytes(elements) })
    };
    let mut kernels = vec![
        Kernel::Gemm(Gemm::plain(sequences, seq, seq, head_dim, dtype)),
        pass(StreamKind::Softmax, 2, sequences * seq, seq),
        Kernel::Gemm(Gemm::plain(sequences, seq, head_dim, seq, dtype)),
    ];
    kernels.extend((0..COPIES).map(|_| pass(StreamKind::Copy, 2, sequences * seq, head_dim)));
    if causal {
        // Scores are scaled, then read again with the mask, which is stored; what it hides is computed all the same.
        kernels.push(pass(StreamKind::Pointwise, 2, sequences * seq, seq));
        kernels.push(pass(StreamKind::Pointwise, 3, sequences * seq, seq));
    }
    let flops = 4.0 * (sequences * seq * seq * head_dim) as f64 / if causal { 2.0 } else { 1.0 };
    let class = if causal { Class::UnfusedCausal } else { Class::UnfusedFull };
    let held_out = held_out(&format!("{batch},{seq},{heads},{head_dim}"));
    Ok(Some(Row { device: device("h100_sxm")?, class, kernels, us: flops / tflops * 1e-6, eager: false, held_out }))
}
