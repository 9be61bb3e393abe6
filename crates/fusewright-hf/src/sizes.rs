//! What the caller decides: sizes of the named dims and the phase.

use fusewright_ir::Bindings;

use crate::HfError;

/// The part of a generation that is planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// All tokens of a prompt at once; the only phase of models that do not generate.
    #[default]
    Prefill,
    /// New tokens after `context` earlier ones, whose keys and values are in a cache.
    Decode,
}

/// How to read a configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Sizes for the dims `batch`, `seq`, `context` (decode), `target_seq` (the decoder of an encoder-decoder) and
    /// `image` (height and width, where a model has no table of positions). Dims that a model has not are refused.
    pub bindings: Bindings,
    /// Which part of a generation.
    pub phase: Phase,
}

/// Largest size of a dim.
const LIMIT: u64 = 1 << 24;

/// A dim with the size it has when the caller does not say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dim {
    pub(crate) name: &'static str,
    pub(crate) default: u64,
}

pub(crate) const BATCH: Dim = Dim { name: "batch", default: 1 };
pub(crate) const PROMPT: Dim = Dim { name: "seq", default: 128 };
pub(crate) const NEW_TOKENS: Dim = Dim { name: "seq", default: 1 };
pub(crate) const CONTEXT: Dim = Dim { name: "context", default: 1024 };

/// The sizes of `dims`, in their order; a binding for any other dim is an error.
pub(crate) fn resolve(bindings: &Bindings, dims: &[Dim]) -> Result<Vec<(&'static str, u64)>, HfError> {
    for (name, size) in bindings.iter() {
        if !dims.iter().any(|dim| dim.name == name) {
            let known = dims.iter().map(|dim| dim.name.to_owned()).collect();
            return Err(HfError::UnknownBinding { name: name.to_owned(), known });
        }
        if !(1..=LIMIT).contains(&size) {
            return Err(HfError::BadBinding { name: name.to_owned(), size, limit: LIMIT });
        }
    }
    Ok(dims.iter().map(|dim| (dim.name, bindings.get(dim.name).unwrap_or(dim.default))).collect())
}
