//! Many places of a model in a few lines: module paths that differ in a number are folded.
//!
//! `encoder.layer_0.mlp`, `encoder.layer_1.mlp` … become `encoder.layer_{0-11}.mlp`. Folding loses nothing: unfolding
//! gives the same paths, so a lock file stays short and a vanished fusion can still be named exactly.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// How often something occurs at each place: a module path, or several of them folded.
pub type Places = BTreeMap<String, u64>;

/// Paths that one line may stand for.
const MOST_PATHS: usize = 1 << 20;

/// Digits of a number that is folded; longer ones are text.
const MOST_DIGITS: usize = 9;

/// A part of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Text(String),
    Numbers(BTreeSet<u32>),
}

/// Folds places: those that differ in one number only become one line. Braces of names become parentheses first.
pub fn fold_places(places: &Places) -> Places {
    let mut items: Vec<(Vec<Part>, u64)> =
        places.iter().map(|(path, &times)| (parts(&without_braces(path)), times)).collect();
    let longest = items.iter().map(|(parts, _)| parts.len()).max().unwrap_or(0);
    for position in 0..longest {
        items = folded_at(items, position);
    }
    let mut folded = Places::new();
    for (parts, times) in items {
        let entry = folded.entry(written(&parts)).or_default();
        *entry = entry.saturating_add(times);
    }
    folded
}

/// Unfolds one line into its paths; `None` if it stands for more than a model can have or is malformed.
pub fn unfold_place(line: &str) -> Option<Vec<String>> {
    let mut paths = vec![String::new()];
    let mut rest = line;
    while let Some(start) = rest.find('{') {
        let end = start + rest[start..].find('}')?;
        let numbers = numbers(&rest[start + 1..end])?;
        if paths.len().saturating_mul(numbers.len()) > MOST_PATHS {
            return None;
        }
        let text = &rest[..start];
        let with = |path: &String| numbers.iter().map(|number| format!("{path}{text}{number}")).collect::<Vec<_>>();
        paths = paths.iter().flat_map(with).collect();
        rest = &rest[end + 1..];
    }
    for path in &mut paths {
        path.push_str(rest);
    }
    Some(paths)
}

/// Paths that all lines of a lock file may stand for.
pub(crate) const MOST_PATHS_IN_ALL: usize = 1 << 24;

/// A path as lines are compared with it.
pub fn without_braces(path: &str) -> String {
    path.replace('{', "(").replace('}', ")")
}

/// A path with each of its numbers as `*`: what the same place in all layers is called.
pub fn place_template(path: &str) -> String {
    let text = |part: Part| match part {
        Part::Text(text) => text,
        Part::Numbers(_) => "*".to_owned(),
    };
    parts(path).into_iter().map(text).collect()
}

/// Text and numbers in turn; numbers with leading zeros are text.
fn parts(path: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let is_digit = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        let plain = run.len() <= MOST_DIGITS && (run == "0" || !run.starts_with('0'));
        let number = if is_digit && plain { run.parse().ok() } else { None };
        match (number, parts.last_mut()) {
            (Some(number), _) => parts.push(Part::Numbers(BTreeSet::from([number]))),
            (None, Some(Part::Text(text))) => text.push_str(run),
            (None, _) => parts.push(Part::Text(run.to_owned())),
        }
        rest = after;
    }
    parts
}

/// Joins items that are equal but for the numbers at one position.
fn folded_at(items: Vec<(Vec<Part>, u64)>, position: usize) -> Vec<(Vec<Part>, u64)> {
    let mut buckets: BTreeMap<(Vec<Part>, u64), BTreeSet<u32>> = BTreeMap::new();
    let mut others = Vec::new();
    for (mut parts, times) in items {
        match parts.get_mut(position) {
            Some(Part::Numbers(numbers)) => {
                let numbers = std::mem::take(numbers);
                buckets.entry((parts, times)).or_default().extend(numbers);
            }
            _ => others.push((parts, times)),
        }
    }
    let filled = buckets.into_iter().map(|((mut parts, times), numbers)| {
        parts[position] = Part::Numbers(numbers);
        (parts, times)
    });
    filled.chain(others).collect()
}

fn written(parts: &[Part]) -> String {
    let mut line = String::new();
    for part in parts {
        match part {
            Part::Text(text) => line.push_str(text),
            Part::Numbers(numbers) => match numbers.first() {
                Some(only) if numbers.len() == 1 => {
                    let _ = write!(line, "{only}");
                }
                _ => {
                    let _ = write!(line, "{{{}}}", ranges(numbers));
                }
            },
        }
    }
    line
}

/// Numbers as ranges, e.g. `0-3,5`.
fn ranges(numbers: &BTreeSet<u32>) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let text = |&(first, last): &(u32, u32)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    runs.iter().map(text).collect::<Vec<_>>().join(",")
}

fn numbers(text: &str) -> Option<BTreeSet<u32>> {
    let mut numbers = BTreeSet::new();
    for run in text.split(',') {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        let count = usize::try_from(last.checked_sub(first)?).ok()?;
        if numbers.len() + count >= MOST_PATHS {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places(paths: &[&str]) -> Places {
        paths.iter().map(|path| ((*path).to_owned(), 1)).collect()
    }

    #[test]
    fn layers_become_one_line() {
        let folded = fold_places(&places(&["layer.0.mlp", "layer.1.mlp", "layer.2.mlp", "layer.4.mlp", "head"]));
        assert_eq!(folded.into_keys().collect::<Vec<_>>(), ["head", "layer.{0-2,4}.mlp"]);
        let folded = fold_places(&places(&["f.1.0.a", "f.1.1.a", "f.3.0.a", "f.3.1.a", "f.5.0.a"]));
        assert_eq!(folded.into_keys().collect::<Vec<_>>(), ["f.{1,3,5}.0.a", "f.{1,3}.1.a"]);
    }

    #[test]
    fn different_counts_stay_apart() {
        let folded = fold_places(&Places::from([("a.0".to_owned(), 1), ("a.1".to_owned(), 2)]));
        assert_eq!(folded, Places::from([("a.0".to_owned(), 1), ("a.1".to_owned(), 2)]));
    }

    #[test]
    fn lines_that_no_model_has_are_refused() {
        for line in ["a.{0-4294967295}", "a.{3-1}", "a.{", "a.{x}", "{0-9999}{0-9999}", "{}"] {
            assert_eq!(unfold_place(line), None, "{line}");
        }
    }

    #[test]
    fn templates_forget_numbers() {
        assert_eq!(place_template("layers.10.mlp2"), "layers.*.mlp*");
        assert_eq!(place_template(""), "");
    }

    proptest! {
        #[test]
        fn unfolding_gives_back_what_was_folded(
            paths in proptest::collection::btree_map("[ab]?\\.?(0|1|2|10|007){0,2}\\.?[{}c]?(3|4|5)?", 1_u64..3, 0..40),
        ) {
            let mut plain = Places::new();
            for (path, times) in &paths {
                *plain.entry(without_braces(path)).or_default() += times;
            }
            let mut back = Places::new();
            for (line, times) in fold_places(&plain) {
                for path in unfold_place(&line).expect("folded lines unfold") {
                    *back.entry(path).or_default() += times;
                }
            }
            prop_assert_eq!(back, plain);
        }
    }
}
