//! What a plan fuses, and where: the part of it that survives a new export of the same model.
//!
//! Groups are known by their pattern and module path, never by their number or the names of nodes, which change with
//! every exporter.

use std::collections::BTreeMap;

use fusewright_plan::{Analysis, Plan};

use crate::module_path;
use crate::places::{Places, fold_places, without_braces};

/// The fused groups of a plan by pattern and place, and its other kernels by op.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fusions {
    /// Groups of several nodes: pattern, then module path, then how many there.
    pub fused: BTreeMap<String, Places>,
    /// Kernels of one node: op, then how many.
    pub single: BTreeMap<String, u64>,
}

impl Fusions {
    /// Those of a plan.
    pub fn of(analysis: &Analysis, plan: &Plan) -> Self {
        let mut fusions = Self::default();
        for group in (0..plan.groups.count()).filter(|&group| plan.costs[group].kernels > 0) {
            let members = plan.groups.members(group);
            let is_fused = group < plan.counted && plan.sizes[group] > 1;
            if is_fused {
                let place = without_braces(module_path::common(analysis, members));
                let pattern = fusions.fused.entry(plan.pattern(group).to_owned()).or_default();
                *pattern.entry(place).or_default() += 1;
            } else {
                let op = module_path::first_worker_op(analysis, members);
                *fusions.single.entry(op.to_owned()).or_default() += 1;
            }
        }
        fusions
    }

    /// The same with places folded over repeated layers.
    #[must_use]
    pub fn folded(&self) -> Self {
        let fused = self.fused.iter().map(|(pattern, places)| (pattern.clone(), fold_places(places))).collect();
        Self { fused, single: self.single.clone() }
    }

    /// Number of fused groups.
    pub fn count(&self) -> u64 {
        self.fused.values().map(times).fold(0, u64::saturating_add)
    }
}

/// Fused groups that only one of two plans has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FusionChange {
    /// The pattern.
    pub pattern: String,
    /// Module paths with how many groups there.
    pub places: Places,
}

impl FusionChange {
    /// Number of groups.
    pub fn times(&self) -> u64 {
        times(&self.places)
    }
}

/// Fused groups that stand elsewhere in the second plan: a module was renamed or the group crosses other modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FusionMove {
    /// The pattern.
    pub pattern: String,
    /// Where they stood.
    pub from: Places,
    /// Where they stand.
    pub to: Places,
}

/// How the fused groups of two plans differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FusionDiff {
    /// Only the first plan has these.
    pub vanished: Vec<FusionChange>,
    /// Only the second plan has these.
    pub appeared: Vec<FusionChange>,
    /// Both have these, at other places.
    pub moved: Vec<FusionMove>,
}

impl FusionDiff {
    /// What became of `before` in `after`, in the order of the patterns' names; places are single module paths.
    pub fn between(before: &Fusions, after: &Fusions) -> Self {
        let mut diff = Self::default();
        let mut patterns: Vec<&String> = before.fused.keys().chain(after.fused.keys()).collect();
        patterns.sort_unstable();
        patterns.dedup();
        let nowhere = Places::new();
        for pattern in patterns {
            let old = before.fused.get(pattern).unwrap_or(&nowhere);
            let new = after.fused.get(pattern).unwrap_or(&nowhere);
            let (mut gone, mut come) = (missing_from(old, new), missing_from(new, old));
            let both = times(&gone).min(times(&come));
            if both > 0 {
                let (from, to) = (split_off(&mut gone, both), split_off(&mut come, both));
                diff.moved.push(FusionMove { pattern: pattern.clone(), from, to });
            }
            if !gone.is_empty() {
                diff.vanished.push(FusionChange { pattern: pattern.clone(), places: gone });
            }
            if !come.is_empty() {
                diff.appeared.push(FusionChange { pattern: pattern.clone(), places: come });
            }
        }
        diff
    }

    /// Both plans fuse the same at the same places.
    pub fn is_empty(&self) -> bool {
        self.vanished.is_empty() && self.appeared.is_empty() && self.moved.is_empty()
    }
}

/// Number of groups at all of the places.
pub(crate) fn times(places: &Places) -> u64 {
    places.values().copied().fold(0, u64::saturating_add)
}

/// What `places` has beyond `others`.
fn missing_from(places: &Places, others: &Places) -> Places {
    let beyond = |(place, &times): (&String, &u64)| {
        let excess = times.saturating_sub(others.get(place).copied().unwrap_or(0));
        (excess > 0).then(|| (place.clone(), excess))
    };
    places.iter().filter_map(beyond).collect()
}

/// Takes `count` groups out of `places`, from its front.
fn split_off(places: &mut Places, mut count: u64) -> Places {
    let mut taken = Places::new();
    places.retain(|place, times| {
        let part = count.min(*times);
        count -= part;
        *times -= part;
        if part > 0 {
            taken.insert(place.clone(), part);
        }
        *times > 0
    });
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fusions(entries: &[(&str, &str, u64)]) -> Fusions {
        let mut fusions = Fusions::default();
        for &(pattern, place, times) in entries {
            fusions.fused.entry(pattern.to_owned()).or_default().insert(place.to_owned(), times);
        }
        fusions
    }

    #[test]
    fn what_vanished_appeared_and_moved_is_told_apart() {
        let before = fusions(&[("a", "x.0", 1), ("a", "x.1", 1), ("b", "y", 2), ("c", "old", 1)]);
        let after = fusions(&[("a", "x.0", 1), ("b", "y", 1), ("c", "new", 1), ("d", "z", 1)]);
        let diff = FusionDiff::between(&before, &after);
        let names = |changes: &[FusionChange]| -> Vec<(String, u64)> {
            changes.iter().map(|change| (change.pattern.clone(), change.times())).collect()
        };
        assert_eq!(names(&diff.vanished), [("a".to_owned(), 1), ("b".to_owned(), 1)]);
        assert_eq!(names(&diff.appeared), [("d".to_owned(), 1)]);
        assert_eq!(diff.moved.len(), 1);
        assert_eq!(
            (diff.moved[0].from.keys().next(), diff.moved[0].to.keys().next()),
            (Some(&"old".to_owned()), Some(&"new".to_owned()))
        );
        assert!(FusionDiff::between(&after, &after).is_empty());
    }
}
