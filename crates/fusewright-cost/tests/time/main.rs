//! Models of time on devices that are made up for the tests.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cpu;
mod devices;
mod systolic;
mod valid;
