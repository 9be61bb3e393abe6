//! Why a plan is as it is: the rules behind each group, what ended it, and what nearly fused.

mod stop;

pub use stop::StopReport;
