//! The published form of a comparison.

use serde::Serialize;

use super::left_apart::left_apart;
use super::{Compared, LeftApart, SideReport};
use crate::check::{FusionReport, MovedFusion};
use crate::fusions::{FusionDiff, Fusions};
use crate::json;
use crate::plan_report::SCHEMA_VERSION;

/// Fused groups that are at the same places in the first and the last plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SameFusions {
    /// Groups.
    pub groups: u64,
    /// Patterns that they have.
    pub patterns: u64,
}

/// What `fusewright compare` says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CompareReport {
    /// Version of this form: 1.
    #[cfg_attr(test, schemars(range(min = 1, max = 1)))]
    pub schema_version: u32,
    /// Version of fusewright that compared.
    pub tool_version: String,
    /// All sides are plans of models of one structure.
    pub same_model: bool,
    /// The plans, two or more.
    pub sides: Vec<SideReport>,
    /// Positions of the two sides that the fusions below are compared of.
    pub from: u64,
    /// Positions of the two sides that the fusions below are compared of.
    pub to: u64,
    /// Fused groups of `from` that `to` lacks.
    pub vanished: Vec<FusionReport>,
    /// Fused groups of `to` that `from` lacks.
    pub appeared: Vec<FusionReport>,
    /// Fused groups that stand elsewhere in `to`.
    pub moved: Vec<MovedFusion>,
    /// Fused groups that both have.
    pub same: SameFusions,
    /// What `from` leaves apart though `to` fuses it; empty for different models.
    pub left_apart: Vec<LeftApart>,
}

impl CompareReport {
    /// Compares plans; what fused is told of the sides at the positions `from` and `to`.
    ///
    /// # Panics
    /// If there is no side at one of the two positions.
    pub fn new(sides: &[Compared], from: usize, to: usize) -> Self {
        let reports: Vec<SideReport> = sides.iter().map(SideReport::of).collect();
        let same_model = reports.windows(2).all(|pair| pair[0].hash == pair[1].hash);
        let (first, last) = (&sides[from], &sides[to]);
        let fusions = |side: &Compared| Fusions::of(side.subject.analysis, side.plan);
        let (before, after) = (fusions(first), fusions(last));
        let diff = FusionDiff::between(&before, &after);
        let one_graph = std::ptr::eq(first.subject.analysis, last.subject.analysis);
        Self {
            schema_version: SCHEMA_VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            same_model,
            sides: reports,
            from: from as u64,
            to: to as u64,
            same: same(&before, &after),
            vanished: diff.vanished.into_iter().map(FusionReport::from).collect(),
            appeared: diff.appeared.into_iter().map(FusionReport::from).collect(),
            moved: diff.moved.into_iter().map(MovedFusion::from).collect(),
            left_apart: if one_graph { left_apart(first.subject.analysis, first.plan, last.plan) } else { Vec::new() },
        }
    }

    /// The report as JSON, indented, with a newline at the end.
    pub fn to_json(&self) -> String {
        json::indented(self)
    }
}

fn same(before: &Fusions, after: &Fusions) -> SameFusions {
    let mut same = SameFusions::default();
    for (pattern, places) in &before.fused {
        let others = after.fused.get(pattern);
        let shared = places.iter().map(|(place, &times)| {
            let other = others.and_then(|others| others.get(place)).copied().unwrap_or(0);
            times.min(other)
        });
        let groups: u64 = shared.sum();
        same.groups += groups;
        same.patterns += u64::from(groups > 0);
    }
    same
}
