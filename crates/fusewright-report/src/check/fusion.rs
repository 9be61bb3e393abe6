//! Fused groups that vanished, appeared or moved, as reports say it.

use serde::Serialize;

use crate::explain::StopReport;
use crate::fusions::{FusionChange, FusionMove};
use crate::places::{Places, fold_places};

/// Fused groups of one pattern that only one of two plans has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FusionReport {
    /// The pattern.
    pub pattern: String,
    /// Number of groups.
    pub times: u64,
    /// Module paths, folded over repeated layers, with how many groups there.
    pub places: Places,
    /// For what vanished: what is there now at the first of the places, the ops or patterns of its groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub now: Vec<String>,
    /// For what vanished: why the group there ends before its pattern is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<StopReport>,
}

impl From<FusionChange> for FusionReport {
    fn from(change: FusionChange) -> Self {
        let (times, places) = (change.times(), fold_places(&change.places));
        Self { pattern: change.pattern, times, places, now: Vec::new(), reason: None }
    }
}

/// Fused groups of one pattern that stand elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MovedFusion {
    /// The pattern.
    pub pattern: String,
    /// Number of groups.
    pub times: u64,
    /// Where they stood.
    pub from: Places,
    /// Where they stand.
    pub to: Places,
}

impl From<FusionMove> for MovedFusion {
    fn from(moved: FusionMove) -> Self {
        let (from, to) = (fold_places(&moved.from), fold_places(&moved.to));
        Self { pattern: moved.pattern, times: crate::fusions::times(&moved.from), from, to }
    }
}
