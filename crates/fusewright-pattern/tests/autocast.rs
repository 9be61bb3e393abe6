//! Autocast: which ops change precision, and that nothing else changes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_ir::{DType, Graph, Op, ops::Copy, text, total_work, verify};
use fusewright_pattern::{autocast, decompose};
use fusewright_testing::{Sample, cases, graphs};
use proptest::prelude::*;

const BLOCK: &str = r#"
    graph "block" {
      input %x: f32[2, 5, 8]
      parameter %norm: f32[8]
      parameter %w: f32[8, 8]
      parameter %b: f32[8]
      %n: f32[2, 5, 8] = layer_norm(%x, %norm) {axes = 1, epsilon = 1e-6}
      %q: f32[2, 5, 8] = linear(%n, %w, %b)
      %k: f32[2, 5, 8] = linear(%n, %w)
      %act: f32[2, 5, 8] = gelu(%q)
      %both: f32[2, 5, 16] = concat(%act, %n) {axis = 2}
      %mean: f32[2, 5] = mean(%act) {axes = [2], keep = false}
      %sum: f32[2, 5] = sum(%act) {axes = [2], keep = false}
      %y: f32[2, 5, 8] = add(%x, %k)
      output %y
      output %both
      output %mean
      output %sum
    }"#;

fn dtype(graph: &Graph, name: &str) -> DType {
    let (id, _) = graph.values().find(|&(id, _)| graph.value_name(id) == name).unwrap();
    graph.tensor(id).unwrap().dtype
}

#[test]
fn ops_run_in_the_precision_of_their_list() {
    let graph = autocast(&text::parse(BLOCK).unwrap(), DType::F16).unwrap();
    verify(&graph).unwrap();
    let found = ["n", "q", "k", "act", "both", "mean", "sum", "y"].map(|name| dtype(&graph, name).name());
    assert_eq!(found, ["f32", "f16", "f16", "f16", "f32", "f16", "f32", "f32"]);
    let casts: Vec<&str> = graph
        .nodes()
        .filter(|(_, node)| matches!(&node.op, Op::Copy(copy) if matches!(**copy, Copy::Cast { .. })))
        .map(|(id, _)| graph.node_name(id))
        .collect();
    // The weight once, the activation for each of its readers.
    assert_eq!(casts, ["q.0.f16", "w.f16", "b.f16", "k.0.f16", "both.0.f32", "sum.0.f32"]);
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn shapes_and_work_stay(Sample(graph) in graphs(30)) {
        for graph in [decompose(&graph).unwrap(), graph] {
            for lower in [DType::F16, DType::Bf16] {
                let cast = autocast(&graph, lower).unwrap();
                verify(&cast).unwrap();
                prop_assert_eq!(total_work(&cast), total_work(&graph));
                let shapes = |graph: &Graph| -> Vec<_> {
                    graph.outputs().iter().map(|&output| graph.tensor(output).map(|tensor| tensor.shape.clone())).collect()
                };
                prop_assert_eq!(shapes(&cast), shapes(&graph));
            }
        }
    }
}
