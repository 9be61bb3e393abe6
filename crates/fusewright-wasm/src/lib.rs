//! The planner in the page.
//!
//! [`Planner`] opens the bytes of a model and answers questions, given and answered as JSON: the same facade as the
//! command line, so the same figures. Compiled to WebAssembly, the functions at the end of the file are all that a page
//! sees: it hands over bytes, asks for ranges of a file that stay outside, and fetches the answer. No bindings generator
//! has a part in it. On every other target this is a plain library, and tested as one.

mod planner;
#[cfg(target_family = "wasm")]
mod web;

pub use planner::Planner;
