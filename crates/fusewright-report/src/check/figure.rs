//! One figure before and after.

use serde::Serialize;

use super::Verdict;
use crate::lock::LockStrategy;

/// A figure that differs from the lock file, or a time that was compared with a tolerance.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FigureChange {
    /// Name of the figure as in the lock file, e.g. `kernels`.
    pub name: String,
    /// What the lock file says.
    pub before: f64,
    /// What is planned now.
    pub after: f64,
    /// What that is: `regressed`, `improved`, or `changed` where neither is better or the two cannot be compared.
    pub verdict: Verdict,
}

/// How a figure is compared.
struct Figure {
    name: &'static str,
    value: fn(&LockStrategy) -> Option<f64>,
    better: Better,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Better {
    Less,
    More,
    /// A prediction: less is better, within the tolerance.
    LessByModel,
    /// A count that says nothing of itself.
    Neither,
}

macro_rules! counts {
    ($($name:ident: $better:ident),*) => {
        &[$(Figure { name: stringify!($name), value: |plan| Some(plan.$name as f64), better: Better::$better }),*]
    };
}

/// Exact figures, the most telling first.
const COUNTS: &[Figure] = counts![
    attention_chains: More, parallel_merges: More, kernels: Less, groups: Neither, bytes_read: Neither,
    bytes_written: Neither, bytes_internal: Neither, peak_memory_bytes: Less
];

/// Bytes moved are judged as a sum: a plan may read more and write less.
const MOVED: Figure = Figure { name: "bytes", value: |plan| Some(plan.moved() as f64), better: Better::Less };

/// Predictions. The kernels of a device follow from its description, so they belong here.
const PREDICTIONS: &[Figure] = &[
    Figure {
        name: "device_kernels",
        value: |plan| plan.device_kernels.map(|kernels| kernels as f64),
        better: Better::Less,
    },
    Figure { name: "latency_us", value: |plan| plan.latency_us, better: Better::LessByModel },
    Figure { name: "energy_mj", value: |plan| plan.energy_mj, better: Better::LessByModel },
];

/// The figures of two plans that differ; `tolerance` is that of predictions as a fraction. Where `same_model_of_time`
/// does not hold, predictions are not judged.
pub(super) fn changes(
    before: &LockStrategy,
    after: &LockStrategy,
    tolerance: f64,
    same_model_of_time: bool,
) -> Vec<FigureChange> {
    let change = |figure: &Figure, judged: bool| {
        let (old, new) = ((figure.value)(before)?, (figure.value)(after)?);
        let slack = if figure.better == Better::LessByModel { tolerance * old.abs() } else { 0.0 };
        if (new - old).abs() <= slack {
            return None;
        }
        let verdict = match figure.better {
            _ if !judged => Verdict::Changed,
            Better::Neither => Verdict::Changed,
            Better::More if new > old => Verdict::Improved,
            Better::More => Verdict::Regressed,
            _ if new < old => Verdict::Improved,
            _ => Verdict::Regressed,
        };
        Some(FigureChange { name: figure.name.to_owned(), before: old, after: new, verdict })
    };
    let counts = std::iter::once(&MOVED).chain(COUNTS).filter_map(|figure| change(figure, true));
    counts.chain(PREDICTIONS.iter().filter_map(|figure| change(figure, same_model_of_time))).collect()
}
