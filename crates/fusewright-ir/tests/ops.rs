//! Every op family: its shape rule through the verifier, its work, and what it refuses.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_ir::{Storage, Work, text, total_work, verify};

fn graph(body: &str) -> fusewright_ir::Graph {
    text::parse(&format!("graph \"case\" {{\n{body}\n}}")).unwrap()
}

/// A node with its operands, the multiply-accumulates and the other FLOPs that it must count.
const WORK: &[(&str, u64, u64)] = &[
    (
        "input %x: f32[2, 3, 4]\nparameter %w: f32[5, 4]\nparameter %b: f32[5]\n%y: f32[2, 3, 5] = linear(%x, %w, %b)",
        120,
        30,
    ),
    ("input %x: f32[2, 3, 4]\nparameter %w: f32[5, 4]\n%y: f32[2, 3, 5] = linear(%x, %w)", 120, 0),
    ("input %a: f32[2, 1, 3, 4]\ninput %b: f32[5, 4, 6]\n%y: f32[2, 5, 3, 6] = matmul(%a, %b)", 720, 0),
    ("input %a: f32[4]\ninput %b: f32[4]\n%y: f32[] = matmul(%a, %b)", 4, 0),
    ("input %a: f32[3, 4]\ninput %b: f32[4]\n%y: f32[3] = matmul(%a, %b)", 12, 0),
    ("input %a: f32[4]\ninput %b: f32[2, 4, 5]\n%y: f32[2, 5] = matmul(%a, %b)", 40, 0),
    (
        "input %c: f32[6]\ninput %a: f32[3, 4]\ninput %b: f32[4, 6]\n%y: f32[3, 6] = matmul_add(%c, %a, %b) {alpha = 1.0, beta = 1.0}",
        72,
        18,
    ),
    (
        "input %a: f32[2, 3, 4]\ninput %b: f32[2, 5, 4]\n%y: f32[2, 3, 5] = einsum(%a, %b) {equation = \"bqd,bkd->bqk\"}",
        120,
        0,
    ),
    (
        "input %x: f32[1, 4, 8, 8]\nparameter %w: f32[6, 2, 3, 3]\nparameter %b: f32[6]\n%y: f32[1, 6, 4, 4] = conv(%x, %w, %b) {stride = [2, 2], padding = [1, 1], dilation = [1, 1], groups = 2}",
        1728,
        96,
    ),
    (
        "input %x: f32[4, 9]\nparameter %w: f32[6, 4, 3]\n%y: f32[6, 5] = conv(%x, %w) {stride = [1], padding = [0], dilation = [2], groups = 1}",
        360,
        0,
    ),
    (
        "input %x: f32[1, 4, 5]\nparameter %w: f32[3, 4, 3]\n%y: f32[1, 3, 5] = conv(%x, %w) {stride = [1], padding = \"same\", dilation = [1], groups = 1}",
        180,
        0,
    ),
    (
        "input %x: f32[1, 4, 5, 5]\nparameter %w: f32[4, 6, 3, 3]\n%y: f32[1, 6, 11, 11] = conv_transpose(%x, %w) {stride = [2, 2], padding = [0, 0], dilation = [1, 1], groups = 1, output_padding = [0, 0]}",
        5400,
        0,
    ),
    (
        "input %x: f32[1, 2, 6, 6]\n%y: f32[1, 2, 3, 3] = max_pool(%x) {kernel = [2, 2], stride = [2, 2], padding = [0, 0], dilation = [1, 1]}",
        0,
        72,
    ),
    (
        "input %x: f32[1, 2, 7]\n%y: f32[1, 2, 4] = avg_pool(%x) {kernel = [2], stride = [2], padding = [0], dilation = [1], ceil = true}",
        0,
        16,
    ),
    ("input %x: f32[1, 2, 6, 6]\n%y: f32[1, 2, 1, 1] = adaptive_avg_pool(%x) {output = [1, 1]}", 0, 72),
    ("input %x: f32[2, 3]\nparameter %w: f32[3]\n%y: f32[2, 3] = layer_norm(%x, %w) {axes = 1, epsilon = 1e-5}", 0, 42),
    ("input %x: f32[2, 3]\n%y: f32[2, 3] = rms_norm(%x) {axes = 1, epsilon = 1e-5}", 0, 24),
    ("input %x: f32[2, 3]\nparameter %w: f32[3]\n%y: f32[2, 3] = batch_norm(%x, %w) {epsilon = 1e-5}", 0, 12),
    ("input %x: f32[2, 4, 3]\n%y: f32[2, 4, 3] = group_norm(%x) {groups = 2, epsilon = 1e-5}", 0, 168),
    ("input %x: f32[2, 3]\n%y: f32[2, 3] = softmax(%x) {axis = -1}", 0, 30),
    ("input %x: f32[2, 3]\n%y: f32[2, 3] = gelu(%x)", 0, 30),
    ("input %x: f32[2, 3]\n%y: f32[2, 3] = gelu_tanh(%x)", 0, 48),
    ("input %x: f32[2, 3]\n%y: f32[2, 3] = silu(%x)", 0, 30),
    ("input %x: f32[2, 3]\n%y: f32[2, 3] = relu(%x)", 0, 6),
    ("input %x: f32[2, 1]\ninput %z: f32[3]\n%y: f32[2, 3] = add(%x, %z)", 0, 6),
    ("input %x: f32[2, 3]\n%y: bool[2, 3] = gt(%x) {scalar = 0.0}", 0, 6),
    ("input %x: i64[2, 3]\n%y: f32[2, 3] = div(%x) {scalar = 2.0}", 0, 6),
    ("input %x: f32[2, 3]\n%y: f32[2, 3] = clamp(%x) {min = 0.0, max = 6.0}", 0, 12),
    ("input %x: f32[2, 3]\ninput %m: bool[3]\n%y: f32[2, 3] = masked_fill(%x, %m) {value = -inf}", 0, 6),
    ("input %m: bool[3]\ninput %a: f32[2, 3]\ninput %b: f32[]\n%y: f32[2, 3] = where(%m, %a, %b)", 0, 6),
    ("input %x: f32[2, 3]\n%y: f32[2, 3] = dropout(%x) {p = 0.5, training = true}", 0, 12),
    ("input %x: f32[2, 3]\n%y: f32[2, 3] = dropout(%x) {p = 0.5}", 0, 0),
    ("input %x: f32[2, 3]\n%y: f32[2, 3] = dropout(%x) {p = 0.0, training = true}", 0, 0),
    ("input %x: f32[2, 3]\n%y: f32[2] = mean(%x) {axes = [-1]}", 0, 6),
    ("input %x: f32[2, 3]\n%y: f32[1, 1] = sum(%x) {axes = [], keep = true}", 0, 6),
    ("input %x: f32[2, 3]\n%y: i64[2] = argmax(%x) {axes = [1]}", 0, 6),
    ("input %x: bool[2, 3]\n%y: i64[2, 3] = cumsum(%x) {axis = 1}", 0, 6),
    ("input %i: i64[2, 3]\nparameter %t: f32[50, 8]\n%y: f32[2, 3, 8] = embedding(%i, %t)", 0, 0),
    (
        "input %q: f32[2, 8, 3, 4]\ninput %k: f32[2, 2, 5, 4]\ninput %v: f32[2, 2, 5, 6]\n%y: f32[2, 8, 3, 6] = scaled_dot_product_attention(%q, %k, %v)",
        2400,
        1440,
    ),
    (
        "input %x: f32[6, 4]\nparameter %w: f32[3, 4, 5]\ninput %o: i32[3]\n%y: f32[6, 5] = grouped_matmul(%x, %w, %o)",
        120,
        0,
    ),
    ("input %a: u8[2, 4]\nparameter %b: i8[4, 3]\n%y: i32[2, 3] = quantized_matmul(%a, %b) {dtype = \"i32\"}", 24, 0),
    (
        "input %x: f16[2, 32]\nparameter %w: u8[8, 1, 16]\nparameter %s: f16[8]\n%y: f16[2, 8] = packed_linear(%x, %w, %s) {out = 8}",
        512,
        0,
    ),
    (
        "input %q: f32[1, 4, 2, 8]\ninput %k: f32[1, 2, 5, 8]\ninput %v: f32[1, 2, 5, 6]\ninput %m: bool[2, 5]\nparameter %s: f32[4]\n%y: f32[1, 4, 2, 6] = scaled_dot_product_attention(%q, %k, %v, %m, %s) {causal = true, offset = 3, window = 4, softcap = 50.0, sinks = true}",
        560,
        400,
    ),
    (
        "input %x: f32[2, 4, 5, 3]\ninput %i: i64[2, 1]\ninput %j: i64[6]\n%y: f32[2, 2, 6, 3] = gather_indexed(%x, %i, %j) {axes = [1, 2]}",
        0,
        0,
    ),
    ("input %x: f32[2, 4, 5]\ninput %i: i64[7]\n%y: f32[7, 4] = gather_indexed(%x, %i, %i) {axes = [0, 2]}", 0, 0),
    ("input %x: f32[2, 4, 5]\ninput %i: i64[2, 6, 1]\n%y: f32[2, 6, 5] = gather_nd(%x, %i) {batch = 1}", 0, 0),
    (
        "input %x: f32[2, 8]\ninput %v: f32[2, 3]\n%y: f32[2, 8] = write(%x, %v) {view = \"slice\", axis = 1, start = 2, length = 3, step = 1}",
        0,
        0,
    ),
    (
        "input %x: f32[2, 8]\ninput %v: f32[2, 3]\ninput %i: i64[3]\n%y: f32[2, 8] = scatter_slices(%x, %v, %i) {axis = 1}",
        0,
        0,
    ),
    ("input %x: f32[2, 8]\n%v: f32[2, 3], %i: i64[2, 3] = topk(%x) {k = 3, axis = -1}", 0, 16),
    ("input %x: f32[2, 8]\n%v: f32[2], %i: i64[2] = extreme(%x) {largest = true, axis = 1}", 0, 16),
    ("input %x: f32[1, 2, 4, 4]\n%y: f32[1, 2, 8, 8] = resize(%x) {taps = 2, output = [8, 8]}", 0, 1024),
    ("input %x: f32[2, 3, 8]\ninput %c: f32[3, 2]\n%y: f32[2, 3, 8] = rotary(%x, %c, %c) {width = 4}", 0, 144),
    ("input %x: bool[5, 5]\n%y: bool[5, 5] = triangle(%x) {diagonal = 0}", 0, 0),
    ("input %x: f32[2, 3]\ninput %m: bool[3]\n%y: f32[2, 3] = masked_keep(%x, %m) {value = 0.0}", 0, 6),
    ("input %x: i64[2, 3]\n%y: f32[2, 3] = sqrt(%x)", 0, 6),
    ("input %x: i64[2, 3]\ninput %z: i32[3]\n%y: f32[2, 3] = div(%x, %z)", 0, 6),
    ("input %x: u8[3]\ninput %z: i8[3]\n%y: i16[3] = add(%x, %z)", 0, 3),
    ("input %x: f32[4, 2]\ninput %z: f32[4, 2]\n%y: c64[4, 2] = polar(%x, %z)", 0, 32),
    ("input %x: i64[3]\n%y: i64[3] = fmod(%x) {scalar = 2.0}", 0, 3),
    ("input %x: f32[2, 8]\n%v: f32[2, 1], %m: f32[2, 1] = var_mean(%x) {axes = [-1], keep = true}", 0, 64),
    ("input %x: f32[2, 8]\n%y: f32[5] = histogram(%x) {bins = 5}", 0, 32),
    ("input %x: f32[2, 8]\n%y: f32[2, 8] = flip(%x) {axes = [-1]}", 0, 0),
    ("%y: f32[4] = steps() {start = 0.5, step = 0.25, length = 4, dtype = \"f32\"}", 0, 0),
    ("input %x: f32[3, 4, 2]\n%y: c64[3, 4] = reinterpret(%x) {dtype = \"c64\", shape = [3, 4]}", 0, 0),
    ("input %x: f32[2, 8]\ninput %v: f32[5]\ninput %m: bool[2, 8]\n%y: f32[2, 8] = scatter_masked(%x, %v, %m)", 0, 0),
];

#[test]
fn ops_infer_their_shapes_and_count_their_work() {
    for &(body, macs, other_flops) in WORK {
        let graph = graph(body);
        verify(&graph).unwrap_or_else(|error| panic!("{body}\n{error}"));
        assert_eq!(total_work(&graph), Work::new(macs, other_flops), "{body}");
        let printed = text::print(&graph);
        assert_eq!(text::print(&text::parse(&printed).unwrap()), printed);
    }
}

/// Graphs that the verifier must refuse, and a part of what it must say.
const REFUSED: &[(&str, &str)] = &[
    ("input %x: f32[2, 3]\nparameter %w: f32[5, 4]\n%y: f32[2, 5] = linear(%x, %w)", "the weight takes 4"),
    ("input %x: f32[2, 3]\n%y: f32[2, 4] = relu(%x)", "gives f32[2, 3], the graph says f32[2, 4]"),
    ("input %x: f32[2, 3]\n%y: f32[6, 2] = reshape(%x) {shape = [6, 2]}", "differ in elements"),
    ("input %x: f32[2, 3]\n%y: f32[3, 2] = permute(%x) {axes = [1, 1]}", "permutation"),
    ("input %x: f32[2, 3]\n%y: f32[2, 9] = expand(%x) {shape = [2, 9]}", "does not broadcast"),
    ("input %x: f32[2, 3]\n%y: f32[2, 2] = slice(%x) {axis = 1, start = 2, length = 2, step = 1}", "leaves an axis"),
    ("input %x: f32[2, 3]\n%y: f32[2, 1], %z: f32[2, 1] = split(%x) {axis = 1, sizes = [1, 1]}", "add up to 3"),
    ("input %x: f32[281474976710657]\n%y: f32[281474976710657] = relu(%x)", "2^48"),
    (
        "input %a: f32[16777216, 16777216]\ninput %b: f32[16777216, 16777216]\n%y: f32[16777216, 16777216] = matmul(%a, %b)",
        "2^62",
    ),
    ("input %x: f32[2, 3; 1]\n%y: f32[2, 3] = relu(%x)", "one entry per axis"),
    ("parameter %w: f32[6, 2]\npart %p = %w from 5: f32[2, 2]", "outside the parameter"),
    (
        "input %x: f32[1, 4, 2, 2]\nparameter %w: f32[6, 4, 3, 3]\n%y: f32[1, 6, 1, 1] = conv(%x, %w) {stride = [1, 1], padding = [0, 0], dilation = [1, 1], groups = 1}",
        "smaller than the kernel",
    ),
    ("input %x: f32[2, 8]\n%v: f32[2, 9], %i: i64[2, 9] = topk(%x) {k = 9, axis = -1}", "9 of 8"),
    (
        "input %x: f32[2, 8]\ninput %v: f32[2, 2]\n%y: f32[2, 8] = write(%x, %v) {view = \"slice\", axis = 1, start = 2, length = 3, step = 1}",
        "expected [2, 3]",
    ),
    ("input %x: f32[2, 8]\n%y: f32[2, 8] = flip(%x) {axes = [2]}", "outside a tensor of rank 2"),
    ("input %x: f32[3, 3]\n%y: c64[3] = reinterpret(%x) {dtype = \"c64\", shape = [3]}", "36 bytes as 24"),
    ("input %x: i64[3]\n%y: c64[3] = polar(%x, %x)", "polar takes f32 or f64, not i64"),
    (
        "input %x: f32[8]\ninput %v: f32[5]\ninput %m: bool[2, 8]\n%y: f32[8] = scatter_masked(%x, %v, %m)",
        "must broadcast to x",
    ),
    ("input %x: f32[2, 8]\ninput %i: i64[4, 3]\n%y: f32[4] = gather_nd(%x, %i)  {batch = 0}", "does not address"),
    (
        "input %x: f32[2, 3, 8]\ninput %c: f32[3, 3]\n%y: f32[2, 3, 8] = rotary(%x, %c, %c) {width = 4}",
        "does not broadcast",
    ),
];

#[test]
fn the_verifier_refuses_what_ops_do_not_accept() {
    for &(body, part) in REFUSED {
        let error = verify(&graph(body)).expect_err(body).to_string();
        assert!(error.contains(part), "{body}\nsays: {error}");
    }
}

#[test]
fn the_text_form_names_the_line_of_a_mistake() {
    for (body, part) in [
        ("%y: f32[2] = relu(%x)", "line 2: `%x` is not defined above"),
        ("input %x: f33[2]", "`f33` is not a dtype"),
        ("input %x: f32[2]\n%y: f32[2] = rleu(%x)", "line 3: `rleu` is not an op"),
        ("input %x: f32[2]\n%y: f32[2] = softmax(%x)", "attribute `axis` is missing"),
        ("input %x: f32[2]\n%y: f32[2] = softmax(%x) {axis = 0, beta = 1}", "attribute `beta` is not known"),
        ("input %x: f32[2]\ninput %x: f32[2]", "defined twice"),
    ] {
        let error = text::parse(&format!("graph \"case\" {{\n{body}\n}}")).expect_err(body).to_string();
        assert!(error.contains(part), "{body}\nsays: {error}");
    }
}

/// A chain of views on `%x` and which of its nodes launch nothing.
const STORAGE: &[(&str, &[bool])] = &[
    (
        "%a: f32[2, 3, 2, 4] = reshape(%x) {shape = [2, 3, 2, 4]}\n%b: f32[2, 2, 3, 4] = permute(%a) {axes = [0, 2, 1, 3]}\n%c: f32[4, 3, 4] = reshape(%b) {shape = [4, 3, 4]}",
        &[true, true, false],
    ),
    (
        "%a: f32[2, 8, 3] = permute(%x) {axes = [0, 2, 1]}\n%b: f32[2, 8, 3] = contiguous(%a)\n%c: f32[2, 8, 3] = contiguous(%b)",
        &[true, false, true],
    ),
    (
        "%a: f32[2, 8, 3] = permute(%x) {axes = [0, 2, 1]}\n%b: f32[2, 8, 3] = gelu(%a)\n%c: f32[2, 3, 8] = permute(%b) {axes = [0, 2, 1]}\n%d: f32[48] = reshape(%c) {shape = [48]}",
        &[true, false, true, true],
    ),
    (
        "%a: f32[2, 3, 4] = slice(%x) {axis = 2, start = 0, length = 4, step = 1}\n%b: f32[24] = reshape(%a) {shape = [24]}",
        &[true, false],
    ),
    ("%a: f32[3, 8] = select(%x) {axis = 0, index = 1}\n%b: f32[24] = reshape(%a) {shape = [24]}", &[true, true]),
    ("%a: f32[2, 3, 8] = cast(%x) {dtype = \"f32\"}\n%b: f16[2, 3, 8] = cast(%a) {dtype = \"f16\"}", &[true, false]),
    (
        "%a: c64[2, 3, 4] = reinterpret(%x) {dtype = \"c64\", shape = [2, 3, 4]}\n%b: f32[2, 8, 3] = permute(%x) {axes = [0, 2, 1]}\n%c: i32[2, 8, 3] = reinterpret(%b) {dtype = \"i32\", shape = [2, 8, 3]}",
        &[true, true, false],
    ),
    (
        "%a: f32[2, 3, 8] = dropout(%x) {p = 0.1}\n%b: f32[2, 3, 8] = dropout(%x) {p = 0.1, training = true}",
        &[true, false],
    ),
];

#[test]
fn storage_knows_which_views_copy() {
    for &(body, free) in STORAGE {
        let graph = graph(&format!("input %x: f32[2, 3, 8]\n{body}"));
        verify(&graph).unwrap();
        let storage = Storage::of(&graph);
        let found: Vec<bool> = graph.nodes().map(|(id, _)| storage.is_free(id)).collect();
        assert_eq!(found, free, "{body}");
    }
}
