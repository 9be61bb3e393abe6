//! From two entries of a lock file, the committed one and one made now, to what became of the model.

use std::collections::BTreeMap;

use fusewright_device::Device;
use fusewright_plan::Plan;

use super::figure::changes;
use super::report::CountChange;
use super::{CheckedModel, CheckedStrategy, FusionReport, Verdict};
use crate::fusions::{FusionChange, FusionDiff, Fusions};
use crate::lock::{LockEntry, LockStrategy};
use crate::model::Subject;
use crate::places::{Places, unfold_place};
use crate::why::Why;

/// How entries are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckOptions {
    /// Tolerance of predicted times, as a fraction.
    pub tolerance: f64,
    /// Any difference is a regression, improvements too.
    pub exact: bool,
}

impl Default for CheckOptions {
    /// 2 % for predicted times; improvements are none.
    fn default() -> Self {
        Self { tolerance: 0.02, exact: false }
    }
}

/// A model that was planned, to be held against the lock file.
#[derive(Clone, Copy, Debug)]
pub struct Checked<'a> {
    /// The model.
    pub subject: Subject<'a>,
    /// What the lock file would keep of it now.
    pub now: &'a LockEntry,
    /// Its plans.
    pub plans: &'a [&'a Plan],
    /// The device that they are for.
    pub device: Option<&'a Device>,
}

impl Checked<'_> {
    /// The model where the lock file has no entry for it.
    pub fn without_baseline(&self, name: &str, note: impl Into<String>) -> CheckedModel {
        CheckedModel {
            name: name.to_owned(),
            verdict: Verdict::NoBaseline,
            model_changed: false,
            hash: self.now.model.hash.clone(),
            locked_by: None,
            device_changed: false,
            notes: vec![note.into()],
            strategies: self.now.strategies.iter().map(|(name, after)| missing(name, after)).collect(),
        }
    }

    /// The model against its entry.
    pub fn against(&self, name: &str, before: &LockEntry, options: CheckOptions) -> CheckedModel {
        let now = self.now;
        let model_changed = before.model.hash != now.model.hash;
        let locked_by = (before.tool_version != now.tool_version).then(|| before.tool_version.clone());
        let device_changed = before.device != now.device;
        let same_times = locked_by.is_none() && !device_changed;
        let strategies: Vec<CheckedStrategy> = now
            .strategies
            .iter()
            .map(|(name, after)| match before.strategies.get(name) {
                Some(before) => self.strategy(name, before, after, options, same_times),
                None => missing(name, after),
            })
            .collect();
        let verdict = strategies.iter().map(|strategy| strategy.verdict).max().unwrap_or(Verdict::Same);
        CheckedModel {
            name: name.to_owned(),
            verdict,
            model_changed,
            hash: now.model.hash.clone(),
            notes: notes(before, now, model_changed, verdict),
            locked_by,
            device_changed,
            strategies,
        }
    }

    fn strategy(
        &self,
        name: &str,
        before: &LockStrategy,
        after: &LockStrategy,
        options: CheckOptions,
        same_times: bool,
    ) -> CheckedStrategy {
        let figures = changes(before, after, options.tolerance, same_times);
        let diff = FusionDiff::between(&unfolded(before), &unfolded(after));
        let single = single_changes(before, after);
        let differs = !diff.is_empty() || !single.is_empty();
        let verdict = judged(figures.iter().map(|figure| figure.verdict), differs, options.exact);
        let plan = self.plans.iter().find(|plan| plan.strategy == name);
        let why =
            plan.filter(|_| !diff.vanished.is_empty()).map(|plan| Why::of(self.subject.analysis, plan, self.device));
        let explained = |change: FusionChange| {
            let first = change.places.keys().next();
            let (now, reason) = match (&why, first) {
                (Some(why), Some(place)) => why.instead_of(&change.pattern, place),
                _ => (Vec::new(), None),
            };
            FusionReport { now, reason, ..FusionReport::from(change) }
        };
        CheckedStrategy {
            name: name.to_owned(),
            verdict,
            kernels: after.kernels,
            bytes: after.moved(),
            figures,
            vanished: diff.vanished.into_iter().map(explained).collect(),
            appeared: diff.appeared.into_iter().map(FusionReport::from).collect(),
            moved: diff.moved.into_iter().map(Into::into).collect(),
            single,
        }
    }
}

/// The plan where the entry of the model has none by its strategy.
fn missing(name: &str, after: &LockStrategy) -> CheckedStrategy {
    CheckedStrategy {
        name: name.to_owned(),
        verdict: Verdict::NoBaseline,
        kernels: after.kernels,
        bytes: after.moved(),
        figures: Vec::new(),
        vanished: Vec::new(),
        appeared: Vec::new(),
        moved: Vec::new(),
        single: BTreeMap::new(),
    }
}

/// One worse figure is a regression, whatever got better.
fn judged(figures: impl Iterator<Item = Verdict>, differs: bool, exact: bool) -> Verdict {
    let (mut better, mut worse, mut other) = (false, false, differs);
    for verdict in figures {
        match verdict {
            Verdict::Regressed => worse = true,
            Verdict::Improved => better = true,
            _ => other = true,
        }
    }
    match (worse, better, other) {
        (true, _, _) => Verdict::Regressed,
        (false, false, false) => Verdict::Same,
        _ if exact => Verdict::Regressed,
        (false, true, _) => Verdict::Improved,
        (false, false, true) => Verdict::Changed,
    }
}

/// The places of a locked plan one by one. That they unfold was checked when the file was read.
fn unfolded(plan: &LockStrategy) -> Fusions {
    let one_by_one = |places: &Places| {
        let mut all = Places::new();
        for (line, &times) in places {
            for place in unfold_place(line).unwrap_or_default() {
                let entry = all.entry(place).or_default();
                *entry = u64::saturating_add(*entry, times);
            }
        }
        all
    };
    let fused = plan.fused.iter().map(|(pattern, places)| (pattern.clone(), one_by_one(places))).collect();
    Fusions { fused, single: plan.single.clone() }
}

fn single_changes(before: &LockStrategy, after: &LockStrategy) -> BTreeMap<String, CountChange> {
    let count = |plan: &LockStrategy, op: &String| plan.single.get(op).copied().unwrap_or(0);
    let ops = before.single.keys().chain(after.single.keys());
    let changes = ops.map(|op| (op.clone(), CountChange { before: count(before, op), after: count(after, op) }));
    changes.filter(|(_, change)| change.before != change.after).collect()
}

fn notes(before: &LockEntry, now: &LockEntry, model_changed: bool, verdict: Verdict) -> Vec<String> {
    let mut notes = Vec::new();
    let (old, new) = (&before.model, &now.model);
    if model_changed {
        let mut facts = Vec::new();
        let mut fact = |what: &str, old: u64, new: u64| {
            if old != new {
                facts.push(format!("{what} {old} → {new}"));
            }
        };
        fact("nodes", old.nodes, new.nodes);
        fact("attentions", old.attentions, new.attentions);
        fact("FLOPs of contractions", old.contraction_flops, new.contraction_flops);
        let facts = if facts.is_empty() { String::new() } else { format!(": {}", facts.join(", ")) };
        notes.push(format!("the model is another one than when it was locked{facts}"));
    }
    if before.tool_version != now.tool_version {
        let blame = if model_changed || verdict == Verdict::Same {
            "predicted times are not compared"
        } else {
            "the model is the same, so the difference is fusewright's; predicted times are not compared"
        };
        notes.push(format!("locked by fusewright {}, checked by {}: {blame}", before.tool_version, now.tool_version));
    }
    if let (Some(old), Some(new)) = (&before.device, &now.device)
        && old != new
    {
        let text = format!(
            "the description of {} changed (revision {} → {}): predicted times are not compared",
            new.id, old.revision, new.revision
        );
        notes.push(text);
    }
    notes
}
