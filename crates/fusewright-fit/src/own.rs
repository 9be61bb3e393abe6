//! Kernels that scripts of `python/accuracy` measured, which are part of the project.

use std::path::Path;

use fusewright_cost::time::{Attention, AttentionLibrary, Kernel, Stream, StreamKind};
use fusewright_ir::DType;
use serde::Deserialize;

use crate::data::{Class, DataError, Row, table};
use crate::split::held_out;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../python/accuracy/measured/h100-sxm");
/// Id of the device's file.
const DEVICE: &str = "h100-sxm";

/// All rows that coefficients are fitted to.
pub(crate) fn read() -> Result<Vec<Row>, DataError> {
    let folder = Path::new(FOLDER);
    let mut rows = table(folder, "kernels.csv", pass)?;
    rows.extend(table(folder, "kernels.csv", sdpa)?);
    rows.extend(table(folder, "timm-ops.csv", norm)?);
    Ok(rows)
}

#[derive(Deserialize)]
struct PassRow {
    op: String,
    dtype: String,
    rows: Option<u64>,
    cols: Option<u64>,
    reads: Option<u64>,
    writes: Option<u64>,
    measured_us: f64,
}

/// Of passes only those element by element are fitted to; softmax and norms of the table stay a test, as do products.
fn pass(row: &PassRow) -> Result<Option<Row>, String> {
    let (Some(rows), Some(cols), Some(reads), Some(writes)) = (row.rows, row.cols, row.reads, row.writes) else {
        return Ok(None);
    };
    if row.op != "pointwise" {
        return Ok(None);
    }
    let dtype = float(&row.dtype)?;
    let elements = rows * cols;
    let bytes = (reads + writes) * dtype.bytes(elements);
    let kernel = Kernel::Stream(Stream { kind: StreamKind::Pointwise, rows, cols, dtype, flops: elements, bytes });
    let (device, us) = (DEVICE, row.measured_us);
    let held_out = held_out(&format!("{rows},{cols}"));
    Ok(Some(Row { device, class: Class::Pass, kernels: vec![kernel], us, eager: false, held_out }))
}

fn float(name: &str) -> Result<DType, String> {
    match name {
        "f16" => Ok(DType::F16),
        "bf16" => Ok(DType::Bf16),
        "f32" => Ok(DType::F32),
        other => Err(format!("dtype `{other}`; expected f16, bf16 or f32")),
    }
}

#[derive(Deserialize)]
struct SdpaRow {
    dtype: String,
    b: Option<u64>,
    h: Option<u64>,
    h_kv: Option<u64>,
    s_q: Option<u64>,
    s_kv: Option<u64>,
    d: Option<u64>,
    causal: Option<u8>,
    measured_us: f64,
}

fn sdpa(row: &SdpaRow) -> Result<Option<Row>, String> {
    let &SdpaRow { b: Some(batch), h: Some(heads), s_q: Some(queries), s_kv: Some(keys), d: Some(head_dim), .. } = row
    else {
        return Ok(None);
    };
    let kv_heads = row.h_kv.unwrap_or(heads);
    let attention = Attention {
        batch,
        heads,
        kv_heads,
        queries,
        keys,
        head_dim,
        value_dim: head_dim,
        causal: row.causal == Some(1),
        dtype: float(&row.dtype)?,
        bytes: 0,
        library: AttentionLibrary::PyTorch,
    };
    let kernels = vec![Kernel::Attention(attention.with_operand_bytes())];
    let (device, us) = (DEVICE, row.measured_us);
    let held_out = held_out(&format!("{batch},{heads},{kv_heads},{queries},{keys},{head_dim}"));
    Ok(Some(Row { device, class: Class::Sdpa, kernels, us, eager: false, held_out }))
}

#[derive(Deserialize)]
struct LaunchedRow {
    op: String,
    shapes: String,
    count: f64,
    total_us: f64,
}

/// Norms in whole models, the only ones of short rows; autocast runs them in single precision. Of the other operators of
/// that table only what PyTorch launches was used, not what it takes.
fn norm(row: &LaunchedRow) -> Result<Option<Row>, String> {
    if row.op != "aten::native_layer_norm" {
        return Ok(None);
    }
    let shapes: Vec<Vec<u64>> = serde_json::from_str(&row.shapes).map_err(|error| format!("shapes: {error}"))?;
    let Some((cols, outer)) = shapes.first().and_then(|shape| shape.split_last()) else {
        return Err("shapes: the first operand has no axes; expected [batch, …, channels]".to_owned());
    };
    let (rows, cols, dtype) = (outer.iter().product::<u64>(), *cols, DType::F32);
    let (flops, bytes) = (rows * cols, 2 * dtype.bytes(rows * cols));
    let kernel = Kernel::Stream(Stream { kind: StreamKind::BlockNorm, rows, cols, dtype, flops, bytes });
    let (device, us) = (DEVICE, row.total_us / row.count);
    let held_out = held_out(&format!("{rows},{cols}"));
    Ok(Some(Row { device, class: Class::LayerNorm, kernels: vec![kernel], us, eager: false, held_out }))
}
