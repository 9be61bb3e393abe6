//! Bytes that no exporter wrote: they end in an error or in a graph that verifies, in bounded memory.

use bytes::Bytes;
use fusewright_ir::Bindings;

use super::support::{Message, Parts, Set, ints, node, value, weight};

fn sample() -> Vec<u8> {
    let parts = Parts {
        inputs: vec![value("x", "f32[batch, 8, 16]")],
        literals: vec![weight("w", &[16, 16]), ints("shape", &[0, 8, 2, 8]), weight("b", &[16])],
        nodes: vec![
            node("MatMul", &["x", "w"], &["p"], &[]),
            node("Add", &["b", "p"], &["q"], &[]),
            node("Reshape", &["q", "shape"], &["r"], &[]),
            node("Transpose", &["r"], &["s"], &[Set::Ints("perm", &[0, 2, 1, 3])]),
            node("Attention", &["s", "s", "s"], &["t"], &[Set::Int("is_causal", 1), Set::Float("scale", 0.5)]),
        ],
        outputs: vec![Message::default().text(1, "t")],
        recorded: vec![value("q", "f32[batch, 8, 16]")],
    };
    parts.model(23).0
}

fn try_read(model: &[u8]) {
    let _ = fusewright_onnx::probe(model);
    let _ = fusewright_onnx::read(Bytes::from(model.to_vec()), &|_| Some(1 << 20), &Bindings::default());
}

#[test]
fn the_sample_is_good() {
    let loaded = fusewright_onnx::read(Bytes::from(sample()), &|_| None, &Bindings::default()).unwrap();
    assert_eq!(loaded.warnings, []);
    assert!(fusewright_onnx::probe(&sample()));
    assert!(
        !fusewright_onnx::probe(b"{\"format\": \"fx-graph\"}")
            && !fusewright_onnx::probe(b"")
            && !fusewright_onnx::probe(b"PK\x03\x04")
    );
}

#[test]
fn truncations_and_changed_bytes() {
    let model = sample();
    for end in 0..model.len() {
        try_read(&model[..end]);
    }
    for place in 0..model.len() {
        for change in [1, 0x7f, 0x80, 0xff] {
            let mut changed = model.clone();
            changed[place] ^= change;
            try_read(&changed);
        }
    }
}

#[test]
fn claims_of_length() {
    // Four gigabytes in a few bytes; a number that never ends; a form that does not exist.
    for bytes in [
        &[0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f][..],
        &[0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0x3b],
    ] {
        assert!(fusewright_onnx::read(Bytes::from_static(bytes), &|_| None, &Bindings::default()).is_err());
    }
}

/// Two bytes for each of millions of empty nodes would be gigabytes once decoded.
#[test]
fn empty_messages_by_the_million() {
    let graph = [0x0a, 0].repeat(4 << 20);
    let model = Message::default().int(1, 10).bytes(7, &graph);
    let error = fusewright_onnx::read(Bytes::from(model.0), &|_| None, &Bindings::default()).unwrap_err();
    assert!(error.to_string().contains("this cannot be a model"), "{error}");
}

#[test]
fn graphs_inside_graphs() {
    let mut graph = Message::default().text(2, "innermost");
    for _ in 0..200 {
        graph = Message::default().message(1, &node("Loop", &[], &[], &[Set::Graph("body", graph)]));
    }
    let model = Message::default().int(1, 10).message(7, &graph);
    assert!(fusewright_onnx::read(Bytes::from(model.0), &|_| None, &Bindings::default()).is_err());
}

/// Uses that fork at every step are followed so far and no further.
#[test]
fn uses_that_fork() {
    let mut nodes = Vec::new();
    let (mut literals, mut last) = (vec![weight("w.0", &[4, 4])], "w.0".to_owned());
    for level in 0..64 {
        for side in 0..8 {
            let next = if side == 7 { format!("v{level}") } else { format!("v{level}_{side}") };
            nodes.push(node("Add", &[&last, &last], &[&next], &[]));
        }
        last = format!("v{level}");
    }
    nodes.push(node("Relu", &[&last], &["y"], &[]));
    literals.push(weight("other", &[4]));
    let outputs = vec![Message::default().text(1, "y")];
    let model = Parts { literals, nodes, outputs, ..Parts::default() }.model(20);
    fusewright_onnx::read(Bytes::from(model.0), &|_| None, &Bindings::default()).unwrap();
}

/// Repeated tiling grows a known tensor until it is too large to be known, not until memory ends.
#[test]
fn numbers_that_grow() {
    let mut nodes = vec![node("Tile", &["n", "t"], &["v0"], &[])];
    for level in 0..40 {
        nodes.push(node(
            "Concat",
            &[&format!("v{level}"), &format!("v{level}")],
            &[&format!("v{}", level + 1)],
            &[Set::Int("axis", 0)],
        ));
    }
    let outputs = vec![Message::default().text(1, "v40")];
    let model = Parts { literals: vec![ints("n", &[1, 2, 3]), ints("t", &[1000])], nodes, outputs, ..Parts::default() }
        .model(20);
    fusewright_onnx::read(Bytes::from(model.0), &|_| None, &Bindings::default()).unwrap();
}

/// The seeds of the fuzzer are models that are read as a whole, and harmless when cut.
#[test]
fn seeds_of_the_fuzzer() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/onnx_reader");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let model = std::fs::read(&path).unwrap();
        let loaded = fusewright_onnx::read(Bytes::from(model.clone()), &|_| None, &Bindings::default());
        let loaded = loaded.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(loaded.warnings, [], "{}", path.display());
        (0..model.len()).for_each(|end| try_read(&model[..end]));
        count += 1;
    }
    assert_eq!(count, 4);
}
