//! Every rule of the library fires where its file says, and misses where and why it says.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;
use std::path::Path;

use fusewright_ir::{Consumers, Graph, Storage, text, verify};
use fusewright_pattern::{Findings, Library, Reason, RuleId, Surroundings, find, find_attentions};

fn search(graph: &Graph, library: &Library) -> Findings {
    let (storage, consumers) = (Storage::of(graph), Consumers::of(graph));
    let attentions = find_attentions(graph, &storage, &consumers);
    find(&Surroundings::new(graph, &storage, &consumers, &attentions), library)
}

/// What a rule says of a graph: how often it fires, and why it misses.
fn says(findings: &Findings, rule: RuleId) -> (usize, Vec<String>) {
    let fires = |c: &&fusewright_pattern::Candidate| c.rule == rule || c.also.contains(&rule);
    let fires = findings.candidates.iter().filter(fires).count();
    let misses = findings.misses.iter().filter(|miss| miss.rule == rule);
    (fires, misses.map(|miss| miss.reason.id().to_owned()).collect())
}

#[test]
fn examples_are_as_their_files_say() {
    let library = Library::built_in();
    let mut wrong = String::new();
    for (id, rule) in library.rules() {
        for example in &rule.examples {
            let graph = text::parse(&example.graph).unwrap();
            verify(&graph).unwrap();
            let findings = search(&graph, &library);
            let found = says(&findings, id);
            if found != (example.fires, example.misses.clone()) {
                let expected = (example.fires, &example.misses);
                let _ = writeln!(wrong, "{}, {}: found {found:?}, expected {expected:?}", rule.file, example.title);
                for miss in &findings.misses {
                    let _ = writeln!(wrong, "    {} {} {:?}", library.rule(miss.rule).id, miss.reason, miss.evidence);
                }
                for candidate in &findings.candidates {
                    let _ = writeln!(wrong, "    {} fires", library.rule(candidate.rule).id);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_rule_is_shown_firing_and_nearly_firing() {
    for (_, rule) in Library::built_in().rules() {
        let fires = rule.examples.iter().any(|example| example.fires > 0);
        let nearly = rule.examples.iter().any(|example| example.fires == 0 || !example.misses.is_empty());
        assert!(fires && nearly, "{}: one example has to fire, one has to miss", rule.file);
    }
}

#[test]
fn the_table_holds_the_files_of_the_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("library");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    if std::env::var_os("BLESS").is_some() {
        let rows: Vec<String> =
            names.iter().map(|name| format!("    (\"{name}\", include_str!(\"../../library/{name}\")),\n")).collect();
        let rows = rows.concat();
        let text = format!(
            "//! The built-in pattern files, in the order of their names. `BLESS=1 cargo test -p fusewright-pattern` writes \
             this file.\n\npub(super) const FILES: &[(&str, &str)] = &[\n{rows}];\n"
        );
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine/table.rs"), text).unwrap();
    } else {
        assert_eq!(Library::files().collect::<Vec<_>>(), names);
    }
    for (name, (_, rule)) in names.iter().zip(Library::built_in().rules()) {
        assert_eq!(*name, format!("{}.toml", rule.id), "a file is called after its rule");
    }
}

/// Graphs broken on purpose are the examples that miss: each states the rule, by its file, and the reason.
#[test]
fn at_least_forty_graphs_are_broken_and_every_reason_is_among_them() {
    let library = Library::built_in();
    let broken = || library.rules().flat_map(|(_, rule)| &rule.examples).filter(|example| !example.misses.is_empty());
    assert!(broken().count() >= 40, "{} graphs are broken on purpose", broken().count());
    let shown: Vec<&str> = broken().flat_map(|example| &example.misses).map(String::as_str).collect();
    let missing: Vec<&str> = Reason::ALL.iter().map(Reason::id).filter(|id| !shown.contains(id)).collect();
    assert!(missing.is_empty(), "no example misses because of {missing:?}");
}

#[test]
fn a_miss_says_where_what_and_how_to_help() {
    let library = Library::built_in();
    for (_, rule) in library.rules() {
        for example in &rule.examples {
            let graph = text::parse(&example.graph).unwrap();
            for miss in search(&graph, &library).misses {
                let place = format!("{}, {}", rule.file, example.title);
                assert!(miss.evidence.node.is_some() || miss.evidence.value.is_some(), "{place}");
                assert!(!miss.evidence.found.is_empty() && !miss.evidence.expected.is_empty(), "{place}");
                assert!(!miss.change.is_empty(), "{place}");
                assert!(miss.nodes.contains(&miss.anchor), "{place}");
            }
        }
    }
}
