//! Plans side by side.

use fusewright_report::{CompareReport, Compared, Subject};

use crate::{PlanSet, Strategy};

/// One side of a comparison: a plan of a set.
#[derive(Clone, Copy, Debug)]
pub struct CompareSide<'a> {
    /// The plans of a model.
    pub plans: &'a PlanSet<'a>,
    /// Which of them.
    pub strategy: Strategy,
}

/// Compares plans: figures of all sides, and what fused differently between the sides `from` and `to`. `None` where a
/// plan was not made, or there is no such side.
///
/// ```
/// use fusewright::{CompareSide, PlanOptions, Session, Strategy, compare};
///
/// let model = Session::new().load("vit_b_16")?;
/// let plans = model.plan(&PlanOptions::default())?;
/// let side = |strategy| CompareSide { plans: &plans, strategy };
/// let report = compare(&[side(Strategy::Standard), side(Strategy::Attention)], 0, 1).expect("both were made");
/// assert_eq!(report.left_apart[0].what, "attention");
/// assert_eq!(report.left_apart[0].times, 12);
/// # Ok::<(), fusewright::Error>(())
/// ```
pub fn compare(sides: &[CompareSide], from: usize, to: usize) -> Option<CompareReport> {
    let compared: Option<Vec<Compared>> = sides.iter().map(CompareSide::compared).collect();
    let compared = compared.filter(|sides| from < sides.len() && to < sides.len())?;
    Some(CompareReport::new(&compared, from, to))
}

impl CompareSide<'_> {
    fn compared(&self) -> Option<Compared<'_>> {
        let plans = self.plans;
        let subject =
            Subject { analysis: plans.analysis(), source: plans.model().source(), format: plans.model().format() };
        let timing = plans.timings().find(|(strategy, _, _)| *strategy == self.strategy).map(|(_, _, timing)| timing);
        Some(Compared { subject, plan: plans.plan(self.strategy)?, timed: plans.device().zip(timing) })
    }
}
