//! What a plan became since the lock file was written.
//!
//! Counts are compared exactly: fewer kernels and bytes are an improvement, more are a regression, however small.
//! Predicted times are compared with a tolerance, and only where they were predicted by the same version for the same
//! device: a change of ours is never the model's fault.

mod annotations;
mod difference;
mod figure;
mod findings;
mod fusion;
mod markdown;
mod report;
mod text;

pub use annotations::{github, junit, sarif};
pub use difference::{CheckOptions, Checked};
pub use figure::FigureChange;
pub(crate) use findings::{fusion_text, place_lines, places_text};
pub use fusion::{FusionReport, MovedFusion};
pub use markdown::check_markdown;
pub use report::{CheckReport, CheckedModel, CheckedStrategy, CountChange, Verdict};
pub use text::check_text;
