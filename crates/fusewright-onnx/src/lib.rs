//! Reader.
use fusewright_ir::{Bindings, Loaded};
/// Stub.
#[derive(Debug, thiserror::Error)]
#[error("stub")]
pub struct OnnxError;
/// Stub.
pub fn probe(_model: &[u8]) -> bool {
    false
}
/// Stub.
pub fn read(
    _model: bytes::Bytes,
    _external: &dyn Fn(&str) -> Option<u64>,
    _bindings: &Bindings,
) -> Result<Loaded, OnnxError> {
    Err(OnnxError)
}
