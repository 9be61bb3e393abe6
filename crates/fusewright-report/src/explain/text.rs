//! The explanation as a page for a terminal.

use anstyle::{AnsiColor, Style};

use super::{ExplainReport, ExplainedGroup, ExplainedMiss, ExplainedNode, ExplainedPlan, Member, NodeInPlan};
use crate::TextOptions;
use crate::check::places_text;
use crate::figures::{bytes_text, signed_bytes_text, us_text};
use crate::layout::printable;
use crate::page::Page;

/// Nodes of a group that are named.
const NAMED: usize = 8;

/// The report as text; `options.top` bounds groups and misses apart.
pub fn explain_text(report: &ExplainReport, options: TextOptions) -> String {
    let mut page = Page::new(options);
    if let Some(node) = &report.node {
        node_page(&mut page, report, node);
        return page.finish();
    }
    for plan in &report.plans {
        page.paragraph(Style::new().bold(), &verdict(report, plan), 0);
        groups(&mut page, plan);
        misses(&mut page, &plan.misses);
    }
    page.paragraph(Style::new().dimmed(), "next: --rule ID has the long text of an id · --node NAME · --misses", 2);
    page.finish()
}

/// A plan in a sentence.
pub(super) fn verdict(report: &ExplainReport, plan: &ExplainedPlan) -> String {
    let tied = |text: String| text.replace(' ', "\u{a0}");
    let kinds = match plan.groups.len() {
        0 => String::new(),
        1 => " of one kind".to_owned(),
        count => format!(" of {count} kinds"),
    };
    let time = match (&report.device, plan.latency_us) {
        (Some(device), Some(range)) => format!(", {} on {}", tied(us_text(range.mid)), printable(device)),
        _ => String::new(),
    };
    let missed: u64 = plan.misses.iter().map(|miss| miss.times).sum();
    let missed = if missed == 0 { "nothing more would fuse".to_owned() } else { format!("{missed} fusions missed") };
    let (model, bytes) = (printable(&report.model), tied(bytes_text(plan.bytes)));
    format!("{model}, {} plan: {} kernels{kinds}, {bytes} moved{time}; {missed}.", plan.strategy, plan.kernels)
}

/// The positions of the `top` heaviest, in order; all for 0.
pub(super) fn heaviest<T>(items: &[T], top: usize, weight: impl Fn(&T) -> f64) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..items.len()).collect();
    if top > 0 && items.len() > top {
        positions.sort_by(|&a, &b| weight(&items[b]).total_cmp(&weight(&items[a])).then(a.cmp(&b)));
        positions.truncate(top);
        positions.sort_unstable();
    }
    positions
}

/// What a kind of group weighs: its time, else its bytes.
pub(super) fn group_weight(group: &ExplainedGroup) -> f64 {
    let one = group.time_us.map_or(group.bytes as f64, |time| time.mid);
    one * group.times as f64
}

fn groups(page: &mut Page, plan: &ExplainedPlan) {
    let shown = heaviest(&plan.groups, page.options.top, group_weight);
    for &position in &shown {
        let group = &plan.groups[position];
        page.blank();
        page.paragraph(Style::new().bold(), &heading(group), 4);
        for line in group_lines(group) {
            page.indented(Style::new(), &line, 4);
        }
    }
    let rest = plan.groups.len() - shown.len();
    if rest > 0 {
        page.blank();
        page.paragraph(Style::new().dimmed(), &format!("and {rest} lighter kinds of groups (-n 0 shows all)"), 2);
    }
}

/// What a group is and where.
pub(super) fn heading(group: &ExplainedGroup) -> String {
    format!("{}\u{a0}× {} {}", group.times, printable(&group.pattern), places_text(&group.places))
}

/// What there is to say of a group, a line each.
pub(super) fn group_lines(group: &ExplainedGroup) -> Vec<String> {
    let mut lines = vec![format!("nodes: {}", members(&group.members))];
    if !group.rules.is_empty() {
        lines.push(format!("rules: {}", group.rules.join(", ")));
    }
    let each = if group.times > 1 { "each " } else { "" };
    let tied = |text: String| text.replace(' ', "\u{a0}");
    let mut facts = Vec::new();
    if group.kernels_saved != 0 || group.bytes_saved != 0 {
        let plural = if group.kernels_saved == 1 { "kernel" } else { "kernels" };
        let (kernels, bytes) = (group.kernels_saved, tied(signed_bytes_text(group.bytes_saved)));
        facts.push(format!("saves {kernels}\u{a0}{plural} and {bytes}"));
    }
    if group.bytes_internal > 0 {
        facts.push(format!("keeps {} on chip", tied(bytes_text(group.bytes_internal))));
    }
    facts.push(format!("moves {}", tied(bytes_text(group.bytes))));
    if let Some(time) = group.time_us {
        let limiter = group.bottleneck.as_deref().map_or_else(String::new, |name| format!(", waits for {name}"));
        facts.push(format!("takes {}{limiter}", tied(us_text(time.mid))));
    }
    lines.push(format!("{each}{}", facts.join(", ")));
    if let Some(reason) = &group.not_realizable {
        lines.push(format!("{} kernels on the device: {}: {}", reason.kernels, reason.rule, reason.text));
    }
    let mut told: Vec<(&str, &str, &[String])> = Vec::new();
    for end in &group.ends {
        let key = (end.op.as_str(), end.rule.as_str(), end.reader_ops.as_slice());
        if !told.contains(&key) {
            told.push(key);
            lines.push(format!("ends with {}: {}: {}", printable(&end.op), end.rule, printable(&end.text)));
        }
    }
    lines
}

fn members(members: &[Member]) -> String {
    let named: Vec<String> = members.iter().take(NAMED).map(|member| printable(&member.node)).collect();
    let more = members.len().saturating_sub(NAMED);
    if more == 0 { named.join(", ") } else { format!("{}, and {more} more", named.join(", ")) }
}

fn misses(page: &mut Page, misses: &[ExplainedMiss]) {
    if misses.is_empty() {
        return;
    }
    page.blank();
    page.paragraph(Style::new().underline(), "missed", 0);
    let shown = page.shown(misses.len());
    for miss in &misses[..shown] {
        page.paragraph(Style::new().fg_color(Some(AnsiColor::Yellow.into())), &miss_heading(miss), 4);
        for line in miss_lines(miss) {
            page.indented(Style::new(), &line, 4);
        }
    }
    if shown < misses.len() {
        let rest = misses.len() - shown;
        page.paragraph(Style::new().dimmed(), &format!("and {rest} more kinds of misses (-n 0 shows all)"), 2);
    }
    page.blank();
}

/// What a miss is and where.
pub(super) fn miss_heading(miss: &ExplainedMiss) -> String {
    let variant = miss.variant.as_ref().map_or_else(String::new, |variant| format!(" ({variant})"));
    format!("{}\u{a0}× {}{variant}, {}: {}", miss.times, miss.rule, miss.reason, places_text(&miss.places))
}

/// What there is to say of a miss, a line each.
pub(super) fn miss_lines(miss: &ExplainedMiss) -> Vec<String> {
    let mut lines = vec![printable(&miss.text)];
    let each = if miss.times > 1 { "each " } else { "" };
    let plural = if miss.kernels_saved == 1 { "kernel" } else { "kernels" };
    let bytes = bytes_text(miss.bytes_saved).replace(' ', "\u{a0}");
    lines.push(format!("{each}would save {}\u{a0}{plural} and {bytes}", miss.kernels_saved));
    lines.extend(miss.change.as_ref().map(|change| format!("to change it: {}", printable(change))));
    lines
}

fn node_page(page: &mut Page, report: &ExplainReport, node: &ExplainedNode) {
    let at = if node.module.is_empty() { String::new() } else { format!(" in {}", printable(&node.module)) };
    let free = if node.free { ", launches nothing" } else { "" };
    let heading = format!("{} is {} ({}){at}{free}", printable(&node.name), node.op, printable(&node.source_op));
    page.paragraph(Style::new().bold(), &heading, 4);
    for (verb, values) in [("reads", &node.inputs), ("makes", &node.outputs)] {
        for value in values {
            let from = value.made_by.as_ref().filter(|_| verb == "reads");
            let from = from.map_or_else(String::new, |maker| format!(", from {}", printable(maker)));
            page.indented(Style::new(), &format!("{verb} {} {}{from}", printable(&value.name), value.shape), 2);
        }
    }
    for plan in &node.plans {
        page.blank();
        plan_lines(page, plan);
    }
    if report.plans.is_empty() || node.misses.is_empty() {
        return;
    }
    misses(page, &node.misses);
}

fn plan_lines(page: &mut Page, plan: &NodeInPlan) {
    let group = match plan.members.len() {
        0 => "outside the count".to_owned(),
        1 => format!("group {}, alone", plan.group),
        _ => format!("group {}, {}", plan.group, printable(&plan.pattern)),
    };
    page.paragraph(Style::new().bold(), &format!("{}: {group}", plan.strategy), 4);
    if plan.members.len() > 1 {
        page.indented(Style::new(), &format!("with {}", members(&plan.members)), 4);
    }
    plan.because.iter().for_each(|reason| page.indented(Style::new(), &printable(reason), 4));
    for before in &plan.before {
        let text = format!("not with {}: {}: {}", printable(&before.node), before.rule, printable(&before.text));
        page.indented(Style::new(), &text, 4);
    }
    if let Some(end) = &plan.end {
        page.indented(Style::new(), &format!("ends here: {}: {}", end.rule, printable(&end.text)), 4);
        if let Some(change) = &end.change {
            page.indented(Style::new(), &format!("to fuse more: {}", printable(change)), 4);
        }
    }
}
