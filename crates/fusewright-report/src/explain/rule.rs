//! What an id means: rules that fuse, reasons that do not, findings of a check. The text behind `explain --rule ID`.

use std::fmt::Write;

use fusewright_pattern::rules::{Join, PairRule, RuleTable};
use fusewright_pattern::{Library, Reason};
use serde::Serialize;

use super::rule_texts::TEXTS;
use crate::layout::wrap;
use crate::patterns::pattern_page;

/// The long text of an id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RuleText {
    /// The id.
    pub id: String,
    /// What it is: `pair rule`, `pattern`, `rule`, `reason` or `finding`.
    pub kind: String,
    /// A sentence without its full stop.
    pub title: String,
    /// Paragraphs.
    pub text: String,
}

/// What an id means; `None` for one that does not exist.
pub fn rule_text(id: &str, library: &Library) -> Option<RuleText> {
    let fixed = TEXTS.iter().find(|row| row.0 == id).map(|&(id, kind, title, text)| RuleText {
        id: id.to_owned(),
        kind: kind.to_owned(),
        title: title.to_owned(),
        text: text.to_owned(),
    });
    of_pattern(id, library).or(fixed).or_else(|| of_pair(id)).or_else(|| of_reason(id))
}

/// Every id, in the order of the alphabet.
pub fn rule_ids(library: &Library) -> Vec<String> {
    let fixed = TEXTS.iter().map(|row| row.0.to_owned());
    let pairs = RuleTable::attention().rows().iter().map(PairRule::id).collect::<Vec<_>>();
    let patterns = library.rules().map(|(_, rule)| rule.id.clone());
    let reasons = Reason::ALL.iter().map(|reason| reason.id().to_owned());
    let mut ids: Vec<String> = fixed.chain(pairs).chain(patterns).chain(reasons).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The long text as JSON.
pub fn rule_json(rule: &RuleText) -> String {
    crate::json::indented(rule)
}

/// The long text as a page of so many columns.
pub fn rule_page(rule: &RuleText, library: &Library, width: usize) -> String {
    let mut out = String::new();
    if let Some(id) = library.find(&rule.id).filter(|_| rule.kind == "pattern") {
        return pattern_page(library.rule(id), width);
    }
    let _ = writeln!(out, "{} ({})", rule.id, rule.kind);
    let title = format!("{}.", rule.title);
    for paragraph in std::iter::once(title.as_str()).chain(rule.text.split("\n\n")) {
        out.push('\n');
        for line in wrap(paragraph, width.saturating_sub(2), 0) {
            let _ = writeln!(out, "  {line}");
        }
    }
    out
}

fn of_pair(id: &str) -> Option<RuleText> {
    let (table, standard) = (RuleTable::attention(), RuleTable::standard());
    let rows: Vec<&PairRule> = table.rows().iter().filter(|row| row.id() == id).collect();
    let first = rows.first()?;
    let in_standard = standard.rows().iter().any(|row| row.id() == id);
    let names: Vec<String> = rows.iter().map(|row| format!("{} → {}", row.producer, row.consumer)).collect();
    let join = rows.iter().map(|row| row.join).max().unwrap_or(first.join);
    let others = match join {
        Join::Sole => "The second may wait for nothing else that the model computes.",
        Join::InAttention => {
            "The second may wait for other steps too where both are steps of one attention: values, masks and scales."
        }
        Join::Any => "The second may wait for other nodes as well.",
    };
    let strategies = if in_standard { "standard and attention plans have it" } else { "attention plans have it" };
    let reference = if rows.iter().any(|row| row.in_reference) { "" } else { " The reference profile lacks it." };
    Some(RuleText {
        id: id.to_owned(),
        kind: "pair rule".to_owned(),
        title: format!("the second of the two ops may join the group of the first; {strategies}"),
        text: format!(
            "It holds where the second is the only reader of the first one's result and that is no result of the model. \
             {others}{reference}\n\nIn the names of sources: {}. The default profile knows ops by what they compute, the \
             reference profile by these names.\n\nA pair rule says what may fuse, not that one kernel of a device does it: \
             with --hw a group that takes several says so.",
            names.join(", ")
        ),
    })
}

fn of_pattern(id: &str, library: &Library) -> Option<RuleText> {
    let rule = library.rule(library.find(id)?);
    Some(RuleText {
        id: id.to_owned(),
        kind: "pattern".to_owned(),
        title: rule.title.clone(),
        text: rule.documentation.trim().to_owned(),
    })
}

fn of_reason(id: &str) -> Option<RuleText> {
    let reason = Reason::ALL.iter().find(|reason| reason.id() == id)?;
    Some(RuleText {
        id: id.to_owned(),
        kind: "reason".to_owned(),
        title: reason.title().to_owned(),
        text: format!(
            "A pattern holds at this place but for one constraint. What helps, where the pattern knows nothing more \
             particular: {}.",
            reason.change()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_has_a_text() {
        let library = Library::built_in();
        for id in rule_ids(&library) {
            let rule = rule_text(&id, &library).unwrap_or_else(|| panic!("{id} has no text"));
            assert!(!rule.title.is_empty() && !rule.title.ends_with('.'), "{id}: {}", rule.title);
            let page = rule_page(&rule, &library, 80);
            let fits = page.lines().all(|line| line.chars().count() <= 80);
            assert!(fits || rule.kind == "pattern", "{page}");
        }
        assert!(rule_text("no-such-rule", &library).is_none());
    }

    #[test]
    fn ids_are_in_kebab_case_and_told_once() {
        for (number, row) in TEXTS.iter().enumerate() {
            assert!(row.0.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{}", row.0);
            assert!(TEXTS[..number].iter().all(|other| other.0 != row.0), "{} twice", row.0);
        }
    }

    #[test]
    fn every_reason_of_the_planner_has_a_text_of_its_own() {
        let told = |id: &str| TEXTS.iter().any(|row| row.0 == id);
        for reason in fusewright_plan::Reason::ALL {
            assert!(told(reason.id()), "{}", reason.id());
        }
    }
}
