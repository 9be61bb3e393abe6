//! The planner in the page, and what reads files for it.
//!
//! [`ModelReader`] opens the bytes of a model and makes a graph of them, as text; [`Planner`] plans such a graph.
//! Questions and answers are JSON, and behind both is the same facade as behind the command line, so the figures are the
//! same. Compiled to WebAssembly, the functions of `web` are all that a page sees: it hands over bytes, asks for ranges of
//! a file that stay outside, and fetches the answer. The planner and each of the readers are programs of their own there,
//! so that the page of one model holds one reader; the features of this crate choose. No bindings generator has a part
//! in it. On every other target this is a plain library, and tested as one.

#[cfg(feature = "planner")]
mod planner;
mod question;
mod reader;
#[cfg(feature = "unpacker")]
mod unpack;
#[cfg(target_family = "wasm")]
mod web;

#[cfg(feature = "planner")]
pub use planner::Planner;
pub use reader::{ModelReader, Opened};
#[cfg(feature = "unpacker")]
pub use unpack::unpack;
