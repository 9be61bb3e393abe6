//! Rules, and the libraries that hold them.

use std::collections::BTreeMap;

use super::file::{self, PatternError};
use super::findings::RuleId;
use super::form::{Form, Term};
use super::table::FILES;

/// How the result of the fused kernel differs from that of the single steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exactness {
    /// Not at all.
    BitIdentical,
    /// Sums are taken in another order, or values are rounded at another place.
    Reassociated,
    /// A function is replaced by another one that is close to it.
    Approximate,
}

impl Exactness {
    pub(crate) const ALL: [Exactness; 3] = [Exactness::BitIdentical, Exactness::Reassociated, Exactness::Approximate];

    /// Public name.
    pub fn name(self) -> &'static str {
        match self {
            Exactness::BitIdentical => "bit-identical",
            Exactness::Reassociated => "reassociated",
            Exactness::Approximate => "approximate",
        }
    }
}

/// Code that finds what a text cannot describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recogniser {
    /// The attentions of a graph ([`find_attentions`](crate::find_attentions)).
    Attention,
    /// Projections of one input ([`projection_of`](crate::projection_of)).
    Projections,
}

impl Recogniser {
    pub(crate) const ALL: [Recogniser; 2] = [Recogniser::Attention, Recogniser::Projections];

    /// Public name.
    pub fn name(self) -> &'static str {
        match self {
            Recogniser::Attention => "attention",
            Recogniser::Projections => "projections",
        }
    }
}

/// A graph that a rule is shown with.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// What it shows, a few words.
    pub title: String,
    /// The graph in the text form.
    pub graph: String,
    /// How many candidates of the rule it holds.
    pub fires: usize,
    /// The ids of the reasons for which the rule misses there, in order.
    pub misses: Vec<String>,
}

/// A rule: what may fuse, why, and how it looks.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Id, unique in a library: `layer-norm`.
    pub id: String,
    /// One line.
    pub title: String,
    /// What belongs together: `normalisation`.
    pub family: String,
    /// How exact the fused kernel is.
    pub exactness: Exactness,
    /// A few paragraphs: what it computes, where it occurs, what a fused kernel needs.
    pub documentation: String,
    /// Graphs in which it fires, and in which it nearly does.
    pub examples: Vec<Example>,
    /// The code that finds it, where text does not.
    pub recogniser: Option<Recogniser>,
    /// Its forms as written.
    pub texts: Vec<String>,
    /// The file that holds it.
    pub file: String,
    pub(super) forms: Vec<Form>,
    /// What to change, by the id of the reason.
    pub(super) changes: BTreeMap<String, String>,
    /// Relative tolerance of numbers.
    pub(super) tolerance: f64,
    /// Reasons for which it is worth saying that it nearly matched; `None` stands for all.
    pub(super) near: Option<Vec<String>>,
}

/// Rules in the order in which they were added, the built-in ones first.
#[derive(Clone, Debug, Default)]
pub struct Library {
    rules: Vec<Rule>,
}

impl Library {
    /// The rules that come with fusewright.
    ///
    /// # Panics
    /// Never: a test reads each file of the table.
    pub fn built_in() -> Self {
        let mut library = Self::default();
        for (name, text) in FILES {
            let added = library.add_built_in(name, text);
            debug_assert!(added.is_ok(), "{added:?}");
        }
        library
    }

    pub(super) fn of_rules(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    fn add_built_in(&mut self, name: &str, text: &str) -> Result<(), PatternError> {
        self.rules.push(file::read(name, text, true)?);
        Ok(())
    }

    /// Adds the rule that a text in the format of pattern files states; `file` names the text in messages.
    pub fn add(&mut self, file: &str, text: &str) -> Result<RuleId, PatternError> {
        let rule = file::read(file, text, false)?;
        self.push(rule)?;
        Ok(RuleId(u32::try_from(self.rules.len() - 1).unwrap_or(u32::MAX)))
    }

    /// Adds a rule of a user: its id is new, and the rules that it builds on are there.
    fn push(&mut self, rule: Rule) -> Result<(), PatternError> {
        if let Some(known) = self.find(&rule.id) {
            let known = &self.rule(known).file;
            return Err(PatternError::new(
                &rule.file,
                1,
                format!("the rule `{}` is known already, from {known}", rule.id),
            ));
        }
        for form in &rule.forms {
            for term in &form.terms {
                if let Term::Rule { id, .. } = term
                    && self.find(id).is_none_or(|known| self.rule(known).recogniser.is_some())
                {
                    let problem = format!("`@{id}` is no rule with a pattern that was read before this one");
                    return Err(PatternError::new(&rule.file, 1, problem));
                }
            }
        }
        self.rules.push(rule);
        Ok(())
    }

    /// All rules.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = (RuleId, &Rule)> {
        (0..).map(RuleId).zip(&self.rules).take(self.rules.len()).collect::<Vec<_>>().into_iter()
    }

    /// The rules of these ids alone. What a rule builds on has to be among them.
    #[must_use]
    pub fn only(&self, ids: &[&str]) -> Self {
        Self { rules: self.rules.iter().filter(|rule| ids.contains(&rule.id.as_str())).cloned().collect() }
    }

    /// A rule of this library.
    pub fn rule(&self, id: RuleId) -> &Rule {
        &self.rules[id.index()]
    }

    /// The rule of this name.
    pub fn find(&self, id: &str) -> Option<RuleId> {
        let position = self.rules.iter().position(|rule| rule.id == id)?;
        u32::try_from(position).ok().map(RuleId)
    }

    /// Names of the built-in files.
    pub fn files() -> impl Iterator<Item = &'static str> {
        FILES.iter().map(|(name, _)| *name)
    }
}

impl Rule {
    /// What to change where it fails for this reason.
    pub(super) fn change(&self, reason: &super::Reason) -> String {
        self.changes.get(reason.id()).cloned().unwrap_or_else(|| reason.change().to_owned())
    }

    /// It is worth saying that it fails for this reason.
    pub(super) fn tells(&self, reason: &super::Reason) -> bool {
        self.near.as_ref().is_none_or(|near| near.iter().any(|id| id == reason.id()))
    }
}
