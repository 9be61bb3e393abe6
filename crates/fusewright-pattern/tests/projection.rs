//! One linear layer, in every spelling, is one projection with one input.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_ir::{Storage, text, verify};
use fusewright_pattern::{Projection, projection_of};

/// The projection that node `%y` is, and the name of its input.
fn projection(body: &str) -> Option<(Projection, String)> {
    let graph = text::parse(&format!("graph \"case\" {{\ninput %x: f32[2, 5, 8]\n{body}\noutput %y\n}}")).unwrap();
    verify(&graph).unwrap();
    let node = graph.nodes().find(|&(id, _)| graph.node_name(id) == "y").unwrap().0;
    let found = projection_of(&graph, &Storage::of(&graph), node)?;
    let input = graph.value_name(found.input).to_owned();
    Some((found, input))
}

#[test]
fn spellings_agree_on_the_input_and_on_how_the_weight_is_stored() {
    let rows = "%rows: f32[10, 8] = reshape(%x) {shape = [10, 8]}";
    let turned = "%wt: f32[8, 6] = permute(%w) {axes = [1, 0]}";
    let cases = [
        ("parameter %w: f32[6, 8]\n%y: f32[2, 5, 6] = linear(%x, %w)".to_owned(), true),
        (format!("parameter %w: f32[6, 8]\n{turned}\n%y: f32[2, 5, 6] = matmul(%x, %wt)"), true),
        (format!("parameter %w: f32[6, 8]\n{rows}\n{turned}\n%y: f32[10, 6] = matmul(%rows, %wt)"), true),
        (
            format!(
                "parameter %w: f32[6, 8]\nparameter %b: f32[6]\n{rows}\n{turned}\n\
                 %y: f32[10, 6] = matmul_add(%b, %rows, %wt) {{alpha = 1.0, beta = 1.0}}"
            ),
            true,
        ),
        (
            format!(
                "parameter %w: f32[6, 8]\n{turned}\n%each: f32[2, 8, 6] = expand(%wt) {{shape = [2, 8, 6]}}\n\
                 %y: f32[2, 5, 6] = matmul(%x, %each)"
            ),
            true,
        ),
        ("constant %w: f32[8, 6]\n%y: f32[2, 5, 6] = matmul(%x, %w)".to_owned(), false),
        (
            "parameter %h: f16[8, 6]\n%w: f32[8, 6] = cast(%h) {dtype = \"f32\"}\n%y: f32[2, 5, 6] = matmul(%x, %w)"
                .to_owned(),
            false,
        ),
    ];
    for (body, out_first) in cases {
        let (found, input) = projection(&body).unwrap();
        assert_eq!((input.as_str(), found.out_first), ("x", out_first), "{body}");
    }
}

#[test]
fn a_product_of_activations_is_none() {
    let cases = [
        "input %z: f32[8, 6]\n%y: f32[2, 5, 6] = matmul(%x, %z)",
        "parameter %w: f32[2, 8, 6]\n%y: f32[2, 5, 6] = matmul(%x, %w)",
        "parameter %w: f32[6, 8]\ninput %g: f32[6, 1]\n%h: f32[6, 8] = mul(%w, %g)\n%y: f32[2, 5, 6] = linear(%x, %h)",
    ];
    for body in cases {
        assert_eq!(projection(body), None, "{body}");
    }
}
