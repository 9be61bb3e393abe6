//! What a plan saves against running op by op, by class of fusion.

use fusewright_ir::{NodeId, Op};
use fusewright_plan::{Analysis, Timing};
use serde::Serialize;

use super::TimedPlan;
use super::kernels::short;

/// What kind of fusion a group is; the first that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SavingClass {
    /// The steps of an attention.
    Attention,
    /// Parallel projections.
    Projections,
    /// A norm or softmax with its neighbours.
    Norm,
    /// A product or convolution with what follows it.
    Epilogue,
    /// Loops over elements.
    Elementwise,
    /// What does not belong to one group.
    Other,
}

impl SavingClass {
    const ALL: [SavingClass; 6] = [
        SavingClass::Attention,
        SavingClass::Projections,
        SavingClass::Norm,
        SavingClass::Epilogue,
        SavingClass::Elementwise,
        SavingClass::Other,
    ];
}

/// What all fusions of a class save. Negative where they cost more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SavingRow {
    /// The class.
    pub class: SavingClass,
    /// Groups.
    pub groups: u64,
    /// Launches saved.
    pub kernels: i64,
    /// Bytes saved.
    pub bytes: i64,
    /// Time saved, µs; `None` without a device.
    pub us: Option<f64>,
}

/// What running alone costs each op: the eager plan.
struct Alone<'a> {
    analysis: &'a Analysis<'a>,
    eager: &'a TimedPlan<'a>,
}

impl Alone<'_> {
    fn kernels(&self, id: NodeId) -> u64 {
        u64::from(!self.analysis.storage.is_free(id))
    }

    fn bytes(&self, id: NodeId) -> u64 {
        if self.analysis.storage.is_free(id) { 0 } else { self.eager.plan.costs[self.group(id)].moved() }
    }

    fn us(&self, timing: &Timing, id: NodeId) -> f64 {
        if self.analysis.storage.is_free(id) { 0.0 } else { timing.groups[self.group(id)].us }
    }

    fn group(&self, id: NodeId) -> usize {
        self.eager.plan.groups.of(id) as usize
    }
}

/// One row for each class that occurs; they add up to the difference between the plans.
pub(super) fn savings(analysis: &Analysis, eager: &TimedPlan, timed: &TimedPlan) -> Vec<SavingRow> {
    let alone = Alone { analysis, eager };
    let timings = eager.timing.zip(timed.timing);
    let plan = timed.plan;
    let mut rows =
        SavingClass::ALL.map(|class| SavingRow { class, groups: 0, kernels: 0, bytes: 0, us: timings.map(|_| 0.0) });
    for group in 0..plan.groups.count() {
        let members = plan.groups.members(group);
        let launched: u64 = members.iter().map(|&id| alone.kernels(id)).sum();
        if launched < 2 {
            continue;
        }
        let row = &mut rows[class_of(analysis, timed, group) as usize];
        let bytes = members.iter().map(|&id| alone.bytes(id)).fold(0, u64::saturating_add);
        row.groups += 1;
        row.kernels = row.kernels.saturating_add(difference(launched, u64::from(plan.costs[group].kernels)));
        row.bytes = row.bytes.saturating_add(difference(bytes, plan.costs[group].moved()));
        if let (Some((before, after)), Some(us)) = (timings, &mut row.us) {
            *us += members.iter().map(|&id| alone.us(before, id)).sum::<f64>() - after.groups[group].us;
        }
    }
    let sum_kernels = rows.iter().fold(0, |sum: i64, row| sum.saturating_add(row.kernels));
    let sum_bytes = rows.iter().fold(0, |sum: i64, row| sum.saturating_add(row.bytes));
    let sum_us: f64 = rows.iter().filter_map(|row| row.us).sum();
    let other = &mut rows[SavingClass::Other as usize];
    let whole = |plan: &TimedPlan| (u64::from(plan.plan.total.kernels), plan.plan.total.moved());
    let (before, after) = (whole(eager), whole(timed));
    other.kernels = difference(before.0, after.0).saturating_sub(sum_kernels);
    other.bytes = difference(before.1, after.1).saturating_sub(sum_bytes);
    if let (Some((before, after)), Some(us)) = (timings, &mut other.us) {
        let rest = before.total.us - after.total.us - sum_us;
        // Sums in another order differ in their last digits.
        *us = if rest.abs() < 1e-9 * before.total.us { 0.0 } else { rest };
    }
    for row in &mut rows {
        row.us = row.us.map(short);
    }
    let occurs = |row: &SavingRow| row.groups > 0 || row.kernels != 0 || row.bytes != 0 || row.us.unwrap_or(0.0) != 0.0;
    rows.into_iter().filter(occurs).collect()
}

fn class_of(analysis: &Analysis, timed: &TimedPlan, group: usize) -> SavingClass {
    let plan = timed.plan;
    let members = plan.groups.members(group);
    let inside = |id: &NodeId| plan.groups.of(*id) as usize == group;
    let ops = || members.iter().filter(|&&id| !analysis.storage.is_free(id)).map(|&id| &analysis.graph.node(id).op);
    let attends = analysis.attentions.sites.iter().any(|site| {
        // Most groups are ruled out by one step.
        site.chain.len() > 1 && site.chain.first().is_some_and(inside) && site.chain.iter().all(inside)
    });
    if attends {
        return SavingClass::Attention;
    }
    let merges = &plan.merges;
    if merges.iter().any(|merge| merge.members.first().is_some_and(inside)) {
        return SavingClass::Projections;
    }
    if ops().any(|op| matches!(op, Op::Normalization(_))) {
        return SavingClass::Norm;
    }
    if ops().any(|op| matches!(op, Op::Contraction(_) | Op::Convolution(_) | Op::Attention(_))) {
        return SavingClass::Epilogue;
    }
    SavingClass::Elementwise
}

fn difference(a: u64, b: u64) -> i64 {
    i64::try_from(i128::from(a) - i128::from(b)).unwrap_or(if a > b { i64::MAX } else { i64::MIN })
}
