//! docs/patterns.md lists the rules and the reasons that there are, and its walk through adding a rule works.
//! `BLESS=1` rewrites the lists.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use fusewright_ir::{Consumers, Storage, text};
use fusewright_pattern::{Library, Reason, Surroundings, find, find_attentions};

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/patterns.md")
}

fn reasons() -> String {
    let mut out = String::from("| reason | means | what helps |\n|---|---|---|\n");
    for reason in Reason::ALL {
        let _ = writeln!(out, "| `{}` | {} | {} |", reason.id(), reason.title(), reason.change());
    }
    out
}

fn rules() -> String {
    let library = Library::built_in();
    let mut rows: Vec<_> = library.rules().map(|(_, rule)| rule).collect();
    rows.sort_by_key(|rule| (&rule.family, &rule.id));
    let mut out = String::from("| family | rule | | exactness |\n|---|---|---|---|\n");
    for rule in rows {
        let title = rule.title.replace('|', "\\|");
        let _ = writeln!(out, "| {} | `{}` | {title} | {} |", rule.family, rule.id, rule.exactness.name());
    }
    out
}

/// The text with what stands between two marks replaced.
fn with_list(text: &str, name: &str, list: &str) -> String {
    let (from, to) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = text.split_once(&from).unwrap();
    let (_, after) = rest.split_once(&to).unwrap();
    format!("{before}{from}\n{list}\n{to}{after}")
}

#[test]
fn the_page_lists_what_there_is() {
    let text = std::fs::read_to_string(page()).unwrap();
    let fresh = with_list(&with_list(&text, "reasons", &reasons()), "rules", &rules());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(page(), fresh).unwrap();
    } else {
        assert!(
            text == fresh,
            "docs/patterns.md is stale: BLESS=1 cargo test -p fusewright-pattern rewrites its lists"
        );
    }
}

#[test]
fn the_file_of_the_walk_through_works() {
    let text = std::fs::read_to_string(page()).unwrap();
    let (_, rest) = text.split_once("```toml\n").unwrap();
    let (file, _) = rest.split_once("\n```").unwrap();
    let mut library = Library::built_in();
    let id = library.add("centred-sigmoid.toml", file).unwrap();
    let rule = library.rule(id).clone();
    assert_eq!(rule.examples.len(), 2);
    for example in &rule.examples {
        let graph = text::parse(&example.graph).unwrap();
        let (storage, consumers) = (Storage::of(&graph), Consumers::of(&graph));
        let attentions = find_attentions(&graph, &storage, &consumers);
        let found = find(&Surroundings::new(&graph, &storage, &consumers, &attentions), &library);
        let fires = found.candidates.iter().filter(|candidate| candidate.rule == id).count();
        let misses: Vec<_> = found.misses.iter().filter(|miss| miss.rule == id).collect();
        assert_eq!(fires, example.fires, "{}", example.title);
        assert_eq!(misses.iter().map(|miss| miss.reason.id()).collect::<Vec<_>>(), example.misses);
        for miss in misses {
            assert_eq!(miss.change, "stretch by 2 and move by −1, so that the result lies between −1 and 1");
            assert_eq!((miss.evidence.found.as_str(), miss.evidence.expected.as_str()), ("-0.5", "-1"));
        }
    }
}
