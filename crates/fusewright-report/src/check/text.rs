//! The check as a page for a terminal or a log.

use anstyle::{AnsiColor, Style};

use super::findings::{Level, figure_cells, of_model, relative, shown_figures};
use super::{CheckReport, CheckedModel, CheckedStrategy, Verdict};
use crate::TextOptions;
use crate::figures::bytes_text;
use crate::layout::{Side, Table, printable};
use crate::page::Page;

/// The report as text.
pub fn check_text(report: &CheckReport, options: TextOptions) -> String {
    let mut page = Page::new(options);
    for model in &report.models {
        page.paragraph(style_of(model.verdict).bold(), &sentence(model), 0);
        if !model.is_new() {
            findings(&mut page, model);
            figures(&mut page, model);
        }
        model.notes.iter().for_each(|note| page.indented(Style::new().dimmed(), &printable(note), 2));
    }
    page.paragraph(Style::new(), &summary(report), 2);
    page.finish()
}

fn style_of(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Same | Verdict::Improved | Verdict::Updated => AnsiColor::Green,
        Verdict::Changed => AnsiColor::Yellow,
        Verdict::NoBaseline | Verdict::Regressed => AnsiColor::Red,
    };
    Style::new().fg_color(Some(colour.into()))
}

/// What became of a model, in a sentence.
pub(super) fn sentence(model: &CheckedModel) -> String {
    let name = printable(&model.name);
    let plans = |verdict: Verdict| {
        let of_verdict = model.strategies.iter().filter(|strategy| strategy.verdict == verdict);
        let names: Vec<&str> = of_verdict.map(|strategy| strategy.name.as_str()).collect();
        format!("{} {}", names.join(", "), if names.len() == 1 { "plan" } else { "plans" })
    };
    let facts = || {
        let fact = |strategy: &CheckedStrategy| {
            let bytes = bytes_text(strategy.bytes);
            format!("{} {} kernels, {bytes}", strategy.name, strategy.kernels).replace(' ', "\u{a0}")
        };
        model.strategies.iter().map(fact).collect::<Vec<_>>().join("; ")
    };
    match model.verdict {
        Verdict::Same => format!("{name}: as locked ({})", facts()),
        Verdict::Updated => format!("{name}: written ({})", facts()),
        Verdict::Improved => format!("{name}: improved, the {}", plans(Verdict::Improved)),
        Verdict::Changed => format!("{name}: changed, neither better nor worse, the {}", plans(Verdict::Changed)),
        Verdict::NoBaseline => format!("{name}: no baseline"),
        Verdict::Regressed => format!("{name}: regressed, the {}", plans(Verdict::Regressed)),
    }
}

fn findings(page: &mut Page, model: &CheckedModel) {
    // The figures have a table of their own.
    let shown = of_model(model).into_iter().filter(|finding| !finding.rule.starts_with("figure-"));
    for finding in shown {
        let style = match finding.level {
            Level::Error => Style::new().fg_color(Some(AnsiColor::Red.into())),
            Level::Warning => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
            Level::Note => Style::new(),
        };
        page.indented(style, &printable(&finding.title), 2);
        finding.details.iter().for_each(|detail| page.indented(Style::new(), &printable(detail), 6));
    }
}

fn figures(page: &mut Page, model: &CheckedModel) {
    let mut table = Table::new([Side::Left, Side::Left, Side::Right, Side::Right, Side::Right, Side::Left]);
    table.row(["plan", "figure", "locked", "now", "change", ""]);
    let mut rows = 0;
    for strategy in &model.strategies {
        for figure in shown_figures(strategy) {
            let (name, before, after) = figure_cells(figure);
            let verdict = if figure.verdict == Verdict::Changed { "" } else { figure.verdict.name() };
            let change = relative(figure.before, figure.after);
            table.row([&strategy.name, &name, &before, &after, &change, verdict]);
            rows += 1;
        }
    }
    if rows > 0 {
        page.blank();
        page.table(&table, &[(0, 4)]);
        page.blank();
    }
}

/// The last line: how many models, and what to do.
pub(super) fn summary(report: &CheckReport) -> String {
    let count = report.models.len();
    let of_verdict = |verdict: Verdict| report.models.iter().filter(|model| model.verdict == verdict).count();
    let lock = printable(&report.lock);
    let models = if count == 1 { "1 model".to_owned() } else { format!("{count} models") };
    let texts = [
        (Verdict::Regressed, "regressed"),
        (Verdict::NoBaseline, "without baseline"),
        (Verdict::Changed, "changed"),
        (Verdict::Improved, "improved"),
        (Verdict::Updated, "written"),
        (Verdict::Same, "as locked"),
    ];
    let parts: Vec<String> = texts
        .iter()
        .map(|&(verdict, text)| (of_verdict(verdict), text))
        .filter(|&(number, _)| number > 0)
        .map(|(number, text)| format!("{number} {text}"))
        .collect();
    let advice = match report.verdict {
        Verdict::Regressed => "; explain MODEL says why, --update accepts what is planned now",
        Verdict::NoBaseline => "; --update writes what is planned now",
        Verdict::Changed | Verdict::Improved => "; --update records it",
        Verdict::Same | Verdict::Updated => "",
    };
    format!("{lock}: {models}, {}{advice}", parts.join(", "))
}
