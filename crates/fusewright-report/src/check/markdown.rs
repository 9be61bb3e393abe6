//! The check as Markdown: for a pull request, or the summary of a job.

use std::fmt::Write;

use super::findings::{figure_cells, of_model, relative, shown_figures};
use super::text::{sentence, summary};
use super::{CheckReport, Verdict};
use crate::markdown::escaped;

/// The report as GitHub-flavoured Markdown.
pub fn check_markdown(report: &CheckReport) -> String {
    let spaced = |text: &str| escaped(&text.replace('\u{a0}', " "));
    let mut out = format!("**{}**\n", spaced(&summary(report)));
    for model in &report.models {
        let _ = writeln!(out, "\n{}\n", spaced(&sentence(model)));
        let new = model.is_new();
        for finding in of_model(model).iter().filter(|_| !new).filter(|finding| !finding.rule.starts_with("figure-")) {
            let _ = writeln!(out, "- {}", spaced(&finding.title));
            for detail in &finding.details {
                let _ = writeln!(out, "  - {}", spaced(detail));
            }
        }
        if model.strategies.iter().any(|strategy| shown_figures(strategy).next().is_some()) {
            out.push_str("\n| plan | figure | locked | now | change | |\n| --- | --- | ---: | ---: | ---: | --- |\n");
        }
        for strategy in &model.strategies {
            for figure in shown_figures(strategy) {
                let (name, before, after) = figure_cells(figure);
                let verdict = if figure.verdict == Verdict::Changed { "" } else { figure.verdict.name() };
                let change = relative(figure.before, figure.after);
                let _ = writeln!(
                    out,
                    "| {} | {name} | {before} | {after} | {change} | {verdict} |",
                    escaped(&strategy.name)
                );
            }
        }
        if !model.notes.is_empty() {
            out.push('\n');
            model.notes.iter().for_each(|note| {
                let _ = writeln!(out, "{}", spaced(note));
            });
        }
    }
    out
}
