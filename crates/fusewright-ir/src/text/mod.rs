//! The text form: what tests are written in and `fusewright dump` prints.
//!
//! ```text
//! graph "block" {
//!   dim batch = 4
//!   input %x: f32[4, 8]
//!   parameter %w: f32[24, 8]
//!   part %q = %w from 0: f32[8, 8]
//!   %h: f32[4, 8] = linear(%x, %q) @module "torch.nn.Linear" in "encoder.0" named "proj"
//!   %y: f32[4, 8] = mul(%h) {scalar = 0.125}
//!   output %y
//! }
//! ```
//! A node states its results with their types, its op, operands and attributes, then how the source wrote it
//! (`@function` with the op's own name when omitted), its module path and its name (that of its first result when
//! omitted). A shape may carry strides: `f32[2, 3; 1, 2]`.

mod lexer;
mod parse;
mod print;

pub use parse::{ParseError, parse};
pub use print::{print, type_text};
