//! Reading a pattern file: TOML around the text of the pattern.
//!
//! Whatever is wrong is said with the file and the line, because users write these files too.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::library::{Exactness, Example, Recogniser, Rule};
use super::terms;

/// What is wrong with a pattern file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {problem}")]
pub struct PatternError {
    /// The file.
    pub file: String,
    /// Line, counted from 1.
    pub line: usize,
    /// What was found and what was expected.
    pub problem: String,
}

impl PatternError {
    pub(super) fn new(file: &str, line: usize, problem: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, problem: problem.into() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: Spanned<String>,
    title: Spanned<String>,
    family: Spanned<String>,
    exactness: Spanned<String>,
    documentation: Spanned<String>,
    #[serde(default)]
    form: Vec<FormEntry>,
    recogniser: Option<Spanned<String>>,
    tolerance: Option<Spanned<f64>>,
    near: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    change: BTreeMap<String, String>,
    #[serde(default)]
    example: Vec<ExampleEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FormEntry {
    pattern: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExampleEntry {
    title: String,
    graph: Spanned<String>,
    fires: Option<usize>,
    #[serde(default)]
    misses: Vec<Spanned<String>>,
}

/// Largest file that is read.
const LARGEST: usize = 1 << 20;
/// Most forms and examples in one file.
const MOST: usize = 64;
/// Relative tolerance of numbers where a file states none: constants are written with few digits, and as f16.
const TOLERANCE: f64 = 1e-3;

/// Reads a file. Recognisers are for the built-in rules alone.
pub(super) fn read(name: &str, text: &str, built_in: bool) -> Result<Rule, PatternError> {
    let place = Place { name, text };
    if text.len() > LARGEST {
        return Err(place.at_line(1, "a pattern file has at most 1 MiB"));
    }
    let file: File = toml::from_str(text).map_err(|problem| {
        let at = problem.span().map_or(0, |span| span.start);
        let message = problem.message().lines().next().unwrap_or("this is not TOML").to_owned();
        place.at(at, format!("{message}; docs/patterns.md has the format"))
    })?;
    let kebab = |text: &str| {
        let parts = text.split('-');
        let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        text.len() <= 64 && parts.into_iter().all(plain)
    };
    for (what, field) in [("id", &file.id), ("family", &file.family)] {
        if !kebab(field.get_ref()) {
            let found = field.get_ref();
            let problem = format!("`{found}` is no {what}; expected lower case letters and digits joined by `-`");
            return Err(place.at(field.span().start, problem));
        }
    }
    for (what, field) in [("title", &file.title), ("documentation", &file.documentation)] {
        if field.get_ref().trim().is_empty() {
            return Err(place.at(field.span().start, format!("the {what} is empty")));
        }
    }
    let exactness = Exactness::ALL.into_iter().find(|class| class.name() == file.exactness.get_ref());
    let exactness = exactness.ok_or_else(|| {
        let found = file.exactness.get_ref();
        let problem =
            format!("`{found}` is no class of exactness; expected bit-identical, reassociated or approximate");
        place.at(file.exactness.span().start, problem)
    })?;
    let recogniser = file.recogniser.as_ref().map(|field| {
        let known = Recogniser::ALL.into_iter().find(|known| known.name() == field.get_ref());
        match known.filter(|_| built_in) {
            Some(known) => Ok(known),
            None => Err(place.at(field.span().start, "only built-in rules have a recogniser; write a [[form]]")),
        }
    });
    let recogniser = recogniser.transpose()?;
    if recogniser.is_some() != file.form.is_empty() {
        let problem = "a rule needs a [[form]] with a pattern";
        return Err(place.at(file.id.span().start, problem));
    }
    if file.form.len() > MOST || file.example.len() > MOST {
        return Err(place.at_line(1, format!("a rule has at most {MOST} forms and {MOST} examples")));
    }
    let tolerance = match &file.tolerance {
        None => TOLERANCE,
        Some(field) if (0.0..0.5).contains(field.get_ref()) => *field.get_ref(),
        Some(field) => return Err(place.at(field.span().start, "the tolerance is relative: from 0 to 0.5")),
    };
    let mut forms = Vec::new();
    for entry in &file.form {
        let form = terms::form(entry.pattern.get_ref());
        forms.push(form.map_err(|problem| place.inside(&entry.pattern, problem.line, problem.problem))?);
    }
    let examples = file.example.iter().map(|entry| place.example(entry, built_in)).collect::<Result<_, _>>()?;
    Ok(Rule {
        texts: file.form.iter().map(|entry| entry.pattern.get_ref().trim().to_owned()).collect(),
        id: file.id.into_inner(),
        title: file.title.into_inner().trim().to_owned(),
        family: file.family.into_inner(),
        exactness,
        documentation: file.documentation.into_inner().trim().to_owned(),
        examples,
        recogniser,
        file: name.to_owned(),
        forms,
        changes: file.change,
        tolerance,
        near: file.near.map(|near| near.into_iter().map(Spanned::into_inner).collect()),
    })
}

/// A file in which places are found.
struct Place<'a> {
    name: &'a str,
    text: &'a str,
}

impl Place<'_> {
    fn at_line(&self, line: usize, problem: impl Into<String>) -> PatternError {
        PatternError::new(self.name, line, problem)
    }

    fn line_of(&self, byte: usize) -> usize {
        1 + self.text.bytes().take(byte).filter(|&byte| byte == b'\n').count()
    }

    fn at(&self, byte: usize, problem: impl Into<String>) -> PatternError {
        self.at_line(self.line_of(byte), problem)
    }

    /// A line inside a text; one in triple quotes begins on the line after them.
    fn inside(&self, text: &Spanned<String>, line: usize, problem: impl Into<String>) -> PatternError {
        let span = text.span();
        let raw = self.text.get(span.clone()).unwrap_or_default();
        let begins_below = ["\"\"\"\n", "'''\n", "\"\"\"\r\n", "'''\r\n"].iter().any(|quote| raw.starts_with(quote));
        self.at_line(self.line_of(span.start) + line - 1 + usize::from(begins_below), problem)
    }

    /// An example; the graphs of built-in files are read by a test, not each time.
    fn example(&self, entry: &ExampleEntry, built_in: bool) -> Result<Example, PatternError> {
        if !built_in {
            let graph = fusewright_ir::text::parse(entry.graph.get_ref());
            let graph = graph.map_err(|problem| self.inside(&entry.graph, problem.line, problem.problem))?;
            if let Err(problem) = fusewright_ir::verify(&graph) {
                return Err(self.at(entry.graph.span().start, format!("this graph is not well-formed: {problem}")));
            }
        }
        Ok(Example {
            title: entry.title.clone(),
            graph: entry.graph.get_ref().clone(),
            fires: entry.fires.unwrap_or(0),
            misses: entry.misses.iter().map(|id| id.get_ref().clone()).collect(),
        })
    }
}
