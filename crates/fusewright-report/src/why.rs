//! What stands where a fusion used to be, and why.

use fusewright_device::Device;
use fusewright_ir::NodeId;
use fusewright_plan::{Analysis, Plan, Stop, Stops, UNFUSED};

use crate::explain::StopReport;
use crate::module_path;
use crate::places::{place_template, without_braces};

/// Groups that are followed from the one that begins like a pattern to the one that ends like it.
const STEPS: usize = 6;

/// The groups of a plan by place.
pub(crate) struct Why<'a> {
    analysis: &'a Analysis<'a>,
    plan: &'a Plan,
    timed: bool,
    stops: Stops<'a>,
    places: Vec<(usize, String)>,
}

/// Groups one after the other, each reading from the one before.
struct Trail {
    groups: Vec<usize>,
    /// The last one ends like the pattern.
    complete: bool,
}

impl<'a> Why<'a> {
    pub(crate) fn of(analysis: &'a Analysis<'a>, plan: &'a Plan, device: Option<&'a Device>) -> Self {
        let working = (0..plan.counted).filter(|&group| plan.costs[group].kernels > 0);
        let place = |group| (group, without_braces(module_path::common(analysis, plan.groups.members(group))));
        let places = working.map(place).collect();
        Self { analysis, plan, timed: device.is_some(), stops: Stops::of(analysis, plan, device), places }
    }

    /// What stands at a place instead of a group of this pattern, and why the group that begins like it ends early.
    pub(crate) fn instead_of(&self, pattern: &str, place: &str) -> (Vec<String>, Option<StopReport>) {
        let Some(trail) = self.trail(pattern, place) else { return (Vec::new(), None) };
        let labels = trail.groups.iter().map(|&group| self.label(group).to_owned());
        let now = if trail.complete { labels.collect() } else { labels.take(2).chain(["…".to_owned()]).collect() };
        (now, trail.groups.first().and_then(|&group| self.stop(group)))
    }

    /// The groups that the pattern fell apart into.
    fn trail(&self, pattern: &str, place: &str) -> Option<Trail> {
        let here: Vec<usize> =
            self.places.iter().filter(|(_, other)| overlap(place, other)).map(|&(group, _)| group).collect();
        let begins = |group: &usize| {
            let rest = pattern.strip_prefix(self.label(*group));
            rest.is_some_and(|rest| rest.starts_with('_'))
        };
        let model = self.survivor(pattern, place).and_then(|group| self.key_of_first(group));
        let like_others = |group: &usize| model.is_some() && self.key_of_first(*group) == model;
        if let Some(group) = here.iter().copied().find(|group| begins(group) && like_others(group)) {
            return Some(self.follow(pattern, group));
        }
        let whole: Vec<usize> = here.iter().copied().filter(begins).collect();
        // Where no group is a beginning of the pattern, the nearest is one that begins with the same ops.
        let near = if whole.is_empty() { here } else { whole };
        let mut longest = 0;
        let mut best: Option<Trail> = None;
        for group in near {
            let length = shared_ops(pattern, self.label(group));
            let trail = self.follow(pattern, group);
            if length > 0 && best.as_ref().is_none_or(|best| (trail.complete, length) > (best.complete, longest)) {
                (best, longest) = (Some(trail), length);
            }
        }
        best
    }

    /// A group of the pattern in another layer: it shows which nodes belong together.
    fn survivor(&self, pattern: &str, place: &str) -> Option<usize> {
        let wanted = place_template(place);
        let same = |&&(group, ref other): &&(usize, String)| {
            self.plan.pattern(group) == pattern && place_template(other) == wanted
        };
        self.places.iter().find(same).map(|&(group, _)| group)
    }

    /// Name and module path of a group's first node, numbers left out.
    fn key_of_first(&self, group: usize) -> Option<(String, String)> {
        let first: NodeId = self.stops.members(group).next()?;
        let graph = self.analysis.graph;
        let scope = graph.text(graph.node(first).source.scope);
        Some((place_template(graph.node_name(first)), place_template(scope)))
    }

    /// From reader to reader until a group ends like the pattern.
    fn follow(&self, pattern: &str, start: usize) -> Trail {
        let mut groups = vec![start];
        for _ in 0..STEPS {
            let Some(next) = groups.last().and_then(|&group| self.next(pattern, group)) else { break };
            groups.push(next);
            if pattern.strip_suffix(self.label(next)).is_some_and(|rest| rest.ends_with('_')) {
                return Trail { groups, complete: true };
            }
        }
        Trail { groups, complete: false }
    }

    /// The group that reads from one, rather one whose ops are in the pattern.
    fn next(&self, pattern: &str, group: usize) -> Option<usize> {
        let stop = self.last_stop(group)?;
        let groups = || stop.readers.iter().map(|&reader| self.plan.groups.of(reader) as usize);
        let inside = |group: &usize| *group < self.plan.counted && pattern.contains(self.label(*group));
        groups().find(inside).or_else(|| groups().find(|&group| group < self.plan.counted))
    }

    fn label(&self, group: usize) -> &str {
        match self.plan.pattern(group) {
            UNFUSED => module_path::first_worker_op(self.analysis, self.plan.groups.members(group)),
            pattern => pattern,
        }
    }

    fn last_stop(&self, group: usize) -> Option<Stop> {
        self.stops.of_group(group).pop()
    }

    /// Why a group ends at its last node.
    fn stop(&self, group: usize) -> Option<StopReport> {
        let stop = self.last_stop(group)?;
        Some(StopReport::of(self.analysis, &self.stops, self.plan.strategy, self.timed, &stop))
    }
}

/// How many characters of whole ops two patterns begin with in common.
fn shared_ops(one: &str, other: &str) -> usize {
    let (one, other) = (format!("{one}_"), format!("{other}_"));
    let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    one[..same].rfind('_').map_or(0, |end| end + 1)
}

/// One path lies in the other.
fn overlap(one: &str, other: &str) -> bool {
    let inside = |inner: &str, outer: &str| {
        outer.is_empty() || inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    inside(one, other) || inside(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_overlap_at_their_parts() {
        assert!(overlap("layer.1.mlp", "layer.1"));
        assert!(overlap("layer.1", "layer.1.mlp"));
        assert!(overlap("layer.1", ""));
        assert!(!overlap("layer.1", "layer.10"));
    }

    #[test]
    fn patterns_share_whole_ops() {
        assert_eq!(shared_ops("matmul_softmax", "matmul_add_softmax"), 7);
        assert_eq!(shared_ops("linear_gelu", "linear"), 7);
        assert_eq!(shared_ops("linear_gelu", "line"), 0);
    }
}
