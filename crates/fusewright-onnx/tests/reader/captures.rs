//! Models as both exporters of PyTorch write them: parameters and products are those that PyTorch counts.

use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fusewright_ir::{Bindings, Loaded, Op, Origin, TensorType, text, total_work, verify};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models")
}

fn captures() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = files.filter_map(|name| name.strip_suffix(".onnx.gz").map(str::to_owned)).collect();
    names.sort_unstable();
    assert!(names.len() > 15, "{names:?}");
    names
}

pub(crate) fn load(capture: &str, dims: &[(&str, u64)]) -> Loaded {
    let packed = std::fs::read(folder().join(format!("{capture}.onnx.gz"))).unwrap();
    let mut model = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut model).unwrap();
    assert!(fusewright_onnx::probe(&model), "{capture}");
    let bindings: Bindings = dims.iter().map(|&(name, size)| (name.to_owned(), size)).collect();
    fusewright_onnx::read(Bytes::from(model), &|_| None, &bindings).unwrap()
}

fn parameters(loaded: &Loaded) -> u64 {
    let own = loaded.graph.values().filter(|(_, value)| value.origin == Origin::Parameter);
    own.filter_map(|(_, value)| value.ty.as_tensor()).map(TensorType::elements).sum()
}

/// Parameters that a file does not hold (negative) or holds twice, and why.
fn known_difference(capture: &str) -> i64 {
    let model = capture.split('-').next().unwrap();
    let older = capture.contains("-ts17");
    match model {
        // Batch norms are merged into the convolutions before them: of two vectors one is left.
        "resnet50" => -26_560,
        "efficientnet_b0" => -21_008,
        // Tables of relative positions are looked up by the exporter; what is left is no parameter.
        "swin_t" => -23_322,
        // The exponential of a scale is computed by the exporter.
        "clip" if !older => -1,
        // The head's copy of the embedding table cannot be compared without the weights.
        "gpt2_small" if older => 1000 * 192,
        "qwen2" | "bert_lm" if older => 1000 * 256,
        "t5" | "whisper" if older => 1000 * 128,
        // A bias of zeros is dropped.
        "bert_base" if capture == "bert_base-dynamo20-merged" => -768,
        _ => 0,
    }
}

#[test]
fn parameters_and_products_are_those_of_pytorch() {
    let expected = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    let mut wrong = Vec::new();
    for capture in captures() {
        let loaded = load(&capture, &[]);
        let figures = &expected[capture.split('-').next().unwrap()];
        let wanted = figures["parameters"].as_u64().unwrap();
        let difference = parameters(&loaded).cast_signed() - wanted.cast_signed();
        if difference != known_difference(&capture) {
            wrong.push(format!("{capture}: parameters {wanted} {difference:+}"));
        }
        let (flops, counted) = (total_work(&loaded.graph).contraction_flops(), figures["contraction_flops"].as_u64());
        if Some(flops) != counted {
            wrong.push(format!("{capture}: {flops} FLOPs, not {counted:?}"));
        }
        if !loaded.warnings.is_empty() {
            wrong.push(format!("{capture}: {:?}", loaded.warnings));
        }
        if loaded.graph.nodes().any(|(_, node)| matches!(node.op, Op::Opaque(_))) {
            wrong.push(format!("{capture}: opaque nodes"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn captures_survive_the_text_form() {
    for capture in captures() {
        let printed = text::print(&load(&capture, &[]).graph);
        let parsed = text::parse(&printed).unwrap_or_else(|error| panic!("{capture}: {error}"));
        verify(&parsed).unwrap();
        assert_eq!(text::print(&parsed), printed, "{capture}");
    }
}

/// Both exporters leave the same work for sizes that are given when the file is read.
#[test]
fn open_sizes_are_bound() {
    // Per layer 2 S (4 h² + 2 h f) + 4 S² h, and the pooler, for each of three sequences of 64.
    let (h, f, s) = (768, 3072, 64);
    let sequence = 12 * (2 * s * (4 * h * h + 2 * h * f) + 4 * s * s * h) + 2 * h * h;
    for exporter in ["ts17", "dynamo20"] {
        let loaded = load(&format!("bert_base-{exporter}-dynamic"), &[("batch", 3), ("seq", s)]);
        assert_eq!(total_work(&loaded.graph).contraction_flops(), 3 * sequence, "{exporter}");
        assert_eq!(parameters(&loaded), 109_482_240, "{exporter}");
        assert_eq!(loaded.warnings, [], "{exporter}");
        let dims: Vec<(&str, u64)> = loaded.graph.dims.iter().map(|dim| (dim.name.as_str(), dim.size)).collect();
        assert_eq!(dims, [("batch", 3), ("seq", 64)], "{exporter}");
    }
}

#[test]
fn nodes_stand_in_their_modules() {
    for (capture, module) in [
        ("bert_base-ts17", "model.encoder.layer.3.attention.self.query"),
        ("bert_base-dynamo20", "model.encoder.layer.3.attention.self.query"),
        ("vit_b_16-ts17", "encoder.layers.encoder_layer_3.self_attention"),
        ("vit_b_16-dynamo23", "encoder.layers.encoder_layer_3.self_attention"),
    ] {
        let loaded = load(capture, &[]);
        let inside = |module: &str| {
            let nodes = loaded.graph.nodes();
            nodes.filter(|(_, node)| loaded.graph.text(node.source.scope) == module).count()
        };
        let scopes: std::collections::BTreeSet<&str> =
            loaded.graph.nodes().map(|(_, node)| loaded.graph.text(node.source.scope)).collect();
        assert!(inside(module) > 0, "{capture}: {scopes:?}");
    }
}

/// A reader of truncated files must end in an error, or in a graph that the verifier accepts.
#[test]
fn cut_captures_do_no_harm() {
    let packed = std::fs::read(folder().join("vit_b_16-dynamo23.onnx.gz")).unwrap();
    let mut model = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut model).unwrap();
    for part in 0..64 {
        let cut = model[..model.len() * part / 64].to_vec();
        let _ = fusewright_onnx::read(Bytes::from(cut), &|_| None, &Bindings::default());
    }
}
