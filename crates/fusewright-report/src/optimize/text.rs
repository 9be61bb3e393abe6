//! The page of `optimize`.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::OptimizeReport;
use crate::count_text;
use crate::layout::{cut_middle, printable, wrap};
use crate::places::{Places, fold_places};

/// A few lines: what was made of the model.
pub fn optimize_text(report: &OptimizeReport, width: usize) -> String {
    let mut page = String::new();
    let output = report.output.as_deref().unwrap_or("nothing written");
    line(&mut page, &format!("{} → {output}", printable(&report.model)), width);
    line(&mut page, &format!("target {}, operators of version {}", report.target, report.opset), width);
    page.push('\n');
    let (before, after) = (report.nodes.before, report.nodes.after);
    line(&mut page, &format!("nodes      {} → {}", count_text(before), count_text(after)), width);
    let attention = report.attention;
    if attention.found > 0 {
        let already = if attention.already > 0 { format!(", {} were", attention.already) } else { String::new() };
        let text = format!("attention  {} of {} made one node{already}", attention.fused, attention.found);
        line(&mut page, &text, width);
    }
    for (kind, (count, nodes)) in report.kinds().into_iter().filter(|(kind, _)| *kind != "attention") {
        let text = match kind {
            "redundant" => format!("{} nodes that do nothing", count_text(nodes)),
            "duplicates" => format!("{} nodes computed twice", count_text(nodes)),
            "constants" => format!("{} nodes computed ahead", count_text(nodes)),
            kind => format!("{kind}: {} made one node each", count_text(count)),
        };
        line(&mut page, &format!("           {text}"), width);
    }
    for note in &report.notes {
        for text in wrap(&printable(note), width, 2) {
            line(&mut page, &text, width);
        }
    }
    if !report.skipped.is_empty() {
        page.push('\n');
        let hint = format!("{} left as they are (--diff says why)", count_text(report.skipped.len() as u64));
        line(&mut page, &hint, width);
    }
    page
}

/// Everything: changes by module, what was not changed, operators before and after.
pub fn optimize_diff(report: &OptimizeReport, width: usize) -> String {
    let mut page = optimize_text(report, width);
    let mut made: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for change in report.changes.iter().filter(|change| !change.operator.is_empty()) {
        made.entry((&change.rewrite, &change.operator)).or_default().push(change.module.clone());
    }
    if !made.is_empty() {
        page.push_str("\nChanged\n");
    }
    for ((rewrite, operator), modules) in made {
        line(&mut page, &format!("  {rewrite} → {operator}"), width);
        places(&mut page, modules, width);
    }
    let mut skipped: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for skip in &report.skipped {
        skipped.entry((&skip.rewrite, &skip.reason)).or_default().push(skip.module.clone());
    }
    if !skipped.is_empty() {
        page.push_str("\nNot changed\n");
    }
    for ((rewrite, reason), modules) in skipped {
        for text in wrap(&format!("  {rewrite}: {reason}"), width, 4) {
            line(&mut page, &text, width);
        }
        places(&mut page, modules, width);
    }
    page.push_str("\nOperators                                 before    after\n");
    for (name, counts) in report.operators.iter().filter(|(_, counts)| counts.before != counts.after) {
        let name = cut_middle(&printable(name), 38);
        let (before, after) = (count_text(counts.before), count_text(counts.after));
        let gap = " ".repeat(38 - crate::layout::width(&name));
        line(&mut page, &format!("  {name}{gap}{before:>8} {after:>8}"), width);
    }
    page
}

/// Modules with their numbers folded, a line each.
fn places(page: &mut String, modules: Vec<String>, width: usize) {
    let mut count: Places = Places::new();
    for module in modules {
        let module = if module.is_empty() { "(no module)".to_owned() } else { printable(&module) };
        *count.entry(module).or_default() += 1;
    }
    for (place, times) in fold_places(&count) {
        let times = if times > 1 { format!("  ×{times}") } else { String::new() };
        line(page, &format!("    {place}{times}"), width);
    }
}

fn line(page: &mut String, text: &str, width: usize) {
    let _ = writeln!(page, "{}", cut_middle(text, width));
}
