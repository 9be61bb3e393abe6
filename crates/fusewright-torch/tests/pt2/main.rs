//! The reader of `.pt2` archives, from outside.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod containers;
mod dims;
mod errors;
mod hostile;
mod models;
mod programs;
mod support;
