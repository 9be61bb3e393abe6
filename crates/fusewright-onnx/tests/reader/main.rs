//! The ONNX reader, from outside.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod captures;
mod contrib;
mod errors;
mod hostile;
mod models;
mod ops;
mod parameters;
mod support;
