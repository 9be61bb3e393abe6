//! The operators of onnxruntime's own domain, `com.microsoft`, in families like those of the standard domain.
//!
//! Its optimisers write them in place of chains of standard operators, so most open into the chain again. What depends
//! on numbers that are only known when the model runs stays an opaque op, with the result types that its definition
//! gives.

mod attention;
mod contraction;
mod convolution;
mod experts;
mod grouped;
mod heads;
mod mask;
mod normalization;
mod packed;
mod pointwise;
mod quantized;

use super::Row;
use crate::build::{Build, Built, Operand};

/// The families.
pub(super) const FAMILIES: &[&[Row]] = &[
    attention::ROWS,
    contraction::ROWS,
    convolution::ROWS,
    experts::ROWS,
    grouped::ROWS,
    normalization::ROWS,
    packed::ROWS,
    pointwise::ROWS,
    quantized::ROWS,
];

/// Operators on quantised tensors that the standard domain has too.
pub(super) const STANDARD: &[Row] = quantized::STANDARD;

/// The call read as one of the standard operator with this name, whose operands come first here too.
fn standard(build: &mut Build<'_, '_>, name: &str) -> Result<Operand, String> {
    let row = super::row("", name).ok_or_else(|| format!("`{name}` is not known"))?;
    let results: Built = (row.build)(build);
    results?.first().copied().ok_or_else(|| "it has no result".to_owned())
}

/// An attribute that is a size; 0 when it is missing.
fn size(build: &Build<'_, '_>, name: &str) -> Result<u64, String> {
    let given = build.attributes.int(name, 0);
    u64::try_from(given).map_err(|_| format!("`{name}` is {given}"))
}

/// The file names result `index` of the call.
fn wants(build: &Build<'_, '_>, index: usize) -> bool {
    build.attributes.node.outputs.get(index).is_some_and(|name| !name.is_empty())
}
