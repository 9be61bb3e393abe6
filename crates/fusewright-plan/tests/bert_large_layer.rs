//! One BERT-large encoder layer, B = 8, L = 512, counted by hand.
//!
//! Words moved when nothing is fused, with the bias and norm vectors themselves not counted (they are scalars here): the element counts follow from the dimensions N = 1024, U = 4096, H = 16 and are listed in `spcl/substation`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_ir::{DType, text, total_work, verify};
use fusewright_plan::{Analysis, AttentionFusionPartitioner, EagerPartitioner, Partitioner, Profile};

const LAYER: &str = r#"
graph "bert-large layer" {
  input %x: f32[8, 512, 1024]
  input %mask: f32[8, 1, 1, 512]
  parameter %wq: f32[1024, 1024]
  parameter %wk: f32[1024, 1024]
  parameter %wv: f32[1024, 1024]
  parameter %wo: f32[1024, 1024]
  parameter %w1: f32[4096, 1024]
  parameter %w2: f32[1024, 4096]
  %q: f32[8, 512, 1024] = linear(%x, %wq)
  %k: f32[8, 512, 1024] = linear(%x, %wk)
  %v: f32[8, 512, 1024] = linear(%x, %wv)
  %qb: f32[8, 512, 1024] = add(%q) {scalar = 0.5}
  %kb: f32[8, 512, 1024] = add(%k) {scalar = 0.5}
  %vb: f32[8, 512, 1024] = add(%v) {scalar = 0.5}
  %q4: f32[8, 512, 16, 64] = reshape(%qb) {shape = [8, 512, 16, 64]}
  %k4: f32[8, 512, 16, 64] = reshape(%kb) {shape = [8, 512, 16, 64]}
  %v4: f32[8, 512, 16, 64] = reshape(%vb) {shape = [8, 512, 16, 64]}
  %qh: f32[8, 16, 512, 64] = permute(%q4) {axes = [0, 2, 1, 3]}
  %kh: f32[8, 16, 64, 512] = permute(%k4) {axes = [0, 2, 3, 1]}
  %vh: f32[8, 16, 512, 64] = permute(%v4) {axes = [0, 2, 1, 3]}
  %s: f32[8, 16, 512, 512] = matmul(%qh, %kh)
  %scaled: f32[8, 16, 512, 512] = mul(%s) {scalar = 0.125}
  %masked: f32[8, 16, 512, 512] = add(%scaled, %mask)
  %p: f32[8, 16, 512, 512] = softmax(%masked) {axis = -1}
  %c: f32[8, 16, 512, 64] = matmul(%p, %vh)
  %ct: f32[8, 512, 16, 64] = permute(%c) {axes = [0, 2, 1, 3]}
  %cm: f32[8, 512, 1024] = reshape(%ct) {shape = [8, 512, 1024]}
  %o: f32[8, 512, 1024] = linear(%cm, %wo)
  %ob: f32[8, 512, 1024] = add(%o) {scalar = 0.5}
  %r1: f32[8, 512, 1024] = add(%ob, %x)
  %n1: f32[8, 512, 1024] = layer_norm(%r1) {axes = 1, epsilon = 1e-12}
  %h: f32[8, 512, 4096] = linear(%n1, %w1)
  %hb: f32[8, 512, 4096] = add(%h) {scalar = 0.5}
  %g: f32[8, 512, 4096] = gelu(%hb)
  %y: f32[8, 512, 1024] = linear(%g, %w2)
  %yb: f32[8, 512, 1024] = add(%y) {scalar = 0.5}
  %r2: f32[8, 512, 1024] = add(%yb, %n1)
  %n2: f32[8, 512, 1024] = layer_norm(%r2) {axes = 1, epsilon = 1e-12}
  output %n2
}"#;

const TN: u64 = 8 * 512 * 1024;
const SCORES: u64 = 8 * 16 * 512 * 512;
const MASK: u64 = 8 * 512;

#[test]
fn unfused_words_and_flops_are_those_counted_by_hand() {
    let mut graph = text::parse(LAYER).unwrap();
    verify(&graph).unwrap();
    assert_eq!(total_work(&graph).contraction_flops(), 111_669_149_696);
    for (dtype, word) in [(DType::F32, 4), (DType::F16, 2)] {
        graph.set_float_dtype(dtype);
        verify(&graph).unwrap();
        let analysis = Analysis::of(&graph);
        let plan = EagerPartitioner.partition(&analysis, Profile::Default).unwrap();
        // The hand count leaves out the copy that merges the heads again, 2 tn words, and the padding mask.
        assert_eq!(plan.total.kernels, 22 + 1);
        assert_eq!(plan.total.moved(), (524_288_000 + 2 * TN + MASK) * word);
    }
}

#[test]
fn fused_attention_moves_its_operands_only() {
    let graph = text::parse(LAYER).unwrap();
    let analysis = Analysis::of(&graph);
    let plan = AttentionFusionPartitioner::default().partition(&analysis, Profile::Default).unwrap();
    assert_eq!((plan.merges.len(), plan.attention_chains), (1, 1));
    let group = |name: &str| {
        let (id, _) = graph.nodes().find(|&(id, _)| graph.node_name(id) == name).unwrap();
        &plan.costs[plan.groups.of(id) as usize]
    };
    // One wide product: the input once, three weights, three results.
    let merged = group("q");
    assert_eq!((merged.read, merged.written), (4 * (TN + 3 * 1024 * 1024), 4 * 3 * TN));
    // Queries, keys, values, mask and the output projection in, its result out; no scores anywhere.
    let attention = group("s");
    assert_eq!((attention.read, attention.written), (4 * (3 * TN + MASK + 1024 * 1024), 4 * TN));
    assert_eq!(attention.internal, 4 * (4 * SCORES + 2 * TN));
}
