//! Caches of keys and values, found in graphs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_cost::{KvCache, kv_cache};
use fusewright_ir::{Storage, text};

fn cache_of(source: &str) -> KvCache {
    let graph = text::parse(source).unwrap();
    fusewright_ir::verify(&graph).unwrap();
    kv_cache(&graph, &Storage::of(&graph))
}

#[test]
fn rows_joined_to_an_input_are_appended() {
    let cache = cache_of(
        r#"graph "decode" {
  input %q: bf16[1, 8, 1, 64]
  input %k: bf16[1, 2, 1, 64]
  input %v: bf16[1, 2, 1, 64]
  input %past_k: bf16[1, 2, 99, 64]
  input %past_v: bf16[1, 2, 99, 64]
  %keys: bf16[1, 2, 100, 64] = concat(%past_k, %k) {axis = 2}
  %values: bf16[1, 2, 100, 64] = concat(%past_v, %v) {axis = 2}
  %y: bf16[1, 8, 1, 64] = scaled_dot_product_attention(%q, %keys, %values)
  output %y
  output %keys
  output %values
}"#,
    );
    let row = 2 * 2 * 64 * 2;
    assert_eq!((cache.before, cache.appended, cache.after), (99 * row, row, 100 * row));
    assert_eq!(cache.inputs.len(), 2);
}

#[test]
fn joined_inputs_that_nobody_attends_to_are_no_cache() {
    let cache = cache_of(
        r#"graph "join" {
  input %a: f32[1, 2, 3]
  input %b: f32[1, 2, 3]
  %c: f32[1, 4, 3] = concat(%a, %b) {axis = 1}
  output %c
}"#,
    );
    assert_eq!(cache, KvCache::default());
}
