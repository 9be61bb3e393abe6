//! Every committed configuration gives the parameters, FLOPs and attentions that the library's own class has.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use fusewright_hf::{Options, Phase, parameters, read};
use fusewright_ir::{Graph, Op, total_work};
use serde_json::Value;

fn configurations() -> BTreeMap<String, Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeMap::new();
    // `encoders.rs` checks those.
    let elsewhere = std::fs::read(root.join("tests/encoders_expected.json")).unwrap();
    let elsewhere: BTreeMap<String, Value> = serde_json::from_slice(&elsewhere).unwrap();
    for folder in ["configs", "tests/configs"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if elsewhere.contains_key(&name) {
                continue;
            }
            assert!(found.insert(name, std::fs::read(&path).unwrap()).is_none(), "{} is there twice", path.display());
        }
    }
    found
}

fn expectations() -> BTreeMap<String, Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expected.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn attentions(graph: &Graph) -> u64 {
    graph.nodes().filter(|(_, node)| matches!(node.op, Op::Attention(_))).count() as u64
}

#[test]
fn counts_are_those_of_the_classes() {
    let expected = expectations();
    let mut wrong = Vec::new();
    for (name, text) in configurations() {
        let Some(row) = expected.get(&name) else {
            wrong.push(format!("{name}: run tests/expected.py"));
            continue;
        };
        let graph = match read(&text, &Options::default()) {
            Ok(loaded) => loaded.graph,
            Err(problem) => {
                wrong.push(format!("{name}: {problem}"));
                continue;
            }
        };
        let mut check = |what: &str, found: u64| {
            let expected = row.get(what).and_then(Value::as_u64);
            if expected.is_some_and(|expected| expected != found) {
                let difference = i128::from(found) - i128::from(expected.unwrap());
                wrong.push(format!("{name}: {what} is {found}, expected {} ({difference:+})", expected.unwrap()));
            }
        };
        check("parameters", parameters(&graph));
        check("flops", total_work(&graph).contraction_flops());
        check("attentions", attentions(&graph));
        if row.get("decode_flops").is_some() {
            let bindings = [("context".to_owned(), 128)].into_iter().collect();
            match read(&text, &Options { bindings, phase: Phase::Decode }) {
                Ok(loaded) => check("decode_flops", total_work(&loaded.graph).contraction_flops()),
                Err(problem) => wrong.push(format!("{name} (decode): {problem}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_expectation_has_its_configuration() {
    let names = configurations();
    for name in expectations().keys().filter(|name| *name != "transformers") {
        assert!(names.contains_key(name), "expected.json has {name}, which no configuration has");
    }
}
