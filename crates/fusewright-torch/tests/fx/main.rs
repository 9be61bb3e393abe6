//! The FX JSON reader, from outside.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod captures;
mod conversion;
mod errors;
mod modules;
mod mutation;
mod ops;
mod parts;
mod seeds;
mod support;
mod symbols;
