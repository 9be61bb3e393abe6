//! Autocast: which ops change precision, and that nothing else changes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_ir::{DType, Graph, Op, ops::Copy, text, total_work, verify};
use fusewright_pattern::{Autocast, autocast, decompose};
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

const PLAIN: Autocast = Autocast { lower: DType::F16, fast_norms: false };

fn dtype(graph: &Graph, name: &str) -> DType {
    let (id, _) = graph.values().find(|&(id, _)| graph.value_name(id) == name).unwrap();
    graph.tensor(id).unwrap().dtype
}

#[test]
fn ops_run_in_the_precision_of_their_list() {
    let graph = autocast(&text::parse(BLOCK).unwrap(), PLAIN).unwrap();
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

#[test]
fn fast_norms_are_those_that_no_module_is() {
    let how = Autocast { fast_norms: true, ..PLAIN };
    let function = BLOCK.replace("epsilon = 1e-6}", "epsilon = 1e-6} @function \"layer_norm\"");
    let function = autocast(&text::parse(&function).unwrap(), how).unwrap();
    assert_eq!(dtype(&function, "n"), DType::F16);
    let module = BLOCK.replace("epsilon = 1e-6}", "epsilon = 1e-6} @module \"torch.nn.LayerNorm\"");
    let module = autocast(&text::parse(&module).unwrap(), how).unwrap();
    assert_eq!(dtype(&module, "n"), DType::F32);
}

#[test]
fn norms_in_steps_are_fast_norms_and_squares_are_powers() {
    let steps = r#"
    graph "rms" {
      input %x: f32[2, 8, 4, 4]
      parameter %w: f32[8]
      parameter %k: f32[8, 8, 1, 1]
      %c: f32[2, 8, 4, 4] = conv(%x, %k) {stride = [1, 1], padding = [0, 0], dilation = [1, 1], groups = 1}
      %square: f32[2, 8, 4, 4] = square(%c)
      %mean: f32[2, 1, 4, 4] = mean(%square) {axes = [1], keep = true}
      %plus: f32[2, 1, 4, 4] = add(%mean) {scalar = 1e-6}
      %root: f32[2, 1, 4, 4] = rsqrt(%plus)
      %normed: f32[2, 8, 4, 4] = mul(%c, %root)
      %row: f32[1, 8, 1, 1] = reshape(%w) {shape = [1, 8, 1, 1]}
      %y: f32[2, 8, 4, 4] = mul(%normed, %row)
      output %y
    }"#;
    let found = |text: &str, fast_norms| {
        let graph = autocast(&text::parse(text).unwrap(), Autocast { fast_norms, ..PLAIN }).unwrap();
        verify(&graph).unwrap();
        ["square", "root", "y"].map(|name| dtype(&graph, name).name())
    };
    assert_eq!(found(steps, false), ["f32", "f32", "f32"]);
    assert_eq!(found(steps, true), ["f16", "f16", "f16"]);
    let read_elsewhere =
        steps.replace("output %y", "output %y\n %again: f32[2, 8, 4, 4] = relu(%square)\n output %again");
    assert_eq!(found(&read_elsewhere, true), ["f32", "f32", "f32"]);
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn shapes_and_work_stay(Sample(graph) in graphs(30)) {
        for graph in [decompose(&graph).unwrap(), graph] {
            for (lower, fast_norms) in [(DType::F16, false), (DType::Bf16, true)] {
                let cast = autocast(&graph, Autocast { lower, fast_norms }).unwrap();
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

#[test]
fn what_is_converted_to_the_type_of_another_tensor_follows_it() {
    let source = r#"
    graph "like" {
      input %x: f32[2, 5, 8]
      parameter %w: f32[8, 8]
      parameter %s: f32[8]
      %q: f32[2, 5, 8] = linear(%x, %w)
      %of: host = dtype_of(%q)
      %scale: f32[8] = cast(%s, %of) {dtype = "f32"}
      %y: f32[2, 5, 8] = mul(%q, %scale)
      %input: host = dtype_of(%x)
      %back: f32[2, 5, 8] = cast(%y, %input) {dtype = "f32"}
      output %back
    }"#;
    let plain = text::parse(source).unwrap();
    verify(&plain).unwrap();
    let graph = autocast(&plain, PLAIN).unwrap();
    verify(&graph).unwrap();
    assert_eq!(["q", "scale", "y", "back"].map(|name| dtype(&graph, name).name()), ["f16", "f16", "f16", "f32"]);
}
