//! Every committed configuration of an encoder, an encoder-decoder or a vision model gives the parameters, FLOPs and
//! attentions that the library's own class has; small ones also the names of the parameters.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fusewright_hf::{Options, Phase, parameters, read};
use fusewright_ir::{Graph, Op, Origin, total_work};
use serde_json::Value;

fn expectations() -> BTreeMap<String, Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/encoders_expected.json");
    let mut rows: BTreeMap<String, Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    rows.remove("transformers");
    rows
}

fn configuration(name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found =
        ["configs", "tests/configs"].map(|folder| std::fs::read(root.join(folder).join(format!("{name}.json"))));
    found.into_iter().flatten().next().unwrap_or_else(|| panic!("{name}.json is in neither folder"))
}

fn attentions(graph: &Graph) -> u64 {
    graph.nodes().filter(|(_, node)| matches!(node.op, Op::Attention(_))).count() as u64
}

fn names(graph: &Graph) -> BTreeSet<String> {
    let trained = graph.values().filter(|(_, value)| value.origin == Origin::Parameter);
    trained.map(|(_, value)| graph.text(value.name).to_owned()).collect()
}

/// What differs between a configuration and its row.
fn differences(name: &str, row: &Value) -> Vec<String> {
    let text = configuration(name);
    let mut wrong = Vec::new();
    let graph = match read(&text, &Options::default()) {
        Ok(loaded) => loaded.graph,
        Err(problem) => return vec![format!("{name}: {problem}")],
    };
    let mut check = |what: &str, found: u64| {
        let expected = row[what].as_u64().unwrap();
        if expected != found {
            let difference = i128::from(found) - i128::from(expected);
            wrong.push(format!("{name}: {what} is {found}, expected {expected} ({difference:+})"));
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
    if let Some(expected) = row.get("names").and_then(Value::as_array) {
        let mut extra = names(&graph);
        let shared = expected.iter().map(|names| names.as_str().unwrap());
        // A shared parameter has one of its names.
        let missing: Vec<_> = shared.filter(|shared| !shared.split(' ').any(|name| extra.remove(name))).collect();
        if !extra.is_empty() || !missing.is_empty() {
            wrong.push(format!("{name}: extra {extra:?}, missing {missing:?}"));
        }
    }
    wrong
}

#[test]
fn counts_are_those_of_the_classes() {
    let wrong: Vec<String> = expectations().iter().flat_map(|(name, row)| differences(name, row)).collect();
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Parameters and FLOPs that are known from elsewhere.
#[test]
fn well_known_models() {
    let known = [
        ("bert-base", 109_482_240, 22_348_431_360, 12),
        ("t5-small", 60_506_624, 16_089_350_144, 18),
        ("whisper-tiny", 37_760_640, 48_969_449_472, 12),
        ("clip-vit-base-patch32", 151_277_313, 14_777_164_800, 24),
    ];
    for (name, weights, flops, cores) in known {
        let graph = read(&configuration(name), &Options::default()).unwrap().graph;
        let found = (parameters(&graph), total_work(&graph).contraction_flops(), attentions(&graph));
        assert_eq!(found, (weights, flops, cores), "{name}");
    }
}
