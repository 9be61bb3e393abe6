//! One row of the table at a time: what a call becomes.

use super::support::{Message, Parts, Set, ints, node, number, read, steps, value, weight};

/// A call of `op` on inputs and literals, and the steps that it must become.
struct Case<'a> {
    op: &'a str,
    opset: i64,
    /// Operands in order: `x: f32[2, 3]` is an input, `w = f32[3, 4]` a weight, `n = 1, 2` integers, `s = #0.5` a
    /// number, nothing an operand that is left out.
    operands: &'a [&'a str],
    settings: &'a [Set<'a>],
    results: usize,
    steps: &'a [&'a str],
}

fn case<'a>(op: &'a str, operands: &'a [&'a str], settings: &'a [Set<'a>], steps: &'a [&'a str]) -> Case<'a> {
    Case { op, opset: 21, operands, settings, results: 1, steps }
}

fn check(case: &Case<'_>) {
    let mut parts = Parts::default();
    let mut names = Vec::new();
    for operand in case.operands {
        if let Some((name, ty)) = operand.split_once(": ") {
            parts.inputs.push(value(name, ty));
            names.push(name);
        } else if let Some((name, given)) = operand.split_once(" = ") {
            let list = |text: &str| -> Vec<i64> {
                text.split(", ").filter(|item| !item.is_empty()).map(|item| item.parse().unwrap()).collect()
            };
            parts.literals.push(match (given.strip_prefix('#'), given.strip_prefix("f32[")) {
                (Some(scalar), _) => number(name, scalar.parse().unwrap()),
                (_, Some(dims)) => weight(name, &list(dims.trim_end_matches(']'))),
                _ => ints(name, &list(given)),
            });
            names.push(name);
        } else {
            names.push(operand);
        }
    }
    let results: Vec<String> = (0..case.results).map(|result| format!("y{result}")).collect();
    let results: Vec<&str> = results.iter().map(String::as_str).collect();
    parts.nodes.push(node(case.op, &names, &results, case.settings));
    // Without a type there is nothing that the inferred one is compared with.
    parts.outputs.extend(results.iter().map(|name| Message::default().text(1, name)));
    let loaded = read(&parts.model(case.opset)).unwrap_or_else(|error| panic!("{}: {error}", case.op));
    assert_eq!(loaded.warnings, [], "{}", case.op);
    assert_eq!(steps(&loaded), case.steps, "{}", case.op);
}

#[test]
fn products() {
    let (a, b) = ("a: f32[5, 3]", "b: f32[3, 4]");
    check(&case("MatMul", &["a: f32[2, 5, 3]", "w = f32[3, 4]"], &[], &["f32[2, 5, 4] = matmul(%a, %w)"]));
    check(&case(
        "Gemm",
        &[a, "w = f32[4, 3]", "c = f32[4]"],
        &[Set::Int("transB", 1)],
        &["f32[5, 4] = linear(%a, %w, %c)"],
    ));
    check(&case("Gemm", &[a, b], &[], &["f32[5, 4] = matmul(%a, %b)"]));
    check(&case(
        "Gemm",
        &["a: f32[3, 5]", b, "c = f32[4]"],
        &[Set::Int("transA", 1), Set::Float("beta", 0.5)],
        &[
            "f32[5, 3] = permute(%a) {axes = [1, 0]}",
            "f32[5, 4] = matmul_add(%c, %\"Gemm:y0.0\", %b) {alpha = 1.0, beta = 0.5}",
        ],
    ));
    check(&case(
        "Einsum",
        &["a: f32[2, 7, 5, 3]", "b: f32[3, 4]"],
        &[Set::Text("equation", "...ik, kj")],
        &["f32[2, 7, 5, 4] = einsum(%a, %b) {equation = \"ABik,kj->ABij\"}"],
    ));
    check(&case(
        "MatMulInteger",
        &["a: u8[5, 3]", "b: i8[3, 4]"],
        &[],
        &["i32[5, 4] = quantized_matmul(%a, %b) {dtype = \"i32\"}"],
    ));
}

#[test]
fn convolutions_and_pools() {
    let operands = ["x: f32[1, 3, 9, 9]", "w = f32[4, 3, 3, 3]"];
    let plain = "{stride = [2, 2], padding = [1, 1], dilation = [1, 1], groups = 1}";
    check(&case(
        "Conv",
        &operands,
        &[Set::Ints("strides", &[2, 2]), Set::Ints("pads", &[1, 1, 1, 1])],
        &[&format!("f32[1, 4, 5, 5] = conv(%x, %w) {plain}")],
    ));
    check(&case(
        "Conv",
        &["x: f32[1, 3, 8, 8]", "w = f32[4, 3, 3, 3]"],
        &[Set::Ints("strides", &[2, 2]), Set::Text("auto_pad", "SAME_UPPER")],
        &[
            "f32[1, 3, 9, 9] = pad(%x) {pads = [0, 0, 0, 0, 0, 1, 0, 1], value = 0.0}",
            "f32[1, 4, 4, 4] = conv(%\"Conv:y0.0\", %w) {stride = [2, 2], padding = [0, 0], dilation = [1, 1], groups = 1}",
        ],
    ));
    check(&case(
        "GlobalAveragePool",
        &["x: f32[1, 3, 9, 9]"],
        &[],
        &["f32[1, 3, 1, 1] = mean(%x) {axes = [2, 3], keep = true}"],
    ));
    check(&case(
        "Resize",
        &["x: f32[1, 3, 9, 9]", "", "", "n = 1, 3, 18, 18"],
        &[Set::Text("mode", "linear")],
        &["f32[1, 3, 18, 18] = resize(%x) {taps = 2, output = [18, 18]}"],
    ));
}

#[test]
fn views() {
    let x = "x: f32[2, 6, 4]";
    check(&case("Reshape", &[x, "n = 0, -1"], &[], &["f32[2, 24] = reshape(%x) {shape = [2, 24]}"]));
    check(&case("Transpose", &[x], &[], &["f32[4, 6, 2] = permute(%x) {axes = [2, 1, 0]}"]));
    check(&case(
        "Slice",
        &[x, "s = 1", "e = 9223372036854775807", "a = -2", "t = 2"],
        &[],
        &["f32[2, 3, 4] = slice(%x) {axis = 1, start = 1, length = 3, step = 2}"],
    ));
    check(&Case {
        opset: 9,
        ..case(
            "Slice",
            &[x],
            &[Set::Ints("starts", &[0]), Set::Ints("ends", &[1])],
            &["f32[1, 6, 4] = slice(%x) {axis = 0, start = 0, length = 1, step = 1}"],
        )
    });
    check(&Case {
        results: 2,
        ..case(
            "Split",
            &[x],
            &[Set::Int("axis", 1)],
            &["f32[2, 3, 4], %y1: f32[2, 3, 4] = split(%x) {axis = 1, sizes = [3, 3]}"],
        )
    });
    check(&case(
        "Gather",
        &[x, "i: i64[3]"],
        &[Set::Int("axis", 1)],
        &["f32[2, 3, 4] = index_select(%x, %i) {axis = 1}"],
    ));
    check(&case("Gather", &["w = f32[9, 4]", "i: i64[2, 3]"], &[], &["f32[2, 3, 4] = embedding(%i, %w)"]));
    check(&Case {
        opset: 11,
        ..case(
            "Squeeze",
            &["x: f32[2, 1, 4]"],
            &[Set::Ints("axes", &[1])],
            &["f32[2, 4] = reshape(%x) {shape = [2, 4]}"],
        )
    });
    check(&case("Expand", &["x: f32[2, 1]", "n = 3, 1, 5"], &[], &["f32[3, 2, 5] = expand(%x) {shape = [3, 2, 5]}"]));
}

#[test]
fn pointwise() {
    let x = "x: f32[2, 4]";
    check(&case("Gelu", &[x], &[Set::Text("approximate", "tanh")], &["f32[2, 4] = gelu_tanh(%x)"]));
    check(&case("Mul", &["s = #0.5", x], &[], &["f32[2, 4] = mul(%x) {scalar = 0.5, reversed = true}"]));
    check(&case("Add", &[x, "b = f32[4]"], &[], &["f32[2, 4] = add(%x, %b)"]));
    check(&case("Clip", &[x, "a = #0", "b = #6"], &[], &["f32[2, 4] = relu6(%x)"]));
    check(&case("Swish", &[x], &[], &["f32[2, 4] = silu(%x)"]));
    check(&case("Dropout", &[x], &[], &[]));
    check(&case("Div", &["x: i64[4]", "y: i64[4]"], &[], &["i64[4] = floor_div(%x, %y)"]));
    check(&case(
        "Sum",
        &[x, "y: f32[4]", "z: f32[1]"],
        &[],
        &["f32[2, 4] = add(%x, %y)", "f32[2, 4] = add(%\"Sum:y0.0\", %z)"],
    ));
}

#[test]
fn norms_and_folds() {
    let x = "x: f32[2, 3, 4]";
    check(&case(
        "LayerNormalization",
        &[x, "w = f32[4]", "b = f32[4]"],
        &[],
        &["f32[2, 3, 4] = layer_norm(%x, %w, %b) {axes = 1, epsilon = 1e-5}"],
    ));
    check(&case(
        "LayerNormalization",
        &[x, "w = f32[3, 4]"],
        &[Set::Int("axis", 1)],
        &["f32[2, 3, 4] = layer_norm(%x, %w) {axes = 2, epsilon = 1e-5}"],
    ));
    check(&Case {
        opset: 23,
        ..case(
            "RMSNormalization",
            &[x, "w = f32[4]"],
            &[Set::Float("epsilon", 1e-6)],
            &["f32[2, 3, 4] = rms_norm(%x, %w) {axes = 1, epsilon = 1e-6}"],
        )
    });
    check(&case("Softmax", &[x], &[], &["f32[2, 3, 4] = softmax(%x) {axis = -1}"]));
    check(&Case {
        opset: 11,
        ..case(
            "Softmax",
            &[x],
            &[],
            &[
                "f32[2, 12] = reshape(%x) {shape = [2, 12]}",
                "f32[2, 12] = softmax(%\"Softmax:y0.0\") {axis = -1}",
                "f32[2, 3, 4] = reshape(%\"Softmax:y0.1\") {shape = [2, 3, 4]}",
            ],
        )
    });
    check(&Case {
        opset: 17,
        ..case("ReduceMean", &[x], &[Set::Ints("axes", &[-1])], &["f32[2, 3, 1] = mean(%x) {axes = [-1], keep = true}"])
    });
    check(&case("ReduceSum", &[x, "a = 1"], &[Set::Int("keepdims", 0)], &["f32[2, 4] = sum(%x) {axes = [1]}"]));
}

#[test]
fn attention() {
    let core = "scaled_dot_product_attention";
    check(&Case {
        opset: 23,
        ..case(
            "Attention",
            &["q: f32[1, 8, 5, 16]", "k: f32[1, 2, 7, 16]", "v: f32[1, 2, 7, 16]", "m: bool[5, 7]"],
            &[Set::Float("scale", 0.5)],
            &[&format!("f32[1, 8, 5, 16] = {core}(%q, %k, %v, %m) {{scale = 0.5}}")],
        )
    });
    // Three axes: heads apart, and side by side again. A cache stands before the new keys.
    check(&Case {
        opset: 23,
        results: 3,
        ..case(
            "Attention",
            &[
                "q: f32[1, 5, 32]",
                "k: f32[1, 5, 32]",
                "v: f32[1, 5, 32]",
                "",
                "pk: f32[1, 2, 3, 16]",
                "pv: f32[1, 2, 3, 16]",
            ],
            &[Set::Int("q_num_heads", 2), Set::Int("kv_num_heads", 2), Set::Int("is_causal", 1)],
            &[
                "f32[1, 5, 2, 16] = reshape(%q) {shape = [1, 5, 2, 16]}",
                "f32[1, 2, 5, 16] = permute(%\"Attention:y0.0\") {axes = [0, 2, 1, 3]}",
                "f32[1, 5, 2, 16] = reshape(%k) {shape = [1, 5, 2, 16]}",
                "f32[1, 2, 5, 16] = permute(%\"Attention:y0.2\") {axes = [0, 2, 1, 3]}",
                "f32[1, 5, 2, 16] = reshape(%v) {shape = [1, 5, 2, 16]}",
                "f32[1, 2, 5, 16] = permute(%\"Attention:y0.4\") {axes = [0, 2, 1, 3]}",
                "f32[1, 2, 8, 16] = concat(%pk, %\"Attention:y0.3\") {axis = 2}",
                "f32[1, 2, 8, 16] = concat(%pv, %\"Attention:y0.5\") {axis = 2}",
                &format!("f32[1, 2, 5, 16] = {core}(%\"Attention:y0.1\", %y1, %y2) {{causal = true, offset = 3}}"),
                "f32[1, 5, 2, 16] = permute(%\"Attention:y0.8\") {axes = [0, 2, 1, 3]}",
                "f32[1, 5, 32] = reshape(%\"Attention:y0.9\") {shape = [1, 5, 32]}",
            ],
        )
    });
    check(&Case {
        opset: 23,
        ..case(
            "RotaryEmbedding",
            &["x: f32[1, 2, 5, 16]", "c = f32[9, 8]", "s = f32[9, 8]", "p: i64[1, 5]"],
            &[],
            &[
                "f32[1, 5, 8] = embedding(%p, %c)",
                "f32[1, 1, 5, 8] = reshape(%\"RotaryEmbedding:y0.0\") {shape = [1, 1, 5, 8]}",
                "f32[1, 5, 8] = embedding(%p, %s)",
                "f32[1, 1, 5, 8] = reshape(%\"RotaryEmbedding:y0.2\") {shape = [1, 1, 5, 8]}",
                "f32[1, 2, 5, 16] = rotary(%x, %\"RotaryEmbedding:y0.1\", %\"RotaryEmbedding:y0.3\") {width = 16}",
            ],
        )
    });
}
