//! Reader of ONNX files.
//!
//! A model is decoded without touching its weights: every byte string of the file is a slice of the memory that the
//! caller maps. Sizes follow from inference forward through the nodes, with the *content* of the small integer tensors
//! that shapes are computed from; what only fed shapes never enters the graph.

// A file is hostile until proven otherwise: nothing here may panic on what it says.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod attributes;
mod build;
mod content;
mod dims;
mod emit;
mod error;
mod expression;
mod external;
mod flatten;
mod fold;
mod held;
mod known;
mod locate;
pub mod message;
mod names;
mod ops;
mod opset;
mod origin;
mod proto;
mod scan;
mod scope;
mod tensor;
mod ties;
mod typing;
mod walk;

pub use error::OnnxError;
pub use external::External;
pub use known::{NameFacts, Names};

use bytes::Bytes;
use fusewright_ir::{Bindings, Loaded};

/// True for bytes that begin like an ONNX model.
pub fn probe(model: &[u8]) -> bool {
    scan::looks_like_a_model(model)
}

/// Reads a model. `external` gives the size of a file beside the model by its relative name, `None` where there is no
/// such file; only its size is asked for. `bindings` are sizes for the open dims.
pub fn read(model: Bytes, external: &External<'_>, bindings: &Bindings) -> Result<Loaded, OnnxError> {
    Ok(walked(model, external, bindings, false)?.0)
}

/// As [`read`], with what was found out about each name of the model.
pub fn read_names(model: Bytes, external: &External<'_>, bindings: &Bindings) -> Result<(Loaded, Names), OnnxError> {
    walked(model, external, bindings, true)
}

fn walked(
    model: Bytes,
    external: &External<'_>,
    bindings: &Bindings,
    names: bool,
) -> Result<(Loaded, Names), OnnxError> {
    scan::check(&model)?;
    let whole = locate::Whole::of(&model);
    let model = <proto::Model as prost::Message>::decode(model)?;
    let (loaded, names) = walk::graph(&model, whole, external, bindings, names)?;
    fusewright_ir::verify(&loaded.graph)?;
    Ok((loaded, names))
}
