//! The first sentence: what the best plan is worth.

use std::fmt::Write;

use crate::PlanReport;
use crate::figures::{bytes_text, change_text, us_text};
use crate::layout::printable;
use crate::strategy::StrategyReport;

/// The verdict in one sentence; figures are tied to their units by no-break spaces.
pub fn verdict(report: &PlanReport) -> String {
    let model = printable(&report.model.name);
    let Some(best) = report.best() else { return format!("{model}: no plan was asked for.") };
    let tied = |text: String| text.replace(' ', "\u{a0}");
    let bytes = |bytes: u64| tied(bytes_text(bytes));
    if best.name == "eager" {
        let (kernels, moved) = (best.kernels, bytes(best.bytes.moved()));
        let why = if report.strategies.len() > 1 { "; nothing fuses" } else { "" };
        return format!("{model}: without fusion {kernels} kernels move {moved}{why}.");
    }
    let (kernels, moved) = (best.eager_kernels(), best.eager_bytes());
    format!(
        "{model}: {} launches {} kernels instead of {kernels} ({}), moves {} instead of {} ({}){}.",
        fusion_name(&best.name),
        best.kernels,
        tied(change_text(kernels, best.kernels)),
        bytes(best.bytes.moved()),
        bytes(moved),
        tied(change_text(moved, best.bytes.moved())),
        attention_clause(report, best),
    ) + &time_clause(report, best)
}

/// How much faster the best plan is than the eager one on the device, where both are in the report.
fn time_clause(report: &PlanReport, best: &StrategyReport) -> String {
    let eager = report.strategies.iter().find(|strategy| strategy.name == "eager");
    let (Some(device), Some(eager), Some(after)) =
        (&report.device.name, eager.and_then(|eager| eager.latency_us), best.latency_us)
    else {
        return String::new();
    };
    if after.mid <= 0.0 {
        return String::new();
    }
    let tied = |us: f64| us_text(us).replace(' ', "\u{a0}");
    let (before, faster) = (eager.mid, eager.mid / after.mid);
    format!(" On {}: {} instead of {}, {faster:.2}×.", printable(device), tied(after.mid), tied(before))
}

fn fusion_name(strategy: &str) -> &str {
    match strategy {
        "attention" => "attention fusion",
        "standard" => "standard fusion",
        other => other,
    }
}

/// What became of the attentions and of parallel projections.
fn attention_clause(report: &PlanReport, best: &StrategyReport) -> String {
    let mut clause = String::new();
    let (found, open) = (report.attention.found, report.attentions_to_fuse());
    if open == 1 {
        clause.push_str(if best.attention_chains == 1 {
            "; its attention fuses"
        } else {
            "; its attention does not fuse"
        });
    } else if open > 1 {
        match best.attention_chains {
            chains if chains == open => drop(write!(clause, "; all {open} attentions fuse")),
            chains => drop(write!(clause, "; {chains} of {open} attentions fuse")),
        }
    } else if found > 0 {
        let plural = if found == 1 { "attention is" } else { "attentions are" };
        let _ = write!(clause, "; its {found} {plural} one op each already");
    } else {
        clause.push_str("; no attention found");
    }
    if best.parallel_merges > 0 {
        let _ = write!(clause, ", {} {}", best.parallel_merges, merges_name(best));
    }
    clause
}

/// What the merges are, if they are all of one sort.
fn merges_name(strategy: &StrategyReport) -> &'static str {
    let mut sorts = strategy.patterns.iter().map(|p| p.name.as_str()).filter(|name| name.starts_with("Parallel_"));
    let (first, more) = (sorts.next(), sorts.next().is_some());
    match (first, strategy.parallel_merges == 1) {
        (Some("Parallel_QKV_Linear"), true) if !more => "Q/K/V merge",
        (Some("Parallel_QKV_Linear"), false) if !more => "Q/K/V merges",
        (_, true) => "parallel merge",
        (_, false) => "parallel merges",
    }
}
