//! The rules of a library: as a list, and one with all that its file says.

use std::fmt::Write;

use fusewright_pattern::{Library, Reason, Rule};
use serde::Serialize;

use crate::layout::wrap;

/// A rule in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleRow {
    /// Its id.
    pub name: String,
    /// One line.
    pub title: String,
    /// What belongs together.
    pub family: String,
    /// `bit-identical`, `reassociated` or `approximate`.
    pub exactness: String,
    /// The file that holds it.
    pub file: String,
}

#[derive(Serialize)]
struct Page {
    #[serde(flatten)]
    row: RuleRow,
    documentation: String,
    patterns: Vec<String>,
    recogniser: Option<&'static str>,
    examples: Vec<ExampleReport>,
}

#[derive(Serialize)]
struct ExampleReport {
    title: String,
    fires: usize,
    misses: Vec<String>,
    graph: String,
}

impl RuleRow {
    fn of(rule: &Rule) -> Self {
        Self {
            name: rule.id.clone(),
            title: rule.title.clone(),
            family: rule.family.clone(),
            exactness: rule.exactness.name().to_owned(),
            file: rule.file.clone(),
        }
    }
}

/// Families in the order of their first rule, with their rules.
fn families(library: &Library) -> Vec<(&str, Vec<&Rule>)> {
    let mut families: Vec<(&str, Vec<&Rule>)> = Vec::new();
    for (_, rule) in library.rules() {
        match families.iter_mut().find(|(family, _)| *family == rule.family) {
            Some((_, rules)) => rules.push(rule),
            None => families.push((&rule.family, vec![rule])),
        }
    }
    families.sort_by_key(|(family, _)| *family);
    families
}

/// The rules by family, their titles wrapped at `columns`.
pub fn pattern_table(library: &Library, columns: usize) -> String {
    let width = library.rules().map(|(_, rule)| rule.id.len()).max().unwrap_or(0);
    let mut out = String::new();
    for (family, rules) in families(library) {
        out += family;
        out.push('\n');
        for rule in rules {
            let indent = width + 4;
            for (number, line) in (0..).zip(wrap(&rule.title, columns.saturating_sub(indent), 0)) {
                let id = if number == 0 { rule.id.as_str() } else { "" };
                let _ = writeln!(out, "  {id:width$}  {line}");
            }
        }
    }
    out
}

/// The rules as a JSON array.
///
/// # Panics
/// Never: the rows hold strings only.
pub fn pattern_list_json(library: &Library) -> String {
    let rows: Vec<RuleRow> = library.rules().map(|(_, rule)| RuleRow::of(rule)).collect();
    serde_json::to_string_pretty(&rows).expect("the rows hold strings only") + "\n"
}

/// A rule with all that its file says, as JSON.
///
/// # Panics
/// Never: the page holds strings and numbers only.
pub fn pattern_json(rule: &Rule) -> String {
    let example = |example: &fusewright_pattern::Example| ExampleReport {
        title: example.title.clone(),
        fires: example.fires,
        misses: example.misses.clone(),
        graph: example.graph.trim().to_owned(),
    };
    let page = Page {
        row: RuleRow::of(rule),
        documentation: rule.documentation.clone(),
        patterns: rule.texts.clone(),
        recogniser: rule.recogniser.map(fusewright_pattern::Recogniser::name),
        examples: rule.examples.iter().map(example).collect(),
    };
    serde_json::to_string_pretty(&page).expect("the page holds strings and numbers only") + "\n"
}

/// A reason for people: what it means, what helps, and which rules show it.
pub fn reason_page(library: &Library, reason: &Reason, width: usize) -> String {
    let mut out = String::new();
    for text in [format!("{}: {}", reason.id(), reason.title()), format!("what helps: {}", reason.change())] {
        for line in wrap(&text, width, 2) {
            let _ = writeln!(out, "{line}");
        }
    }
    let shows = |rule: &&Rule| rule.examples.iter().any(|example| example.misses.iter().any(|id| id == reason.id()));
    let ids: Vec<&str> = library.rules().map(|(_, rule)| rule).filter(shows).map(|rule| rule.id.as_str()).collect();
    for line in wrap(&format!("shown by: {}", ids.join(" ")), width, 2) {
        let _ = writeln!(out, "{line}");
    }
    out
}

/// A rule for people.
pub fn pattern_page(rule: &Rule, width: usize) -> String {
    let mut out = format!("{}: {}\n{}, {}, {}\n", rule.id, rule.title, rule.family, rule.exactness.name(), rule.file);
    for paragraph in rule.documentation.split("\n\n") {
        let joined = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        out += "\n";
        for line in wrap(&joined, width, 0) {
            out += &(line + "\n");
        }
    }
    if let Some(recogniser) = rule.recogniser {
        let _ = writeln!(out, "\nfound by code that recognises {}, not by a pattern", recogniser.name());
    }
    for text in &rule.texts {
        out += "\npattern\n";
        for line in text.lines() {
            let _ = writeln!(out, "  {line}");
        }
    }
    out += "\nexamples\n";
    for example in &rule.examples {
        let says = if example.misses.is_empty() {
            format!("fires {} time{}", example.fires, if example.fires == 1 { "" } else { "s" })
        } else {
            format!("misses: {}", example.misses.join(", "))
        };
        let _ = writeln!(out, "  {} ({says})", example.title);
    }
    let reasons: Vec<&str> = rule.examples.iter().flat_map(|example| &example.misses).map(String::as_str).collect();
    let mut told = Vec::new();
    for reason in reasons {
        if !told.contains(&reason) {
            told.push(reason);
        }
    }
    if !told.is_empty() {
        out += "\nreasons\n";
    }
    for id in told {
        let text = format!("{id}: {}", Reason::from_id(id).title());
        for line in wrap(&text, width.saturating_sub(2), 2) {
            let _ = writeln!(out, "  {line}");
        }
    }
    out
}
