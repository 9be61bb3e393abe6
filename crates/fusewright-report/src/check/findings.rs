//! A check as single findings, which every form of it lists.

use super::{CheckReport, CheckedModel, CheckedStrategy, FigureChange, FusionReport, MovedFusion, Verdict};
use crate::figures::{bytes_text, change_text, energy_text, us_text};
use crate::fusions::times;
use crate::layout::printable;
use crate::places::Places;
use crate::text::place;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// It fails the check.
    Error,
    /// It does not, and somebody should look.
    Warning,
    /// Good to know.
    Note,
}

/// One thing that a check found.
#[derive(Clone, Debug)]
pub(super) struct Finding<'a> {
    pub(super) level: Level,
    /// Stable id: `fusion-vanished`, `figure-regressed`, …
    pub(super) rule: &'static str,
    /// What happened, without a full stop.
    pub(super) title: String,
    /// Evidence and advice, a sentence each.
    pub(super) details: Vec<String>,
    pub(super) model: &'a str,
    pub(super) strategy: Option<&'a str>,
    /// The pattern that it is about, to find its line in the lock file.
    pub(super) pattern: Option<&'a str>,
}

/// Every id of a finding with what it means.
pub(super) const RULES: [(&str, &str); 7] = [
    ("fusion-vanished", "A fused group of the lock file is there no more"),
    ("figure-regressed", "A figure is worse than in the lock file"),
    ("figure-improved", "A figure is better than in the lock file"),
    ("fusion-appeared", "A fused group is new"),
    ("fusion-moved", "A fused group stands in another module"),
    ("no-baseline", "The lock file has no entry to compare with"),
    ("plan-changed", "Other groups, neither better nor worse"),
];

impl CheckReport {
    /// What was found, worst first within each model.
    pub(super) fn findings(&self) -> Vec<Finding<'_>> {
        self.models.iter().flat_map(of_model).collect()
    }
}

pub(super) fn of_model(model: &CheckedModel) -> Vec<Finding<'_>> {
    if model.is_new() {
        return vec![Finding {
            level: Level::Error,
            rule: "no-baseline",
            title: "no baseline".to_owned(),
            details: model.notes.clone(),
            model: &model.name,
            strategy: None,
            pattern: None,
        }];
    }
    let mut findings: Vec<Finding> =
        model.strategies.iter().flat_map(|strategy| of_strategy(model, strategy)).collect();
    findings.sort_by_key(|finding| match finding.level {
        Level::Error => 0,
        Level::Warning => 1,
        Level::Note => 2,
    });
    findings
}

fn of_strategy<'a>(model: &'a CheckedModel, strategy: &'a CheckedStrategy) -> Vec<Finding<'a>> {
    let plan = &strategy.name;
    let fails = strategy.verdict == Verdict::Regressed;
    let worse = if fails { Level::Error } else { Level::Note };
    let finding = |level, rule, title, details, pattern| Finding {
        level,
        rule,
        title,
        details,
        model: &model.name,
        strategy: Some(plan),
        pattern,
    };
    let mut findings = Vec::new();
    let vanished = strategy.vanished.iter().map(|fusion| {
        let title = format!("{} vanished from the {plan} plan", fusion_text(&fusion.pattern, fusion.times));
        finding(worse, "fusion-vanished", title, vanished_details(fusion), Some(fusion.pattern.as_str()))
    });
    findings.extend(vanished);
    for (verdict, level, rule) in
        [(Verdict::Regressed, worse, "figure-regressed"), (Verdict::Improved, Level::Note, "figure-improved")]
    {
        let figures: Vec<String> =
            strategy.figures.iter().filter(|figure| figure.verdict == verdict).map(figure_text).collect();
        if !figures.is_empty() {
            let title = format!("the {plan} plan {}: {}", verdict.name(), figures.join(", "));
            findings.push(finding(level, rule, title, Vec::new(), None));
        }
    }
    findings.extend(strategy.appeared.iter().map(|fusion| {
        let title = format!("{} appeared in the {plan} plan", fusion_text(&fusion.pattern, fusion.times));
        finding(Level::Note, "fusion-appeared", title, vec![places_text(&fusion.places)], Some(fusion.pattern.as_str()))
    }));
    findings.extend(strategy.moved.iter().map(|moved| {
        let title = format!("{} moved in the {plan} plan", fusion_text(&moved.pattern, moved.times));
        finding(Level::Note, "fusion-moved", title, vec![moved_text(moved)], Some(moved.pattern.as_str()))
    }));
    match strategy.verdict {
        Verdict::NoBaseline => {
            let title = format!("the lock file has no {plan} plan of {}", printable(&model.name));
            findings.push(finding(Level::Error, "no-baseline", title, Vec::new(), None));
        }
        Verdict::Changed | Verdict::Regressed if findings.is_empty() => {
            let ops: Vec<String> = strategy
                .single
                .iter()
                .map(|(op, change)| format!("{} {} → {}", printable(op), change.before, change.after))
                .collect();
            let figures: Vec<String> = strategy.figures.iter().map(figure_text).collect();
            let level = if fails { Level::Error } else { Level::Warning };
            let title = format!("the {plan} plan changed: {}", [figures, ops].concat().join(", "));
            findings.push(finding(level, "plan-changed", title, Vec::new(), None));
        }
        _ => {}
    }
    findings
}

/// A pattern with how often, e.g. `12 × layer_norm_linear`.
pub(crate) fn fusion_text(pattern: &str, times: u64) -> String {
    format!("{times}\u{a0}× {}", printable(pattern))
}

fn vanished_details(fusion: &FusionReport) -> Vec<String> {
    let mut details = vec![places_text(&fusion.places)];
    if !fusion.now.is_empty() {
        let now: Vec<String> = fusion.now.iter().map(|label| printable(label)).collect();
        details.push(format!("now {}", now.join(" | ")));
    }
    if let Some(reason) = &fusion.reason {
        details.push(format!("{}: {}", reason.rule, printable(&reason.text)));
        details.extend(reason.change.as_ref().map(|change| format!("to change it: {}", printable(change))));
    }
    details
}

fn moved_text(moved: &MovedFusion) -> String {
    format!("from {} to {}", place_lines(&moved.from), place_lines(&moved.to))
}

/// Where, e.g. `in encoder.layer.{0-11}.mlp`.
pub(crate) fn places_text(places: &Places) -> String {
    format!("in {}", place_lines(places))
}

/// Places that are named.
const NAMED: usize = 4;

/// Places in a list, the first few of them.
pub(crate) fn place_lines(places: &Places) -> String {
    let line = |(line, count): (&String, &u64)| {
        let times = if *count > 1 { format!("{count}\u{a0}×\u{a0}") } else { String::new() };
        format!("{times}{}", printable(place(line)))
    };
    let mut texts: Vec<String> = places.iter().take(NAMED).map(line).collect();
    if places.len() > NAMED {
        let rest: Places = places.iter().skip(NAMED).map(|(line, &count)| (line.clone(), count)).collect();
        texts.push(format!("{} more", times(&rest)));
    }
    texts.join(", ")
}

/// A figure before and after, e.g. `kernels 76 → 77 (+1.32 %)`.
pub(super) fn figure_text(figure: &FigureChange) -> String {
    let (name, before, after) = figure_cells(figure);
    let change = relative(figure.before, figure.after);
    format!("{name} {before} → {after} ({change})").replace(' ', "\u{a0}").replace("\u{a0}→", " →")
}

/// The figures of a plan that say something by themselves; all of them where none does.
pub(super) fn shown_figures(strategy: &CheckedStrategy) -> impl Iterator<Item = &FigureChange> {
    let judged = strategy.figures.iter().any(|figure| figure.verdict != Verdict::Changed);
    strategy.figures.iter().filter(move |figure| !judged || figure.verdict != Verdict::Changed)
}

/// The name of a figure for people, and its values.
pub(super) fn figure_cells(figure: &FigureChange) -> (String, String, String) {
    let (name, text): (&str, fn(f64) -> String) = match figure.name.as_str() {
        "latency_us" => ("predicted time", us_text),
        "energy_mj" => ("energy", energy_text),
        "bytes" => ("bytes", whole_bytes),
        "bytes_read" => ("bytes read", whole_bytes),
        "bytes_written" => ("bytes written", whole_bytes),
        "bytes_internal" => ("bytes kept on chip", whole_bytes),
        "peak_memory_bytes" => ("peak memory", whole_bytes),
        "attention_chains" => ("attention chains", whole),
        "parallel_merges" => ("parallel merges", whole),
        "device_kernels" => ("device kernels", whole),
        other => (other, whole),
    };
    (name.to_owned(), text(figure.before), text(figure.after))
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

fn whole_bytes(value: f64) -> String {
    bytes_text(as_count(value))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and counts are not negative"
)]
fn as_count(value: f64) -> u64 {
    value.round() as u64
}

/// The change in percent.
pub(super) fn relative(before: f64, after: f64) -> String {
    if before.abs() < 1e6 && after.abs() < 1e6 {
        // Counts and times are compared in thousandths, so that small ones keep their digits.
        change_text(as_count(before * 1e3), as_count(after * 1e3))
    } else {
        change_text(as_count(before), as_count(after))
    }
}
