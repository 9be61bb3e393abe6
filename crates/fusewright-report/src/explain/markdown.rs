//! The explanation as Markdown.

use std::fmt::Write;

use super::ExplainReport;
use super::text::{group_lines, group_weight, heading, heaviest, miss_heading, miss_lines, verdict};
use crate::markdown::escaped;

/// The report as GitHub-flavoured Markdown, with the `top` heaviest groups and misses of each plan; 0 for all.
pub fn explain_markdown(report: &ExplainReport, top: usize) -> String {
    let mut out = String::new();
    if let Some(node) = &report.node {
        for plan in &node.plans {
            let mut lines = plan.because.clone();
            let before = plan.before.iter();
            lines.extend(before.map(|stop| format!("not with {}: {}: {}", stop.node, stop.rule, stop.text)));
            lines.extend(plan.end.iter().map(|stop| format!("ends here: {}: {}", stop.rule, stop.text)));
            item(&mut out, &format!("{} in the {} plan: {}", node.name, plan.strategy, plan.pattern), &lines);
        }
        node.misses.iter().for_each(|miss| item(&mut out, &miss_heading(miss), &miss_lines(miss)));
        return out;
    }
    for plan in &report.plans {
        let _ = writeln!(out, "### {}\n", spaced(&verdict(report, plan)));
        for position in heaviest(&plan.groups, top, group_weight) {
            let group = &plan.groups[position];
            item(&mut out, &heading(group), &group_lines(group));
        }
        let shown = if top == 0 { plan.misses.len() } else { plan.misses.len().min(top) };
        if shown > 0 {
            out.push_str("\nMissed:\n\n");
        }
        plan.misses[..shown].iter().for_each(|miss| item(&mut out, &miss_heading(miss), &miss_lines(miss)));
        out.push('\n');
    }
    out
}

/// A heading with lines below it.
fn item(out: &mut String, heading: &str, lines: &[String]) {
    let _ = writeln!(out, "- **{}**", spaced(heading));
    for line in lines {
        let _ = writeln!(out, "  - {}", spaced(line));
    }
}

fn spaced(text: &str) -> String {
    escaped(&text.replace('\u{a0}', " "))
}
