//! A rule as data, for programs that take it from another one instead of from its file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::library::{Exactness, Library, Recogniser, Rule};
use super::terms;

/// What a rule's file states, without its examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleEntry {
    id: String,
    title: String,
    family: String,
    exactness: String,
    documentation: String,
    recogniser: Option<String>,
    texts: Vec<String>,
    file: String,
    changes: BTreeMap<String, String>,
    tolerance: f64,
    near: Option<Vec<String>>,
}

impl RuleEntry {
    /// The entry of a rule.
    pub fn of(rule: &Rule) -> Self {
        Self {
            id: rule.id.clone(),
            title: rule.title.clone(),
            family: rule.family.clone(),
            exactness: rule.exactness.name().to_owned(),
            documentation: rule.documentation.clone(),
            recogniser: rule.recogniser.map(|recogniser| recogniser.name().to_owned()),
            texts: rule.texts.clone(),
            file: rule.file.clone(),
            changes: rule.changes.clone(),
            tolerance: rule.tolerance,
            near: rule.near.clone(),
        }
    }

    fn into_rule(self) -> Result<Rule, String> {
        let exactness = Exactness::ALL.into_iter().find(|class| class.name() == self.exactness);
        let exactness = exactness.ok_or_else(|| format!("`{}` is no class of exactness", self.exactness))?;
        let recogniser = self.recogniser.map(|name| {
            let known = Recogniser::ALL.into_iter().find(|known| known.name() == name);
            known.ok_or_else(|| format!("`{name}` is no recogniser"))
        });
        let forms = self.texts.iter().map(|text| terms::form(text).map_err(|problem| problem.problem));
        Ok(Rule {
            forms: forms.collect::<Result<_, _>>()?,
            exactness,
            recogniser: recogniser.transpose()?,
            id: self.id,
            title: self.title,
            family: self.family,
            documentation: self.documentation,
            examples: Vec::new(),
            texts: self.texts,
            file: self.file,
            changes: self.changes,
            tolerance: self.tolerance,
            near: self.near,
        })
    }
}

impl Library {
    /// All rules as data.
    pub fn entries(&self) -> Vec<RuleEntry> {
        self.rules().map(|(_, rule)| RuleEntry::of(rule)).collect()
    }

    /// The library with these rules, which were checked where they come from; says which of them cannot be read.
    pub fn of_entries(entries: Vec<RuleEntry>) -> Result<Self, String> {
        let rule = |entry: RuleEntry| {
            let id = entry.id.clone();
            entry.into_rule().map_err(|problem| format!("rule `{id}`: {problem}"))
        };
        let rules = entries.into_iter().map(rule).collect::<Result<_, _>>()?;
        Ok(Self::of_rules(rules))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_the_same_without_their_examples() {
        let library = Library::built_in();
        let again = Library::of_entries(library.entries()).unwrap();
        assert_eq!(again.rules().len(), library.rules().len());
        for ((_, again), (_, rule)) in again.rules().zip(library.rules()) {
            assert_eq!(*again, Rule { examples: Vec::new(), ..rule.clone() });
        }
    }
}
