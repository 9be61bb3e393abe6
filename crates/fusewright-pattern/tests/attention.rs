//! Attention is found whatever else its steps are used for, in time linear in the graph.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_ir::{Consumers, Graph, Storage, text, verify};
use fusewright_pattern::{AttentionKind, Attentions, MaskKind, find_attentions, find_attentions_knowing};

fn find(body: &str) -> (Graph, Attentions) {
    let graph = text::parse(&format!("graph \"case\" {{\n{body}\n}}")).unwrap();
    verify(&graph).unwrap();
    let storage = Storage::of(&graph);
    let found = find_attentions(&graph, &storage, &Consumers::of(&graph));
    (graph, found)
}

const PROJECTIONS: &str = "
    input %x: f32[6, 8]
    parameter %wq: f32[8, 8]
    parameter %wk: f32[8, 8]
    parameter %wv: f32[8, 8]
    %q: f32[6, 8] = linear(%x, %wq)
    %k: f32[6, 8] = linear(%x, %wk)
    %v: f32[6, 8] = linear(%x, %wv)
    %kt: f32[8, 6] = permute(%k) {axes = [1, 0]}
    %s: f32[6, 6] = matmul(%q, %kt)
    %p: f32[6, 6] = softmax(%s) {axis = -1}
";

#[test]
fn weights_that_are_also_returned_do_not_hide_the_values() {
    let (_, found) = find(&format!(
        "{PROJECTIONS}
        %shown: f32[36] = reshape(%p) {{shape = [36]}}
        %used: f32[1, 6, 6] = reshape(%p) {{shape = [1, 6, 6]}}
        %c: f32[1, 6, 8] = matmul(%used, %v)
        output %shown
        output %c"
    ));
    assert_eq!((found.sites.len(), found.misses.len()), (1, 0));
}

#[test]
fn masks_of_literals_are_told_apart_where_their_numbers_are_known() {
    let body = PROJECTIONS.replace("%p: f32[6, 6] = softmax(%s)", "");
    let body = body.replace(
        "{axis = -1}",
        "%masked: f32[6, 6] = add(%s, %mask)
        %p: f32[6, 6] = softmax(%masked) {axis = -1}
        %c: f32[6, 8] = matmul(%p, %v)
        output %c",
    );
    let graph = text::parse(&format!("graph \"case\" {{\nconstant %mask: f32[6, 6]\n{body}\n}}")).unwrap();
    verify(&graph).unwrap();
    let (storage, consumers) = (Storage::of(&graph), Consumers::of(&graph));
    let kind = |sees: &dyn Fn(u64, u64) -> bool| {
        let known = |_, at: u64| Some(if sees(at / 6, at % 6) { 0.0 } else { f64::NEG_INFINITY });
        find_attentions_knowing(&graph, &storage, &consumers, &known).sites[0].mask
    };
    assert_eq!(kind(&|row, column| column <= row), MaskKind::Causal);
    assert_eq!(kind(&|row, column| column <= row && row < column + 3), MaskKind::Window(3));
    assert_eq!(kind(&|_, _| true), MaskKind::None);
    assert_eq!(find_attentions(&graph, &storage, &consumers).sites[0].mask, MaskKind::Additive);
}

#[test]
fn a_projection_with_its_addend_first_reads_the_activation() {
    let addmm = PROJECTIONS
        .replace("linear(%x, %wq)", "matmul_add(%bq, %x, %wq) {alpha = 1.0, beta = 1.0}")
        .replace("linear(%x, %wk)", "matmul_add(%bk, %x, %wk) {alpha = 1.0, beta = 1.0}");
    let (_, found) = find(&format!(
        "parameter %bq: f32[8]
        parameter %bk: f32[8]
        {addmm}
        %c: f32[6, 8] = matmul(%p, %v)
        output %c"
    ));
    assert_eq!(found.sites.iter().map(|site| site.kind).collect::<Vec<_>>(), [AttentionKind::SelfAttention]);
}

#[test]
fn a_tuple_hands_on_the_member_that_is_asked_for() {
    let (graph, found) = find(
        "input %x: f32[6, 8]
        input %y: f32[6, 8]
        parameter %wq: f32[8, 8]
        parameter %wk: f32[8, 8]
        %q: f32[6, 8] = linear(%x, %wq)
        %k: f32[6, 8] = linear(%y, %wk)
        %tq: f32[6, 8], %tk: f32[6, 8] = alias(%q, %k)
        %kt: f32[8, 6] = permute(%tk) {axes = [1, 0]}
        %s: f32[6, 6] = matmul(%tq, %kt)
        %p: f32[6, 6] = softmax(%s) {axis = -1}
        %other: f32[6, 8], %tp: f32[6, 6] = alias(%x, %p)
        %c: f32[6, 8] = matmul(%tp, %tk)
        output %c",
    );
    assert_eq!(found.sites.len(), 1);
    let site = &found.sites[0];
    assert_eq!(site.kind, AttentionKind::CrossAttention);
    let names = site.projections.map(|projection| projection.map(|id| graph.node_name(id)));
    assert_eq!(names, [Some("q"), Some("k"), Some("k")]);
}

#[test]
fn a_stream_without_projections_is_not_followed_to_its_source_each_time() {
    // Attentions on a residual stream: following it back from each would take a step for every earlier one.
    use std::fmt::Write;
    let mut body = String::from("input %x0: f32[2, 2]\n");
    for layer in 0..20_000 {
        let next = layer + 1;
        let _ = write!(
            body,
            "%s{layer}: f32[2, 2] = matmul(%x{layer}, %x{layer})
            %p{layer}: f32[2, 2] = softmax(%s{layer}) {{axis = -1}}
            %c{layer}: f32[2, 2] = matmul(%p{layer}, %x{layer})
            %x{next}: f32[2, 2] = add(%x{layer}, %c{layer})
            "
        );
    }
    let (_, found) = find(&format!("{body} output %x20000"));
    assert_eq!(found.sites.len(), 20_000);
    assert!(found.sites.iter().all(|site| site.kind == AttentionKind::SelfAttention));
}
