//! From a plan to what a device runs: the kernels that each group takes, and how long they last.
//!
//! A plan says which nodes *may* be one kernel. Here its groups are cut into kernels that the device has, each with the
//! bytes that it moves by itself, and priced. A group that takes more than one says why.

mod framework;
mod kernels;
mod layout;
mod product;
mod residency;
mod segments;
mod timing;
mod written_out;

pub(crate) use framework::Framework;
pub(crate) use kernels::{launches, leading, side_by_side};
pub(crate) use product::product_of;
pub use timing::{GroupTime, TimedKernel, Timing, time_plan};
