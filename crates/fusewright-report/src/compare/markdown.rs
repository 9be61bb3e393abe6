//! The comparison as Markdown, for pull requests and notes.

use std::fmt::Write;

use super::CompareReport;
use super::text::{rows, same_text, verdict};
use crate::check::{fusion_text, place_lines, places_text};
use crate::markdown::escaped;

/// The report as GitHub-flavoured Markdown, with up to `top` patterns of each kind of change; 0 for all.
pub fn compare_markdown(report: &CompareReport, top: usize) -> String {
    let spaced = |text: &str| escaped(&text.replace('\u{a0}', " "));
    let mut out = format!("**{}**\n\n", spaced(&verdict(report)));
    for (position, (label, cells, ratio)) in rows(report).into_iter().enumerate() {
        let ratio = if position == 0 { "ratio".to_owned() } else { ratio };
        let cells: Vec<String> = cells.iter().map(|cell| spaced(cell)).collect();
        let _ = writeln!(out, "| {label} | {} | {ratio} |", cells.join(" | "));
        if position == 0 {
            let _ = writeln!(out, "| --- | {}---: |", "---: | ".repeat(cells.len()));
        }
    }
    out.push('\n');
    let last = report.sides.last().map_or("", |side| &side.strategy);
    report.left_apart.iter().for_each(|left| {
        let _ = writeln!(out, "- {}", spaced(&left.text(last)));
    });
    let shown = |count: usize| if top == 0 { count } else { count.min(top) };
    for (label, list) in [("vanished", &report.vanished), ("appeared", &report.appeared)] {
        for fusion in &list[..shown(list.len())] {
            let text =
                format!("{label}: {}, {}", fusion_text(&fusion.pattern, fusion.times), places_text(&fusion.places));
            let _ = writeln!(out, "- {}", spaced(&text));
        }
    }
    for moved in &report.moved[..shown(report.moved.len())] {
        let (from, to) = (place_lines(&moved.from), place_lines(&moved.to));
        let text = format!("moved: {}, from {from} to {to}", fusion_text(&moved.pattern, moved.times));
        let _ = writeln!(out, "- {}", spaced(&text));
    }
    let _ = writeln!(out, "- {}", spaced(&same_text(report)));
    out
}
