//! No value of any key makes the reader panic: it gives a graph or a message.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use fusewright_hf::{Options, Phase, read};
use serde_json::{Map, Value, json};

const BOTH: [Phase; 2] = [Phase::Prefill, Phase::Decode];

fn configurations() -> Vec<Map<String, Value>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect()
}

/// Reads in these phases; what is wrong must be said.
fn try_reading(config: &Map<String, Value>, phases: &[Phase]) {
    let text = serde_json::to_vec(config).unwrap();
    for &phase in phases {
        let bindings = [("seq".to_owned(), 2)].into_iter().collect();
        if let Err(problem) = read(&text, &Options { bindings, phase }) {
            assert!(problem.to_string().len() > 20, "{problem}");
        }
    }
}

#[test]
fn any_value_of_one_key() {
    let values = [
        json!(0),
        json!(1),
        json!(3),
        json!(16_777_216),
        json!(-1),
        json!(0.3),
        json!(1e308),
        json!(null),
        json!("x"),
        json!([]),
        json!([16_777_216, 0]),
        json!({}),
        json!(true),
    ];
    for config in configurations() {
        for key in config.keys() {
            for value in &values {
                if key != "num_hidden_layers" || value.as_u64() != Some(16_777_216) {
                    let mut changed = config.clone();
                    changed.insert(key.clone(), value.clone());
                    try_reading(&changed, &[Phase::Decode]);
                }
            }
        }
    }
}

#[test]
fn all_sizes_as_large_as_they_may_be() {
    let layers = ["num_hidden_layers", "n_layer", "num_layers", "encoder_layers", "decoder_layers"];
    for config in configurations() {
        for size in [1, 16_384, 16_777_216] {
            let mut changed = config.clone();
            for (key, value) in &mut changed {
                if value.is_u64() && !layers.contains(&key.as_str()) {
                    *value = json!(size);
                }
            }
            try_reading(&changed, &BOTH);
        }
    }
}

#[test]
fn a_configuration_without_most_of_its_keys() {
    for config in configurations() {
        let mut bare = Map::new();
        bare.insert("model_type".to_owned(), config["model_type"].clone());
        try_reading(&bare, &BOTH);
        for key in config.keys() {
            let mut changed = config.clone();
            if changed.remove(key).is_some() && key != "num_hidden_layers" {
                try_reading(&changed, &BOTH);
            }
        }
    }
}
