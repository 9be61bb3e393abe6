//! The operators of `com.microsoft`: the work that they stand for, and the types that they give.

use std::collections::BTreeMap;

use fusewright_ir::ops::{Attention, ScaledDotProduct};
use fusewright_ir::{Loaded, Op, Origin, TensorType, text, total_work};

use super::captures::load;
use super::support::{Message, Parts, Set, ints, node, read, steps, value};

/// Reads one call. Operands in order: `x: f32[2, 3]` is an input, `w = f32[3, 4]` a weight, `n = 1, 2` integers, nothing
/// an operand that is left out. Results without a name are not asked for.
fn call(op: &str, operands: &[&str], settings: &[Set<'_>], results: &[&str]) -> Loaded {
    let mut parts = Parts::default();
    let mut names = Vec::new();
    for operand in operands {
        let list = |text: &str| -> Vec<i64> { text.split(", ").map(|item| item.parse().unwrap()).collect() };
        if let Some((name, ty)) = operand.split_once(": ") {
            parts.inputs.push(value(name, ty));
            names.push(name);
        } else if let Some((name, given)) = operand.split_once(" = ") {
            parts.literals.push(match given.trim_end_matches(']').split_once('[') {
                Some((dtype, dims)) => {
                    let code = match dtype {
                        "f32" => 1,
                        "u8" => 2,
                        "i8" => 3,
                        "i32" => 6,
                        other => panic!("{other}"),
                    };
                    let dims = if dims.is_empty() { Vec::new() } else { list(dims) };
                    dims.iter().fold(Message::default().text(8, name).int(2, code), |tensor, &dim| tensor.int(1, dim))
                }
                None => ints(name, &list(given)),
            });
            names.push(name);
        } else {
            names.push(operand);
        }
    }
    let op = if op.contains("::") { op.to_owned() } else { format!("com.microsoft::{op}") };
    parts.nodes.push(node(op.trim_start_matches("::"), &names, results, settings));
    let given = results.iter().filter(|name| !name.is_empty());
    parts.outputs.extend(given.map(|name| Message::default().text(1, name)));
    read(&parts.model(21)).unwrap_or_else(|error| panic!("{op}: {error}"))
}

/// What a call must amount to.
struct Expected<'a> {
    flops: u64,
    attentions: usize,
    results: &'a [&'a str],
}

fn check(op: &str, operands: &[&str], settings: &[Set<'_>], results: &[&str], expected: &Expected<'_>) -> Loaded {
    let loaded = call(op, operands, settings, results);
    assert_eq!(loaded.warnings, [], "{op} {operands:?}");
    assert_eq!(total_work(&loaded.graph).contraction_flops(), expected.flops, "{op} {operands:?}");
    assert_eq!(cores(&loaded).len(), expected.attentions, "{op} {operands:?}");
    assert_eq!(types(&loaded), expected.results, "{op} {operands:?}");
    loaded
}

fn types(loaded: &Loaded) -> Vec<String> {
    loaded.graph.outputs().iter().map(|&value| text::type_text(&loaded.graph.value(value).ty)).collect()
}

fn cores(loaded: &Loaded) -> Vec<ScaledDotProduct> {
    let cores = loaded.graph.nodes().filter_map(|(_, node)| match &node.op {
        Op::Attention(Attention::ScaledDotProduct(core)) => Some(core.clone()),
        _ => None,
    });
    cores.collect()
}

fn parameters(loaded: &Loaded) -> u64 {
    let own = loaded.graph.values().filter(|(_, value)| value.origin == Origin::Parameter);
    own.filter_map(|(_, value)| value.ty.as_tensor()).map(TensorType::elements).sum()
}

/// Work of `batch · heads` heads of equal widths.
fn scores(batch: u64, heads: u64, queries: u64, keys: u64, width: u64) -> u64 {
    4 * batch * heads * queries * keys * width
}

const HEADS: Set<'static> = Set::Int("num_heads", 4);

#[test]
fn attention_with_merged_projections() {
    let (x, w, b) = ("x: f32[2, 5, 16]", "w = f32[16, 48]", "b = f32[48]");
    let projections = 2 * 2 * 5 * 16 * 48;
    let flops = projections + scores(2, 4, 5, 5, 4);
    let plain = |flops| Expected { flops, attentions: 1, results: &["f32[2, 5, 16]"] };
    for mask in ["", "m: i32[2]", "m: i32[4]", "m: i32[8]", "m: i32[2, 5]", "m: i32[2, 5, 5]", "m: i32[2, 1, 9, 9]"] {
        let loaded = check("Attention", &[x, w, b, mask], &[HEADS], &["y"], &plain(flops));
        assert_eq!(parameters(&loaded), 16 * 48 + 48);
        let operands =
            loaded.graph.nodes().find(|(_, node)| matches!(node.op, Op::Attention(_))).unwrap().1.inputs.len();
        assert_eq!(operands, if mask.is_empty() { 3 } else { 4 }, "{mask}");
    }
    let past = [x, w, b, "m: i32[2, 12]", "past: f32[2, 2, 4, 7, 4]", "s: f32[1, 4, 5, 12]"];
    let loaded = check(
        "Attention",
        &past,
        &[HEADS, Set::Int("unidirectional", 1), Set::Float("scale", 0.25)],
        &["y", "present"],
        &Expected {
            flops: projections + scores(2, 4, 5, 12, 4),
            attentions: 1,
            results: &["f32[2, 5, 16]", "f32[2, 2, 4, 12, 4]"],
        },
    );
    let core = &cores(&loaded)[0];
    assert!(core.causal && core.offset == 7 && core.scale == Some(0.25), "{core:?}");
    // Values may be wider than queries and keys.
    let wide = [x, "w = f32[16, 56]"];
    let sizes = [HEADS, Set::Ints("qkv_hidden_sizes", &[16, 16, 24])];
    let flops = 2 * 2 * 5 * 16 * 56 + 2 * 2 * 4 * 5 * 5 * (4 + 6);
    check("Attention", &wide, &sizes, &["y"], &Expected { flops, attentions: 1, results: &["f32[2, 5, 24]"] });
    // Tables of angles are made on the spot.
    let loaded = check(
        "Attention",
        &[x, w, b],
        &[HEADS, Set::Int("do_rotary", 1)],
        &["y"],
        &plain(projections + scores(2, 4, 5, 5, 4)),
    );
    assert_eq!(steps(&loaded).iter().filter(|step| step.contains("rotary")).count(), 2);
    // Quantised: the product gives the floats.
    let quantised =
        ["x: u8[2, 5, 16]", "w = i8[16, 48]", b, "xs: f32[]", "ws: f32[]", "m: i32[2]", "xz: u8[]", "wz: i8[]"];
    check("QAttention", &quantised, &[HEADS], &["y"], &plain(projections + scores(2, 4, 5, 5, 4)));
}

#[test]
fn attention_with_separate_projections() {
    let flops = scores(2, 4, 5, 9, 4);
    let one = |flops| Expected { flops, attentions: 1, results: &["f32[2, 5, 16]"] };
    let (q, k, v) = ("q: f32[2, 5, 16]", "k: f32[2, 9, 16]", "v: f32[2, 9, 16]");
    check("MultiHeadAttention", &[q, k, v], &[HEADS], &["y"], &one(flops));
    check("MultiHeadAttention", &[q, k, v, "b = f32[48]", "m: i32[2, 9]"], &[HEADS], &["y"], &one(flops));
    check("MultiHeadAttention", &[q, "kv: f32[2, 9, 4, 2, 4]", "", "b = f32[48]"], &[HEADS], &["y"], &one(flops));
    let cached = [q, "k: f32[2, 4, 9, 4]", "v: f32[2, 4, 9, 4]", "b = f32[48]"];
    check("MultiHeadAttention", &cached, &[HEADS], &["y"], &one(flops));
    let packed = ["q: f32[2, 5, 4, 3, 4]", "", "", "b = f32[48]", "", "s: f32[1, 4, 5, 5]"];
    check("MultiHeadAttention", &packed, &[HEADS], &["y"], &one(scores(2, 4, 5, 5, 4)));
    let results = ["f32[2, 1, 16]", "f32[2, 4, 8, 4]", "f32[2, 4, 8, 4]"];
    let step = Expected { flops: scores(2, 4, 1, 8, 4), attentions: 1, results: &results };
    let one = ["q: f32[2, 1, 16]", "k: f32[2, 1, 16]", "v: f32[2, 1, 16]"];
    let past = ["pk: f32[2, 4, 7, 4]", "pv: f32[2, 4, 7, 4]"];
    let names = ["y", "pk1", "pv1"];
    check("MultiHeadAttention", &[&one[..], &["", "", ""], &past].concat(), &[HEADS], &names, &step);
    let mask = ["m: i32[2, 8]", ""];
    let decoder = [&one[..], &mask, &past, &["", "", "", "b = f32[48]"]].concat();
    check("DecoderMaskedMultiHeadAttention", &decoder, &[HEADS], &names, &step);
}

#[test]
fn attention_in_groups() {
    let settings = |more: &[Set<'static>]| [&[HEADS, Set::Int("kv_num_heads", 2)], more].concat();
    let lengths = ["l: i32[2]", "t: i32[]"];
    let three = ["q: f32[2, 5, 32]", "k: f32[2, 5, 16]", "v: f32[2, 5, 16]", "", ""];
    let results = ["f32[2, 5, 32]", "f32[2, 2, 5, 8]", "f32[2, 2, 5, 8]"];
    let expected = Expected { flops: scores(2, 4, 5, 5, 8), attentions: 1, results: &results };
    let names = ["y", "present_key", "present_value"];
    let loaded = check("GroupQueryAttention", &[&three[..], &lengths].concat(), &settings(&[]), &names, &expected);
    assert!(cores(&loaded)[0].causal && cores(&loaded)[0].window.is_none());
    // One packed row, with rotary embedding by tables, norms of heads, a window and a cap.
    let tables = ["cos = f32[64, 4]", "sin = f32[64, 4]"];
    let packed = ["q: f32[2, 5, 64]", "", "", "pk: f32[2, 2, 7, 8]", "pv: f32[2, 2, 7, 8]"];
    let rest = ["p: i64[2, 5]", "", "sink = f32[4]", "", "", "qn = f32[8]", "kn = f32[8]"];
    let all = [&packed[..], &lengths, &tables, &rest].concat();
    let given = settings(&[Set::Int("do_rotary", 1), Set::Int("local_window_size", 6), Set::Float("softcap", 30.0)]);
    let results = ["f32[2, 5, 32]", "f32[2, 2, 12, 8]", "f32[2, 2, 12, 8]"];
    let expected = Expected { flops: scores(2, 4, 5, 12, 8), attentions: 1, results: &results };
    let loaded = check("GroupQueryAttention", &all, &given, &names, &expected);
    let core = &cores(&loaded)[0];
    assert_eq!((core.offset, core.window, core.softcap, core.sinks), (7, Some(6), Some(30.0), true));
    let ops = steps(&loaded);
    let count = |name: &str| ops.iter().filter(|step| step.contains(&format!("= {name}("))).count();
    assert_eq!((count("rotary"), count("rms_norm"), count("embedding")), (2, 2, 4));
    assert_eq!(parameters(&loaded), 4 + 8 + 8);
    // Without positions, rows follow the cache.
    let plain = [&packed[..], &lengths, &tables].concat();
    let loaded = check("GroupQueryAttention", &plain, &settings(&[Set::Int("do_rotary", 1)]), &names, &expected);
    assert!(steps(&loaded).iter().any(|step| step.contains("start = 7")), "{:?}", steps(&loaded));
}

#[test]
fn attention_over_packed_sequences() {
    let results = ["f32[10, 16]"];
    let (w, b) = ("w = f32[16, 48]", "b = f32[48]");
    let full = Expected { flops: 2 * 10 * 16 * 48 + scores(2, 4, 5, 5, 4), attentions: 1, results: &results };
    check("PackedAttention", &["x: f32[10, 16]", w, b, "o: i32[2, 5]", "c: i32[3]"], &[HEADS], &["y"], &full);
    let flops = scores(1, 4, 4, 4, 4) + scores(1, 4, 6, 6, 4);
    let apart = Expected { flops, attentions: 2, results: &results };
    let separate = ["q: f32[10, 16]", "k: f32[10, 16]", "v: f32[10, 16]", b, "o: i32[2, 6]", "c = 0, 4, 10"];
    check("PackedMultiHeadAttention", &separate, &[HEADS], &["y"], &apart);
    let full = Expected { flops: scores(2, 4, 5, 5, 4), attentions: 1, results: &results };
    let packed = ["q: f32[10, 4, 3, 4]", "", "", b, "o: i32[2, 5]", "c: i32[3]"];
    check("PackedMultiHeadAttention", &packed, &[HEADS], &["y"], &full);
}

/// What depends on numbers of the run is opaque, with the types that follow from the definition.
#[test]
fn what_is_only_known_when_it_runs() {
    let groups = [HEADS, Set::Int("kv_num_heads", 2)];
    let caches = ["kc: f32[9, 16, 2, 4]", "vc: f32[9, 16, 2, 4]"];
    let lengths = ["c: i32[3]", "l: i32[2]", "t: i32[2, 4]"];
    let paged = [&["q: f32[10, 32]", "", ""], &caches[..], &lengths].concat();
    let past =
        ["pk: f32[2, 2, 64, 4]", "pv: f32[2, 2, 64, 4]", "r: i32[1, 5]", "c: i32[1, 9]", "t: i32[]", "l: i32[2]"];
    let sparse = [&["q: f32[2, 5, 32]", "", ""], &past[..]].concat();
    let packed = ["x: f32[9, 16]", "w = f32[16, 48]", "b = f32[48]", "o: i32[2, 5]", "c: i32[3]"];
    let three: [&str; 3] = ["y", "k", "v"];
    let shared: &[&str] = &["f32[10, 16]", "f32[9, 16, 2, 4]", "f32[9, 16, 2, 4]"];
    let blocks: &[&str] = &["f32[2, 5, 16]", "f32[2, 2, 64, 4]", "f32[2, 2, 64, 4]"];
    let experts = ["x: f32[10, 16]", "p: f32[10, 8]", "a = u8[8, 32, 8]", "as = f32[8, 32]", "", "b = u8[8, 16, 16]"];
    let rows: (&[&str], &[Set<'_>]) = (&["t = u8[100, 8]", "i: i64[2, 5]", "s = f32[100, 1]"], &[Set::Int("bits", 4)]);
    let bias: &[&str] = &["t = f32[32, 4]", "a = 6", "b = 7"];
    for (op, operands, settings, names, results) in [
        ("PagedAttention", &paged[..], &groups[..], &three[..], shared),
        ("SparseAttention", &sparse[..], &groups[..], &three[..], blocks),
        ("PackedAttention", &packed[..], &groups[..1], &three[..1], &["f32[9, 16]"][..]),
        ("QMoE", &experts[..], &[], &three[..1], &["f32[10, 16]"][..]),
        ("GatherBlockQuantized", rows.0, rows.1, &three[..1], &["f32[2, 5, 16]"][..]),
        ("RelativePositionBias", bias, &[], &three[..1], &["f32[1, 4, 6, 7]"][..]),
    ] {
        let loaded = call(op, operands, settings, names);
        assert_eq!(loaded.warnings.len(), 1, "{op}: {:?}", loaded.warnings);
        assert!(loaded.warnings[0].text.contains(&format!("`com.microsoft.{op}` is kept as an opaque op")), "{op}");
        assert!(loaded.graph.nodes().any(|(_, node)| matches!(node.op, Op::Opaque(_))), "{op}");
        assert_eq!(types(&loaded), results, "{op}");
    }
}

/// Operands that do not fit end in an opaque op with the reason.
#[test]
fn what_does_not_fit() {
    let x = "x: f32[2, 5, 16]";
    for (op, operands, settings, reason) in [
        ("Attention", &[x, "w = f32[16, 48]"][..], &[Set::Int("num_heads", 5)][..], "5 heads do not divide"),
        ("Attention", &[x, "w = f32[16, 48]"], &[], "0 heads do not divide"),
        ("Attention", &[x, "w = f32[16, 47]"], &[HEADS], "do not make up 47"),
        ("Attention", &[x, "w = f32[16, 48]", "", "m: i32[2, 7]"], &[HEADS], "its mask has the shape [2, 7]"),
        ("Attention", &["x: f32[5, 16]", "w = f32[16, 48]"], &[HEADS], "axis"),
        ("Attention", &[x], &[HEADS], "input 1 is missing"),
        ("MultiHeadAttention", &[x], &[HEADS], "input 1 is missing"),
        ("GroupQueryAttention", &[x], &[HEADS, Set::Int("kv_num_heads", -1)], "`kv_num_heads` is -1"),
        ("GroupQueryAttention", &[x], &[Set::Int("num_heads", 0)], "it has no heads"),
        ("MatMulNBits", &[x, "w = u8[8, 1, 16]", "s = f32[8]"], &[Set::Int("K", 32), Set::Int("N", 8)], "32 columns"),
        ("MatMulNBits", &[x, "w = u8[8]", "s = f32[8]"], &[Set::Int("K", 16), Set::Int("N", 8)], "64 bytes, it has 8"),
        ("GroupNorm", &["x: f32[1, 4, 4, 6]", "g = f32[6]", "b = f32[6]"], &[Set::Int("groups", 4)], "divide"),
        ("FusedGemm", &["x: f32[4, 4]", "w = f32[4, 4]"], &[Set::Text("activation", "Odd")], "`Odd`"),
        ("BiasSplitGelu", &["x: f32[1, 4, 5]", "b = f32[5]"], &[], ""),
        ("RotaryEmbedding", &[x, "p: i64[2, 5]", "c = f32[9, 2]", "s = f32[9, 2]"], &[Set::Int("num_heads", 3)], ""),
    ] {
        let loaded = call(op, operands, settings, &["y"]);
        assert_eq!(loaded.warnings.len(), 1, "{op}: {:?}", loaded.warnings);
        assert!(loaded.warnings[0].text.contains(reason), "{op}: {}", loaded.warnings[0].text);
    }
}

#[test]
fn norms_with_sums() {
    let free = |results| Expected { flops: 0, attentions: 0, results };
    let (x, s, g, b) = ("x: f32[2, 5, 16]", "s: f32[2, 5, 16]", "g = f32[16]", "b = f32[16]");
    let both = ["f32[2, 5, 16]", "f32[2, 5, 16]"];
    let loaded =
        check("SkipLayerNormalization", &[x, s, g, b, "c = f32[16]"], &[], &["y", "", "", "sum"], &free(&both));
    assert_eq!(
        steps(&loaded),
        [
            "f32[2, 5, 16] = add(%x, %s)",
            "f32[2, 5, 16] = add(%\"SkipLayerNormalization:y.0\", %c)",
            "f32[2, 5, 16] = layer_norm(%sum, %g, %b) {axes = 1, epsilon = 1e-12}",
        ]
    );
    assert_eq!(parameters(&loaded), 48);
    let loaded = check("SkipSimplifiedLayerNormalization", &[x, s, g], &[], &["y", "", "", "sum"], &free(&both));
    assert!(steps(&loaded)[1].contains("rms_norm(%sum, %g)"), "{:?}", steps(&loaded));
    for op in ["::SimplifiedLayerNormalization", "SimplifiedLayerNormalization"] {
        let loaded = check(op, &[x, g], &[Set::Float("epsilon", 1e-6)], &["y"], &free(&["f32[2, 5, 16]"]));
        assert_eq!(steps(&loaded), ["f32[2, 5, 16] = rms_norm(%x, %g) {axes = 1, epsilon = 1e-6}"]);
    }
    let tables = ["w = f32[99, 16]", "p = f32[32, 16]", "t = f32[2, 16]", g, b, "m: i32[2, 5]"];
    let ids = ["i: i32[2, 5]", "j: i32[2, 5]"];
    let results = ["f32[2, 5, 16]", "i32[2]", "f32[2, 5, 16]"];
    let embedded = [&ids[..], &tables].concat();
    let loaded = check("EmbedLayerNormalization", &embedded, &[], &["y", "l", "sum"], &free(&results));
    assert_eq!(parameters(&loaded), (99 + 32 + 2 + 2) * 16);
    let image = ["x: f32[2, 4, 4, 16]", g, b];
    let groups = [Set::Int("groups", 4), Set::Int("activation", 1)];
    let loaded = check("GroupNorm", &image, &groups, &["y"], &free(&["f32[2, 4, 4, 16]"]));
    assert!(steps(&loaded).iter().any(|step| step.starts_with("f32[2, 16, 4, 4] = group_norm")));
    let skip = [&image[..], &["s: f32[2, 16]", "c = f32[16]"]].concat();
    check("SkipGroupNorm", &skip, &groups, &["y", "sum"], &free(&["f32[2, 4, 4, 16]", "f32[2, 4, 4, 16]"]));
}

#[test]
fn activations() {
    let (x, b) = ("x: f32[2, 5, 16]", "b = f32[16]");
    for (op, operands, settings, last) in [
        ("BiasGelu", &[x, b][..], &[][..], "f32[2, 5, 16] = gelu("),
        ("FastGelu", &[x, b], &[], "f32[2, 5, 16] = gelu_tanh("),
        ("FastGelu", &[x], &[], "f32[2, 5, 16] = gelu_tanh(%x)"),
        ("QuickGelu", &[x], &[], "f32[2, 5, 16] = quick_gelu(%x)"),
        ("BiasSplitGelu", &[x, b], &[], "f32[2, 5, 8] = mul("),
        ("BiasSoftmax", &[x, "c: f32[2, 1, 16]"], &[Set::Int("axis", 2)], "f32[2, 5, 16] = softmax("),
        ("BiasDropout", &[x, b, "r: f32[2, 5, 16]"], &[], "f32[2, 5, 16] = add("),
        (
            "RotaryEmbedding",
            &["x: f32[2, 4, 5, 8]", "p: i64[2, 5]", "c = f32[64, 4]", "s = f32[64, 4]"],
            &[],
            "f32[2, 4, 5, 8] = rotary(",
        ),
        (
            "RotaryEmbedding",
            &[x, "p: i64[1]", "c = f32[64, 2]", "s = f32[64, 2]"],
            &[HEADS],
            "f32[2, 5, 16] = reshape(",
        ),
    ] {
        let loaded = call(op, operands, settings, &["y"]);
        assert_eq!(loaded.warnings, [], "{op}");
        let steps = steps(&loaded);
        assert!(steps.last().unwrap().starts_with(last), "{op}: {steps:?}");
    }
}

#[test]
fn packed_and_fused_products() {
    let expected = |flops, results| Expected { flops, attentions: 0, results };
    let x = "x: f32[2, 5, 64]";
    let sizes = [Set::Int("K", 64), Set::Int("N", 24), Set::Int("bits", 4), Set::Int("block_size", 32)];
    let storage = ["w = u8[24, 2, 16]", "s = f32[48]", "z = u8[24]", "", "b = f32[24]"];
    let wide = 2 * 10 * 64 * 24;
    let packed = [&[x], &storage[..]].concat();
    let loaded = check("MatMulNBits", &packed, &sizes, &["y"], &expected(wide, &["f32[2, 5, 24]"]));
    assert_eq!(parameters(&loaded), 24 * 32 + 48 + 24 + 24);
    assert!(loaded.notes.iter().any(|note| note.contains("as they are stored")), "{:?}", loaded.notes);
    check("MatMulBnb4", &[x, "w = u8[768]", "s = f32[24]"], &sizes, &["y"], &expected(wide, &["f32[2, 5, 24]"]));
    let turned = [Set::Int("transA", 1), Set::Int("transB", 1), Set::Float("alpha", 0.125)];
    let loaded = check(
        "FusedMatMul",
        &["a: f32[2, 8, 5]", "b: f32[2, 6, 8]"],
        &turned,
        &["y"],
        &expected(2 * 2 * 5 * 8 * 6, &["f32[2, 5, 6]"]),
    );
    assert!(steps(&loaded).last().unwrap().contains("scalar = 0.125"));
    let batch = [Set::Int("transBatchA", 1)];
    let flops = 2 * 3 * 4 * 8 * 6;
    check("FusedMatMul", &["a: f32[4, 3, 8]", "b: f32[3, 8, 6]"], &batch, &["y"], &expected(flops, &["f32[3, 4, 6]"]));
    let relu = [Set::Text("activation", "Relu"), Set::Int("transB", 1)];
    let gemm = ["a: f32[5, 8]", "w = f32[6, 8]", "b = f32[6]"];
    let loaded = check("FusedGemm", &gemm, &relu, &["y"], &expected(2 * 5 * 8 * 6, &["f32[5, 6]"]));
    assert_eq!(steps(&loaded).len(), 2);
    let gelu = ["a: f32[5, 8]", "w = f32[8, 6]", "b = f32[6]"];
    check("GemmFastGelu", &gelu, &[], &["y"], &expected(2 * 5 * 8 * 6, &["f32[5, 6]"]));
    let conv = ["x: f32[1, 3, 8, 8]", "w = f32[4, 3, 3, 3]", "b = f32[4]", "z: f32[1, 4, 8, 8]"];
    let pads = [Set::Ints("pads", &[1, 1, 1, 1]), Set::Text("activation", "Relu")];
    let flops = 2 * 64 * 4 * 27;
    check("FusedConv", &conv, &pads, &["y"], &expected(flops, &["f32[1, 4, 8, 8]"]));
    for weight in ["w = f32[4, 3, 3, 3]", "w = f32[4, 3, 3, 5]"] {
        let channels = if weight.ends_with("5]") { 5 } else { 3 };
        let image = format!("x: f32[1, 8, 8, {channels}]");
        let flops = 2 * 64 * 4 * 9 * channels;
        check("NhwcConv", &[&image, weight], &pads[..1], &["y"], &expected(flops, &["f32[1, 8, 8, 4]"]));
    }
}

#[test]
fn experts() {
    // 2 of 8 experts for each of 10 tokens.
    let flops = 2 * 20 * (16 * 32 + 32 * 16);
    let expected = |flops| Expected { flops, attentions: 0, results: &["f32[2, 5, 16]"] };
    let (x, p) = ("x: f32[2, 5, 16]", "p: f32[10, 8]");
    let k = [Set::Int("k", 2), Set::Text("activation_type", "gelu"), Set::Int("normalize_routing_weights", 1)];
    let weights = ["a = f32[8, 32, 16]", "ab = f32[8, 32]", "c = f32[8, 16, 32]", "cb = f32[8, 16]"];
    let loaded = check("MoE", &[&[x, p], &weights[..]].concat(), &k, &["y"], &expected(flops));
    assert_eq!(parameters(&loaded), 8 * (2 * 32 * 16 + 32 + 16));
    let gated = [x, p, "a = f32[8, 32, 16]", "", "c = f32[8, 16, 32]", "", "d = f32[8, 32, 16]"];
    let silu = [Set::Int("k", 2), Set::Text("activation_type", "silu")];
    check("MoE", &gated, &silu, &["y"], &expected(2 * 20 * 3 * 16 * 32));
    for layout in [1, 2] {
        let merged = [x, p, "a = f32[8, 64, 16]", "", "c = f32[8, 16, 32]"];
        let swiglu = [Set::Int("k", 2), Set::Text("activation_type", "swiglu"), Set::Int("swiglu_fusion", layout)];
        check("MoE", &merged, &swiglu, &["y"], &expected(2 * 20 * 3 * 16 * 32));
    }
}

#[test]
fn quantised_operators() {
    let expected = |flops, results| Expected { flops, attentions: 0, results };
    let (xs, ws, b) = ("xs: f32[]", "ws = f32[6]", "b = f32[6]");
    let flops = 2 * 10 * 8 * 6;
    let floats = ["x: u8[2, 5, 8]", "w = i8[8, 6]", xs, ws, "xz: u8[]", "wz = i8[6]", b];
    let loaded = check("MatMulIntegerToFloat", &floats, &[], &["y"], &expected(flops, &["f32[2, 5, 6]"]));
    assert_eq!(parameters(&loaded), 48 + 6 + 6 + 6);
    let dynamic = ["x: f32[2, 5, 8]", "w = i8[8, 6]", ws, "", b];
    check("DynamicQuantizeMatMul", &dynamic, &[], &["y"], &expected(flops, &["f32[2, 5, 6]"]));
    let gemm = ["x: u8[5, 8]", xs, "xz: u8[]", "w = i8[6, 8]", ws, "wz = i8[6]", "c = i32[6]", "ys: f32[]", "yz: u8[]"];
    check("QGemm", &gemm, &[Set::Int("transB", 1)], &["y"], &expected(flops / 2, &["u8[5, 6]"]));
    check("QGemm", &gemm[..7], &[Set::Int("transB", 1)], &["y"], &expected(flops / 2, &["f32[5, 6]"]));
    let weight = ["w = i8[6, 3, 3, 3]", ws, "wz = i8[6]", "ys: f32[]", "yz: u8[]", "c = i32[6]"];
    let conv = [&["x: u8[1, 3, 8, 8]", xs, "xz: u8[]"], &weight[..]].concat();
    let flops = 2 * 36 * 6 * 27;
    check("::QLinearConv", &conv, &[], &["y"], &expected(flops, &["u8[1, 6, 6, 6]"]));
    let last = [&["x: u8[1, 8, 8, 3]", xs, "xz: u8[]"], &weight[..]].concat();
    let channels = [Set::Int("channels_last", 1)];
    check("QLinearConv", &last, &channels, &["y"], &expected(flops, &["u8[1, 6, 6, 6]"]));
    let integer = ["x: u8[1, 3, 8, 8]", "w = i8[6, 3, 3, 3]", "xz: u8[]", "wz = i8[6]"];
    check("::ConvInteger", &integer, &[], &["y"], &expected(flops, &["i32[1, 6, 6, 6]"]));
    let three = ["u8[2, 5]", "f32[]", "u8[]"];
    check("::DynamicQuantizeLinear", &["x: f32[2, 5]"], &[], &["y", "s", "z"], &expected(0, &three));
    let pair =
        ["a: u8[2, 5]", "as: f32[]", "az: u8[]", "b: u8[2, 5]", "bs: f32[]", "bz: u8[]", "ys: f32[]", "yz: u8[]"];
    for op in ["QLinearAdd", "QLinearMul"] {
        check(op, &pair, &[], &["y"], &expected(0, &["u8[2, 5]"]));
    }
    for (op, result) in [("QLinearSigmoid", "i8[2, 5, 4, 4]"), ("QLinearGlobalAveragePool", "i8[2, 5, 1, 1]")] {
        let one = ["x: i8[2, 5, 4, 4]", "xs: f32[]", "xz: i8[]", "ys: f32[]", "yz: i8[]"];
        check(op, &one, &[], &["y"], &Expected { flops: 0, attentions: 0, results: &[result] });
    }
}

/// The optimiser's file says the same as the file that it was made from.
#[test]
fn a_fused_model_does_what_the_exported_one_does() {
    let fused = load("bert_eager-ts17-fused", &[]);
    assert_eq!(fused.warnings, []);
    let core = ScaledDotProduct::default();
    assert_eq!(cores(&fused), [core.clone(), core]);
    let exported = load("bert_eager-ts17", &[]);
    let softmaxes = |loaded: &Loaded| steps(loaded).iter().filter(|step| step.contains("= softmax(")).count();
    assert_eq!((cores(&exported).len(), softmaxes(&exported)), (0, 2));
    assert_eq!(softmaxes(&fused), 0);
    let flops = |loaded: &Loaded| total_work(&loaded.graph).contraction_flops();
    assert_eq!(flops(&fused), flops(&exported));
    assert_eq!(parameters(&fused), parameters(&exported));
    assert_eq!(types(&fused), types(&exported));
}

/// Every operator on operands that it was not made for: nothing panics, and what comes out verifies.
#[test]
fn odd_operands_do_no_harm() {
    let ops = [
        "Attention",
        "MultiHeadAttention",
        "DecoderMaskedMultiHeadAttention",
        "GroupQueryAttention",
        "PackedAttention",
        "PackedMultiHeadAttention",
        "PagedAttention",
        "SparseAttention",
        "RotaryEmbedding",
        "SkipLayerNormalization",
        "SkipSimplifiedLayerNormalization",
        "EmbedLayerNormalization",
        "GroupNorm",
        "SkipGroupNorm",
        "BiasGelu",
        "FastGelu",
        "QuickGelu",
        "BiasSplitGelu",
        "BiasSoftmax",
        "BiasDropout",
        "BiasAdd",
        "RelativePositionBias",
        "GatedRelativePositionBias",
        "MatMulNBits",
        "MatMulBnb4",
        "GatherBlockQuantized",
        "FusedMatMul",
        "FusedGemm",
        "GemmFastGelu",
        "FusedConv",
        "NhwcConv",
        "MoE",
        "QMoE",
        "QAttention",
        "MatMulIntegerToFloat",
        "QGemm",
        "DynamicQuantizeMatMul",
        "QLinearConv",
        "QLinearAdd",
        "QLinearSigmoid",
        "QLinearGlobalAveragePool",
    ];
    let shapes = ["[]", "[0]", "[3]", "[0, 4]", "[2, 0, 4]", "[1, 2, 6]", "[2, 2, 3, 2]", "[1, 2, 2, 3, 2]"];
    let huge = [Set::Int("num_heads", i64::MAX), Set::Int("kv_num_heads", 1), Set::Int("K", i64::MAX)];
    let small = [HEADS, Set::Int("k", i64::MAX), Set::Int("N", i64::MAX), Set::Int("do_rotary", 1)];
    let mut seen = BTreeMap::new();
    for op in ops {
        for shape in shapes {
            for dtype in ["f32", "i32", "u8"] {
                for settings in [&huge[..], &small, &[]] {
                    let operands: Vec<String> = (0..9).map(|index| format!("x{index}: {dtype}{shape}")).collect();
                    let operands: Vec<&str> = operands.iter().map(String::as_str).collect();
                    for count in [1, 2, 5, 9] {
                        let loaded = call(op, &operands[..count], settings, &["y"]);
                        *seen.entry(op).or_insert(0) += loaded.graph.nodes().count();
                    }
                }
            }
        }
    }
    assert_eq!(seen.len(), ops.len());
}
