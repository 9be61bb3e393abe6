//! Libraries of patterns: the built-in one, with the files of a user.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use fusewright_ir::text;
use fusewright_pattern::{Example, Findings, Library, Rule, RuleId, Surroundings, find};
use fusewright_plan::Analysis;
use fusewright_report::{RuleText, rule_ids, rule_text};

use crate::Error;
use crate::similar::similar_names;

/// Most bytes of a pattern file that are read.
const LIMIT: u64 = 1 << 20;

/// The built-in rules, and those of the files.
///
/// ```
/// let library = fusewright::pattern_library(&[] as &[&str])?;
/// assert!(library.find("layer-norm").is_some());
/// # Ok::<(), fusewright::Error>(())
/// ```
pub fn pattern_library<P: AsRef<Path>>(files: &[P]) -> Result<Library, Error> {
    let mut library = Library::built_in();
    for path in files {
        add_pattern_file(&mut library, path.as_ref())?;
    }
    Ok(library)
}

/// Adds the rule of a file to a library.
pub fn add_pattern_file(library: &mut Library, path: &Path) -> Result<RuleId, Error> {
    let file = path.display().to_string();
    let text = read(path, &file)?;
    library.add(&file, &text).map_err(|problem| Error::Pattern { problem })
}

/// The rule of this id.
pub fn find_rule(library: &Library, id: &str) -> Result<RuleId, Error> {
    library.find(id).ok_or_else(|| {
        let similar = similar_names(id, library.rules().map(|(_, rule)| rule.id.as_str()));
        Error::UnknownPattern { name: id.to_owned(), similar: similar.into_iter().map(str::to_owned).collect() }
    })
}

/// The long text of a rule, a reason or a pattern.
pub fn find_rule_text(library: &Library, id: &str) -> Result<RuleText, Error> {
    rule_text(id, library).ok_or_else(|| {
        let ids = rule_ids(library);
        let similar = similar_names(id, ids.iter().map(String::as_str));
        Error::UnknownRule { id: id.to_owned(), similar: similar.into_iter().map(str::to_owned).collect() }
    })
}

/// Where the rules of a library hold in an analysed graph, and where they nearly do.
pub fn find_patterns(analysis: &Analysis, library: &Library) -> Findings {
    let surroundings = Surroundings::new(analysis.graph, &analysis.storage, &analysis.consumers, &analysis.attentions);
    find(&surroundings, library)
}

/// An example of a rule that is not as its file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongExample {
    /// Its title.
    pub title: String,
    /// What the file says and what was found.
    pub problem: String,
}

/// Runs the examples of a rule: those that are not as its file says.
pub fn check_examples(library: &Library, rule: RuleId) -> Vec<WrongExample> {
    let wrong = |example: &Example| {
        let problem = match text::parse(&example.graph) {
            Ok(graph) => differs(library, rule, example, &find_patterns(&Analysis::of(&graph), library))?,
            Err(problem) => problem.to_string(),
        };
        Some(WrongExample { title: example.title.clone(), problem })
    };
    let Rule { examples, .. } = library.rule(rule);
    examples.iter().filter_map(wrong).collect()
}

fn differs(library: &Library, rule: RuleId, example: &Example, findings: &Findings) -> Option<String> {
    let fires = findings.candidates.iter().filter(|c| c.rule == rule || c.also.contains(&rule)).count();
    let misses = findings.misses.iter().filter(|miss| miss.rule == rule);
    let reasons: Vec<&str> = misses.map(|miss| miss.reason.id()).collect();
    if fires == example.fires && reasons == example.misses {
        return None;
    }
    let says = |fires: usize, misses: &[&str]| {
        let misses = if misses.is_empty() { "none".to_owned() } else { misses.join(", ") };
        format!("fires {fires} times, misses {misses}")
    };
    let expected: Vec<&str> = example.misses.iter().map(String::as_str).collect();
    let others: Vec<String> = findings
        .misses
        .iter()
        .filter(|miss| miss.rule != rule)
        .map(|miss| format!("{} misses ({})", library.rule(miss.rule).id, miss.reason))
        .chain(
            findings.candidates.iter().filter(|c| c.rule != rule).map(|c| format!("{} fires", library.rule(c.rule).id)),
        )
        .collect();
    let others = if others.is_empty() { String::new() } else { format!("; other rules: {}", others.join(", ")) };
    Some(format!("expected {}, found {}{others}", says(example.fires, &expected), says(fires, &reasons)))
}

fn read(path: &Path, file: &str) -> Result<String, Error> {
    let unreadable = |problem| Error::Unreadable { path: file.to_owned(), problem };
    let opened = File::open(path).map_err(unreadable)?;
    if opened.metadata().map_err(unreadable)?.is_dir() {
        return Err(Error::Folder { path: file.to_owned(), expected: "a pattern file" });
    }
    let mut bytes = Vec::new();
    opened.take(LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LIMIT {
        let problem = format!("it has more than {LIMIT} bytes; expected a pattern file, which has a few thousand");
        return Err(unreadable(io::Error::new(io::ErrorKind::InvalidData, problem)));
    }
    let problem = "it is not UTF-8; expected a TOML file";
    String::from_utf8(bytes).map_err(|_| unreadable(io::Error::new(io::ErrorKind::InvalidData, problem)))
}
