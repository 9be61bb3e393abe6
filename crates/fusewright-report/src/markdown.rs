//! The report as GitHub-flavoured Markdown, for pull requests and notes.

use std::fmt::Write;

use crate::PlanReport;
use crate::figures::{bytes_text, flop_text, signed_bytes_text, signed_count_text, significant};
use crate::group_rows::GroupKind;
use crate::layout::printable;
use crate::strategy::StrategyReport;
use crate::text::{group_label, merges_label, model_facts, place, profile};
use crate::times_text::{gap_text, time_rows, time_summary};
use crate::verdict::verdict;

/// The report as Markdown with the `top` largest opportunities; 0 for all.
pub fn markdown(report: &PlanReport, top: usize) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "**{}**\n", escaped(&verdict(report).replace('\u{a0}', " ")));
    let _ = writeln!(out, "{}, {}\n", escaped(&model_facts(report).join(", ")), profile(report));
    strategies(&mut out, report);
    if let Some(best) = report.best() {
        opportunities(&mut out, best, top);
        groups(&mut out, report, best);
    }
    not_counted(&mut out, report);
    out
}

fn strategies(out: &mut String, report: &PlanReport) {
    let mut row = |name: &str, cell: &dyn Fn(&StrategyReport) -> String| {
        let _ = write!(out, "| {name} |");
        for strategy in &report.strategies {
            let _ = write!(out, " {} |", cell(strategy));
        }
        out.push('\n');
    };
    row("", &|s| escaped(&s.name));
    row("---", &|_| "---:".to_owned());
    row("nodes", &|s| s.nodes.to_string());
    row("groups", &|s| s.groups.to_string());
    row("kernels", &|s| s.kernels.to_string());
    row("mean group size", &|s| significant(s.mean_group_size));
    row("largest group", &|s| s.max_group_size.to_string());
    row(merges_label(report), &|s| s.parallel_merges.to_string());
    row("attention chains", &|s| s.attention_chains.to_string());
    row("bytes", &|s| bytes_text(s.bytes.moved()));
    row("bytes saved", &|s| signed_bytes_text(s.bytes_saved));
    row("bytes above the floor", &|s| s.above_floor.bytes.map_or_else(String::new, |times| significant(times) + "×"));
    row("peak memory", &|s| bytes_text(s.peak_memory_bytes));
    row("FLOPs (2·MAC)", &|s| flop_text(s.flops.contraction));
    for (label, cells) in time_rows(report) {
        let _ = writeln!(out, "| {} | {} |", label.trim_start(), cells.join(" | "));
    }
    if report.strategies.iter().any(|strategy| strategy.certificate.gap.is_some()) {
        let gap = |s: &StrategyReport| s.certificate.gap.map_or_else(String::new, gap_text);
        let cells: Vec<String> = report.strategies.iter().map(gap).collect();
        let _ = writeln!(out, "| from the best | {} |", cells.join(" | "));
    }
    out.push('\n');
    if let Some(summary) = report.best().and_then(|best| time_summary(report, best)) {
        let _ = writeln!(out, "{}\n", escaped(&summary.replace('\u{a0}', " ")));
    }
}

fn opportunities(out: &mut String, best: &StrategyReport, top: usize) {
    let rows = best.opportunities();
    if rows.is_empty() {
        return;
    }
    let shown = if top == 0 { rows.len() } else { rows.len().min(top) };
    let _ = writeln!(out, "| saved by {} | times | kernels | bytes | for example in |", escaped(&best.name));
    out.push_str("| --- | ---: | ---: | ---: | --- |\n");
    for pattern in &rows[..shown] {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            code(&pattern.name),
            pattern.count,
            signed_count_text(pattern.kernels_saved),
            signed_bytes_text(pattern.bytes_saved),
            place_text(&pattern.example.module),
        );
    }
    if shown < rows.len() {
        let _ = writeln!(out, "\nand {} smaller", rows.len() - shown);
    }
    out.push('\n');
}

fn groups(out: &mut String, report: &PlanReport, best: &StrategyReport) {
    let Some(all) = &report.groups else { return };
    let _ = writeln!(out, "| group | kernel ({}) | FLOPs (2·MAC) | bytes | FLOP/B | module |", escaped(&best.name));
    out.push_str("| ---: | --- | ---: | ---: | ---: | --- |\n");
    for row in all.iter().filter(|row| row.strategy == best.name && row.kind != GroupKind::View) {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            row.id,
            code(&group_label(row)),
            flop_text(row.flops.contraction),
            bytes_text(row.bytes.moved()),
            significant(row.intensity),
            place_text(&row.module),
        );
    }
    out.push('\n');
}

fn not_counted(out: &mut String, report: &PlanReport) {
    if report.model.uncounted_ops.is_empty() {
        out.push_str("Not counted: nothing, every op is in the figures above.\n");
        return;
    }
    out.push_str("Not counted, FLOPs of:\n\n");
    for op in &report.model.uncounted_ops {
        let reason = op.reason.as_ref().map_or_else(String::new, |reason| format!(": {}", escaped(reason)));
        let _ = writeln!(out, "- {} × {}{reason}", op.count, code(&op.name));
    }
}

fn place_text(module: &str) -> String {
    if module.is_empty() { place(module).to_owned() } else { code(module) }
}

/// Text in which nothing is markup.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text).chars() {
        if matches!(c, '\\' | '|' | '`' | '*' | '_' | '<' | '[' | ']' | '~') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Text as code, also inside a table, where a bar must be escaped even there.
pub(crate) fn code(text: &str) -> String {
    let text = printable(text).replace('|', "\\|");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_names_is_text() {
        assert_eq!(escaped("a|b_c<d"), "a\\|b\\_c\\<d");
        assert_eq!(code("a|b"), "`a\\|b`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`a"), "`` `a ``");
    }
}
