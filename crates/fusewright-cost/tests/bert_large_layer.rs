//! Words moved by one BERT-large encoder layer, B = 8, L = 512: a training pass forward and inference, kernel by kernel.
//!
//! The counts are those listed for `spcl/substation`: tn = B·L·N, tu = B·L·U and s = H·B·L² words, N = 1024, U = 4096,
//! H = 16.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_cost::{GroupCost, Groups, floor_bytes, group_costs};
use fusewright_ir::{Graph, Storage, text, total_work};

const N: u64 = 1024;
const U: u64 = 4096;
const TN: u64 = 8 * 512 * N;
const TU: u64 = 8 * 512 * U;
const S: u64 = 16 * 8 * 512 * 512;
/// Bytes of a word here.
const WORD: u64 = 4;

/// Forward pass of training: projections stacked, every dropout writes its result and its mask, the softmax keeps its
/// result for the backward pass.
const TRAINING: &str = r#"
graph "bert-large layer, training" {
  input %x: f32[8, 512, 1024]
  parameter %w_qkv: f32[3072, 1024]
  parameter %b_qkv: f32[3072]
  parameter %w_o: f32[1024, 1024]
  parameter %b_o: f32[1024]
  parameter %w_1: f32[4096, 1024]
  parameter %b_1: f32[4096]
  parameter %w_2: f32[1024, 4096]
  parameter %b_2: f32[1024]
  parameter %scale_1: f32[1024]
  parameter %shift_1: f32[1024]
  parameter %scale_2: f32[1024]
  parameter %shift_2: f32[1024]
  %qkv: f32[8, 512, 3072] = linear(%x, %w_qkv)
  %qkv_biased: f32[8, 512, 3072] = add(%qkv, %b_qkv)
  %q: f32[8, 512, 1024], %k: f32[8, 512, 1024], %v: f32[8, 512, 1024] = split(%qkv_biased) {axis = 2, sizes = [1024, 1024, 1024]}
  %q4: f32[8, 512, 16, 64] = reshape(%q) {shape = [8, 512, 16, 64]}
  %k4: f32[8, 512, 16, 64] = reshape(%k) {shape = [8, 512, 16, 64]}
  %v4: f32[8, 512, 16, 64] = reshape(%v) {shape = [8, 512, 16, 64]}
  %qh: f32[8, 16, 512, 64] = permute(%q4) {axes = [0, 2, 1, 3]}
  %kh: f32[8, 16, 64, 512] = permute(%k4) {axes = [0, 2, 3, 1]}
  %vh: f32[8, 16, 512, 64] = permute(%v4) {axes = [0, 2, 1, 3]}
  %scores: f32[8, 16, 512, 512] = matmul(%qh, %kh)
  %scaled: f32[8, 16, 512, 512] = mul(%scores) {scalar = 0.125}
  %p: f32[8, 16, 512, 512] = softmax(%scaled) {axis = -1}
  %dropped: f32[8, 16, 512, 512], %p_mask: f32[8, 16, 512, 512] = opaque(%p) {name = "dropout"}
  %c: f32[8, 16, 512, 64] = matmul(%dropped, %vh)
  %cm: f32[4096, 1024] = opaque(%c) {name = "heads lie side by side as the product writes them"}
  %o: f32[4096, 1024] = linear(%cm, %w_o)
  %o3: f32[8, 512, 1024] = reshape(%o) {shape = [8, 512, 1024]}
  %o_biased: f32[8, 512, 1024] = add(%o3, %b_o)
  %o_dropped: f32[8, 512, 1024], %o_mask: f32[8, 512, 1024] = opaque(%o_biased) {name = "dropout"}
  %r_1: f32[8, 512, 1024] = add(%o_dropped, %x)
  %n_1: f32[8, 512, 1024] = layer_norm(%r_1, %scale_1, %shift_1) {axes = 1, epsilon = 1e-12}
  %h: f32[8, 512, 4096] = linear(%n_1, %w_1)
  %h_biased: f32[8, 512, 4096] = add(%h, %b_1)
  %a: f32[8, 512, 4096] = relu(%h_biased)
  %a_dropped: f32[8, 512, 4096], %a_mask: f32[8, 512, 4096] = opaque(%a) {name = "dropout"}
  %y: f32[8, 512, 1024] = linear(%a_dropped, %w_2)
  %y_biased: f32[8, 512, 1024] = add(%y, %b_2)
  %y_dropped: f32[8, 512, 1024], %y_mask: f32[8, 512, 1024] = opaque(%y_biased) {name = "dropout"}
  %r_2: f32[8, 512, 1024] = add(%y_dropped, %n_1)
  %n_2: f32[8, 512, 1024] = layer_norm(%r_2, %scale_2, %shift_2) {axes = 1, epsilon = 1e-12}
  output %n_2
  output %p
  output %p_mask
  output %o_mask
  output %a_mask
  output %y_mask
}"#;

/// Inference with GELU; vectors and the mask are scalars here, because the published count leaves them out.
const INFERENCE: &str = r#"
graph "bert-large layer, inference" {
  input %x: f32[4096, 1024]
  parameter %w_q: f32[1024, 1024]
  parameter %w_k: f32[1024, 1024]
  parameter %w_v: f32[1024, 1024]
  parameter %w_o: f32[1024, 1024]
  parameter %w_1: f32[4096, 1024]
  parameter %w_2: f32[1024, 4096]
  %q: f32[4096, 1024] = linear(%x, %w_q)
  %k: f32[4096, 1024] = linear(%x, %w_k)
  %v: f32[4096, 1024] = linear(%x, %w_v)
  %q_biased: f32[4096, 1024] = add(%q) {scalar = 0.5}
  %k_biased: f32[4096, 1024] = add(%k) {scalar = 0.5}
  %v_biased: f32[4096, 1024] = add(%v) {scalar = 0.5}
  %q4: f32[8, 512, 16, 64] = reshape(%q_biased) {shape = [8, 512, 16, 64]}
  %k4: f32[8, 512, 16, 64] = reshape(%k_biased) {shape = [8, 512, 16, 64]}
  %v4: f32[8, 512, 16, 64] = reshape(%v_biased) {shape = [8, 512, 16, 64]}
  %qh: f32[8, 16, 512, 64] = permute(%q4) {axes = [0, 2, 1, 3]}
  %kh: f32[8, 16, 64, 512] = permute(%k4) {axes = [0, 2, 3, 1]}
  %vh: f32[8, 16, 512, 64] = permute(%v4) {axes = [0, 2, 1, 3]}
  %scores: f32[8, 16, 512, 512] = matmul(%qh, %kh)
  %scaled: f32[8, 16, 512, 512] = mul(%scores) {scalar = 0.125}
  %masked: f32[8, 16, 512, 512] = add(%scaled) {scalar = 0.5}
  %p: f32[8, 16, 512, 512] = softmax(%masked) {axis = -1}
  %c: f32[8, 16, 512, 64] = matmul(%p, %vh)
  %cm: f32[4096, 1024] = opaque(%c) {name = "heads lie side by side as the product writes them"}
  %o: f32[4096, 1024] = linear(%cm, %w_o)
  %o_biased: f32[4096, 1024] = add(%o) {scalar = 0.5}
  %r_1: f32[4096, 1024] = add(%o_biased, %x)
  %n_1: f32[4096, 1024] = layer_norm(%r_1) {axes = 1, epsilon = 1e-12}
  %h: f32[4096, 4096] = linear(%n_1, %w_1)
  %h_biased: f32[4096, 4096] = add(%h) {scalar = 0.5}
  %g: f32[4096, 4096] = gelu(%h_biased)
  %y: f32[4096, 1024] = linear(%g, %w_2)
  %y_biased: f32[4096, 1024] = add(%y) {scalar = 0.5}
  %r_2: f32[4096, 1024] = add(%y_biased, %n_1)
  %n_2: f32[4096, 1024] = layer_norm(%r_2) {axes = 1, epsilon = 1e-12}
  output %n_2
}"#;

/// Costs of kernels given by the names of their nodes; views go with any of them, launching nothing.
fn costs(graph: &Graph, kernels: &[&[&str]]) -> Vec<GroupCost> {
    let storage = Storage::of(graph);
    let mut group_of = Vec::new();
    for (id, _) in graph.nodes() {
        let name = graph.node_name(id);
        let kernel = kernels.iter().position(|kernel| kernel.contains(&name));
        assert!(kernel.is_some() || storage.is_free(id), "{name} is in no kernel");
        group_of.push(u32::try_from(kernel.unwrap_or(0)).unwrap());
    }
    group_costs(graph, &storage, &Groups::from_assignment(group_of, kernels.len()))
}

fn words(cost: &GroupCost) -> (u64, u64) {
    (cost.read / WORD, cost.written / WORD)
}

fn check(graph: &Graph, kernels: &[(&[&str], u64, u64)]) -> GroupCost {
    let names: Vec<&[&str]> = kernels.iter().map(|kernel| kernel.0).collect();
    let costs = costs(graph, &names);
    for ((names, read, written), cost) in kernels.iter().zip(&costs) {
        assert_eq!(words(cost), (*read, *written), "{names:?}");
    }
    costs.iter().sum()
}

#[test]
fn training_pass_moves_the_published_words_unfused() {
    let graph = text::parse(TRAINING).unwrap();
    fusewright_ir::verify(&graph).unwrap();
    assert_eq!(total_work(&graph).contraction_flops(), 111_669_149_696);
    let total = check(
        &graph,
        &[
            (&["qkv"], TN + 3 * N * N, 3 * TN),
            (&["qkv_biased"], 3 * TN + 3 * N, 3 * TN),
            (&["scores"], 2 * TN, S),
            (&["scaled", "p", "dropped"], S, 3 * S),
            // The heads' layout is free for the product that writes it.
            (&["c", "cm"], S + TN, TN),
            (&["o"], TN + N * N, TN),
            (&["o_biased"], TN + N, TN),
            (&["o_dropped"], TN, 2 * TN),
            (&["r_1"], 2 * TN, TN),
            (&["n_1"], TN + 2 * N, TN),
            (&["h"], TN + N * U, TU),
            (&["h_biased"], TU + U, TU),
            (&["a"], TU, TU),
            (&["a_dropped"], TU, 2 * TU),
            (&["y"], TU + N * U, TN),
            (&["y_biased"], TN + N, TN),
            (&["y_dropped"], TN, 2 * TN),
            (&["r_2"], 2 * TN, TN),
            (&["n_2"], TN + 2 * N, TN),
        ],
    );
    assert_eq!(total.moved() / WORD, 524_301_312);
}

#[test]
fn training_pass_moves_the_published_words_fused() {
    let graph = text::parse(TRAINING).unwrap();
    let total = check(
        &graph,
        &[
            (&["qkv"], TN + 3 * N * N, 3 * TN),
            (&["qkv_biased"], 3 * TN + 3 * N, 3 * TN),
            (&["scores"], 2 * TN, S),
            (&["scaled", "p", "dropped"], S, 3 * S),
            (&["c", "cm"], S + TN, TN),
            (&["o"], TN + N * N, TN),
            (&["o_biased", "o_dropped", "r_1", "n_1"], 2 * TN + 3 * N, 2 * TN),
            (&["h"], TN + N * U, TU),
            (&["h_biased", "a", "a_dropped"], TU + U, 2 * TU),
            (&["y"], TU + N * U, TN),
            (&["y_biased", "y_dropped", "r_2", "n_2"], 2 * TN + 3 * N, 2 * TN),
        ],
    );
    assert_eq!(total.kernels, 11);
    // The published sum of fused kernels leaves the bias and norm vectors out.
    let vectors = 3 * N + 2 * 3 * N + U;
    assert_eq!(total.moved() / WORD, 406_847_488 + vectors);
}

#[test]
fn inference_moves_the_published_words_with_each_plan() {
    let graph = text::parse(INFERENCE).unwrap();
    fusewright_ir::verify(&graph).unwrap();
    let words = |kernels: &[&[&str]]| {
        let total: GroupCost = costs(&graph, kernels).iter().sum();
        (total.kernels, total.moved() / WORD)
    };
    let nothing: Vec<&[&str]> = vec![
        &["q"],
        &["k"],
        &["v"],
        &["q_biased"],
        &["k_biased"],
        &["v_biased"],
        &["scores"],
        &["scaled"],
        &["masked"],
        &["p"],
        &["c", "cm"],
        &["o"],
        &["o_biased"],
        &["r_1"],
        &["n_1"],
        &["h"],
        &["h_biased"],
        &["g"],
        &["y"],
        &["y_biased"],
        &["r_2"],
        &["n_2"],
    ];
    assert_eq!(words(&nothing), (22, 524_288_000));
    let projections: &[&str] = &["q", "k", "v", "q_biased", "k_biased", "v_biased"];
    let rest: [&[&str]; 5] =
        [&["o", "o_biased", "r_1"], &["n_1"], &["h", "h_biased", "g"], &["y", "y_biased", "r_2"], &["n_2"]];
    let mut epilogues: Vec<&[&str]> = vec![projections, &["scores", "scaled"], &["masked", "p"], &["c", "cm"]];
    epilogues.extend(rest);
    assert_eq!(words(&epilogues), (9, 255_852_544));
    let mut streaming: Vec<&[&str]> = vec![projections, &["scores", "scaled", "masked", "p", "c", "cm"]];
    streaming.extend(rest);
    assert_eq!(words(&streaming), (7, 121_634_816));
    assert_eq!(floor_bytes(&graph, &Storage::of(&graph)) / WORD, 20_971_520);
    assert_eq!(2 * TN + 12 * N * N, 20_971_520);
}
