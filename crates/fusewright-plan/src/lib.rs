//! The partitioners and the certificate that every plan passes.
//!
//! ```
//! use fusewright_ir::text;
//! use fusewright_plan::{Analysis, AttentionFusionPartitioner, Partitioner, Profile};
//!
//! let graph = text::parse(
//!     r#"
//!     graph "siblings" {
//!       input %x: f32[4, 8]
//!       parameter %a: f32[16, 8]
//!       parameter %b: f32[4, 8]
//!       %p: f32[4, 16] = linear(%x, %a)
//!       %q: f32[4, 4] = linear(%x, %b)
//!       output %p
//!       output %q
//!     }"#,
//! )?;
//! let analysis = Analysis::of(&graph);
//! let plan = AttentionFusionPartitioner::default().partition(&analysis, Profile::Default)?;
//! assert_eq!(plan.counted, 1);
//! assert_eq!(plan.shared_input_saved(&analysis), 4 * 8 * 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod analysis;
mod attach;
mod certificate;
mod chain;
mod compiled;
mod dataflow;
mod grammar;
mod kernels_apart;
mod merge_price;
mod merging;
mod names;
mod optimal;
mod parallel;
mod partitioners;
mod plan;
mod quotient;
mod realize;
mod stops;
mod works;
mod written;

pub use analysis::Analysis;
pub use certificate::{Certificate, CertificateError};
pub use compiled::CompiledPartitioner;
pub use grammar::{Limits, Reason};
pub use merge_price::RefusedMerge;
pub use names::UNFUSED;
pub use optimal::{Objective, OptimalFusionPartitioner, Optimality};
pub use parallel::ParallelMerge;
pub use partitioners::{AttentionFusionPartitioner, EagerPartitioner, FusionBasedPartitioner, Partitioner};
pub use plan::{Plan, Profile};
pub use quotient::Quotient;
pub use realize::{GroupTime, TimedKernel, Timing, time_plan};
pub use stops::{Stop, StopReason, Stops};
pub use written::WrittenPartitioner;
