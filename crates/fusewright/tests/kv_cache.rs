//! Caches of keys and values of the built-in decoders, against the inputs that hold them by name.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright::{BUILT_IN, Phase, Session};
use fusewright_cost::kv_cache;
use fusewright_ir::Storage;

/// Bytes a token: 2 · layers · key heads · head width · 2 bytes.
const PER_TOKEN: [(&str, u64); 5] = [
    ("gpt2", 2 * 12 * 768 * 4),
    ("llama-2-7b", 2 * 32 * 32 * 128 * 2),
    ("llama-3-8b", 2 * 32 * 8 * 128 * 2),
    ("llama-3-70b", 2 * 80 * 8 * 128 * 2),
    // One narrow vector and the turned part of the key for each token and layer.
    ("deepseek-v3", 61 * (512 + 64) * 2),
];

#[test]
fn cache_of_a_token_is_what_the_configuration_comes_to() {
    for (model, bytes) in PER_TOKEN {
        let model = Session::new().with_phase(Phase::Decode).with_dim("context", 1000).load(model).unwrap();
        let graph = model.graph();
        let cache = kv_cache(graph, &Storage::of(graph));
        let found = (cache.before, cache.appended, cache.after);
        assert_eq!(found, (1000 * bytes, bytes, 1001 * bytes), "{}", model.name());
    }
}

#[test]
fn every_input_that_is_named_a_cache_is_found() {
    let mut seen = 0;
    for built_in in BUILT_IN {
        let Ok(model) = Session::new().with_phase(Phase::Decode).load(built_in.name) else { continue };
        let graph = model.graph();
        let named = |value: &_| graph.value_name(*value).starts_with("past_key_values.");
        let expected: Vec<_> = graph.inputs().iter().copied().filter(named).collect();
        let cache = kv_cache(graph, &Storage::of(graph));
        assert_eq!(cache.inputs, expected, "{}", built_in.name);
        seen += 1;
    }
    assert!(seen > 40, "only {seen} built-in models decode");
}
