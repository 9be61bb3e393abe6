//! The kernel grammar: what one kernel can be on a device.
//!
//! ```text
//! kernel    = loop | product | attention | alone
//! loop      = nodes over the same elements; a reduction or norm takes in what makes its operand, what follows for each
//!             of its results, and what runs over its elements again; a smaller part that nothing else reads goes in
//! product   = [prologue] (contraction | convolution | attention op) [epilogue]
//!           | projections of one input, side by side [epilogue]
//! prologue  = steps over an operand that read one tensor of its size, computed as the operand is loaded
//! epilogue  = steps over the results that read no more other tensors than registers hold
//! attention = all steps of one attention, if its blocks fit on chip and nobody else reads its scores [epilogue]
//! alone     = what is scattered, sorted or not understood
//! ```
//!
//! A kernel grows node by node, in one order for all: a node starts a [`Draft`], or joins the drafts that it reads
//! from or stands beside into one. The partitioners that respect kernels, and the cut of any other plan into kernels,
//! ask the same two questions: [`Grammar::alone`] and [`Grammar::join`].

mod draft;
mod join;
mod limits;
mod loops;
mod order;
mod reason;
mod role;
mod whole;

pub(crate) use draft::{Draft, Form, Projecting};
pub(crate) use join::Grammar;
pub use limits::Limits;
pub(crate) use limits::site_element_bytes;
pub(crate) use loops::{Joined, Loop, is_whole, joined, loop_of, over_same_elements, row_length};
pub use reason::Reason;
pub(crate) use role::Role;
