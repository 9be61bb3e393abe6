//! What models may be read from, and how everything else is refused.

use std::io::Write;

use serde_json::Value;

use crate::run::{json, run, run_with_input};
use crate::scratch::Scratch;

/// A small model with a named batch.
const TINY: &str = r#"{
  "format": "fx-graph", "version": 1, "name": "tiny",
  "symbols": {"batch": {"min": 1, "max": 64, "hint": 2}},
  "nodes": [
    {"name": "x", "op": "placeholder", "target": "x", "out": {"shape": ["batch", 8], "dtype": "float32"}},
    {"name": "y", "op": "call_function", "target": "operator.add", "args": [{"ref": "x"}, {"ref": "x"}],
     "out": {"shape": ["batch", 8], "dtype": "float32"}},
    {"name": "output", "op": "output", "target": "output", "args": [{"ref": "y"}]}
  ]}"#;

fn packed(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

/// A model of one attention layer over a sequence of `length`.
fn attention(length: u64) -> String {
    let x = format!(r#"{{"shape": [1, {length}, 8], "dtype": "float32"}}"#);
    let parameter = |name: &str, shape: &str| {
        format!(r#""{name}": {{"name": "a.{name}", "shape": {shape}, "dtype": "float32", "kind": "parameter"}}"#)
    };
    format!(
        r#"{{"format": "fx-graph", "version": 1, "name": "long", "nodes": [
          {{"name": "x", "op": "placeholder", "target": "x", "out": {x}}},
          {{"name": "a", "op": "call_module", "target": "a", "args": [{{"ref": "x"}}, {{"ref": "x"}}, {{"ref": "x"}}],
            "kwargs": {{"need_weights": false}}, "out": [{x}, {{"const": null}}]}},
          {{"name": "y", "op": "call_function", "target": "operator.getitem", "args": [{{"ref": "a"}}, 0], "out": {x}}},
          {{"name": "output", "op": "output", "target": "output", "args": [{{"ref": "y"}}]}}],
        "modules": {{"a": {{"class": "torch.nn.modules.activation.MultiheadAttention",
          "attrs": {{"embed_dim": 8, "num_heads": 2, "batch_first": true, "dropout": 0.0, "bias": true}},
          "params": {{{}, {}, {}, {}}}}}}}}}"#,
        parameter("in_proj_weight", "[24, 8]"),
        parameter("in_proj_bias", "[24]"),
        parameter("out_proj.weight", "[8, 8]"),
        parameter("out_proj.bias", "[8]"),
    )
}

#[test]
fn an_attention_layer_is_opened_unless_its_scores_cannot_be() {
    let scratch = Scratch::new();
    let short = scratch.file("short.json", attention(16).as_bytes());
    let report = json(&["plan", &short, "--format", "json"]);
    assert_eq!((&report["model"]["nodes"], &report["attention"]["found"]), (&22.into(), &1.into()));

    let long = scratch.file("long.json", attention(1 << 27).as_bytes());
    let ran = run(&["plan", &long]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    for says in [long.as_str(), "node `a`", "2^48"] {
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
}

/// One thing that is no model, with what the message must say.
struct Refusal {
    file: &'static str,
    content: Vec<u8>,
    says: &'static [&'static str],
}

#[test]
fn files_that_are_no_models_end_in_code_3_with_a_reason() {
    let whole = packed(TINY.as_bytes());
    let with = |from: &str, to: &str| TINY.replacen(from, to, 1).into_bytes();
    let cases = [
        Refusal { file: "empty.json", content: Vec::new(), says: &["JSON"] },
        Refusal { file: "text.json", content: b"hello".to_vec(), says: &["not JSON", "line 1", "fx-graph"] },
        Refusal { file: "binary.json", content: vec![0xff; 100], says: &["not JSON"] },
        Refusal { file: "cut.json", content: TINY.as_bytes()[..200].to_vec(), says: &["line"] },
        Refusal { file: "other.json", content: b"{\"a\": 1}".to_vec(), says: &["fx-graph"] },
        Refusal { file: "list.json", content: b"[1, 2]".to_vec(), says: &["fx-graph"] },
        Refusal {
            file: "new.json",
            content: with("\"version\": 1", "\"version\": 9"),
            says: &["version 9", "version 1"],
        },
        Refusal { file: "ref.json", content: with("\"ref\": \"x\"", "\"ref\": \"z\""), says: &["`y`", "`z`"] },
        Refusal { file: "twice.json", content: with("\"name\": \"y\"", "\"name\": \"x\""), says: &["`x`", "unique"] },
        Refusal { file: "cycle.json", content: with("\"ref\": \"x\"", "\"ref\": \"y\""), says: &["`y`", "cycle"] },
        Refusal {
            file: "shape.json",
            content: with(
                "[\"batch\", 8], \"dtype\": \"float32\"}},\n    {\"name\": \"y\"",
                "[281474976710656, 8], \"dtype\": \"float32\"}},\n    {\"name\": \"y\"",
            ),
            says: &["`x`", "2^48"],
        },
        Refusal { file: "deep.json", content: "[".repeat(10_000_000).into_bytes(), says: &["nested"] },
        Refusal { file: "cut.json.gz", content: whole[..whole.len() - 20].to_vec(), says: &["decompressed"] },
        Refusal { file: "damaged.gz", content: [&whole[..20], &[0; 40]].concat(), says: &["decompressed"] },
        Refusal { file: "not.json.gz", content: packed(b"hello"), says: &["not JSON"] },
        Refusal { file: "model.onnx", content: b"\x08\x08".to_vec(), says: &["graph", "export it again"] },
        Refusal { file: "model.pt2", content: b"PK\x03\x04".to_vec(), says: &["zip archive", "torch.export.save"] },
        Refusal { file: "renamed.json", content: b"PK\x03\x04....".to_vec(), says: &["zip", "fx.py"] },
        Refusal { file: "model.safetensors", content: Vec::new(), says: &["weights and no graph", "fx.py"] },
        Refusal {
            file: "config.json",
            content: b"{\"model_type\": \"mistrall\"}".to_vec(),
            says: &["`model_type`", "`mistral`", "torch.export"],
        },
    ];
    let scratch = Scratch::new();
    for case in cases {
        let path = scratch.file(case.file, &case.content);
        for command in ["plan", "dump"] {
            let ran = run(&[command, &path]);
            assert_eq!(ran.code, Some(3), "{}: {ran:?}", case.file);
            assert_eq!(ran.stdout, "", "{}", case.file);
            assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(&path), "{}: {}", case.file, ran.stderr);
            for said in case.says {
                assert!(ran.stderr.contains(said), "{}: `{said}` in {}", case.file, ran.stderr);
            }
            assert!(!ran.stderr.contains("panic"), "{}", ran.stderr);
        }
    }
}

#[test]
fn names_that_lead_nowhere_end_in_code_3() {
    let scratch = Scratch::new();
    let missing = scratch.path("missing.json");
    let folder = scratch.path("");
    let cases = [
        (missing.as_str(), "no file and no built-in model"),
        (folder.as_str(), "is a folder"),
        ("vit_b_61", "did you mean `vit_b_16`"),
        ("ViT-L/16", "did you mean `vit_l_16`"),
        ("no-such-model-at-all", "`fusewright models list`"),
    ];
    for (model, says) in cases {
        let ran = run(&["plan", model]);
        assert_eq!(ran.code, Some(3), "{model}: {ran:?}");
        assert!(ran.stderr.contains(says), "{model}: {}", ran.stderr);
    }
}

#[test]
fn wrong_requests_end_in_code_2() {
    let scratch = Scratch::new();
    let tiny = scratch.file("tiny.json", TINY.as_bytes());
    let cases: [(&[&str], &str); 20] = [
        (&[], "Usage"),
        (&["plan"], "MODEL"),
        (&["plna", "vit_b_16"], "plan"),
        (&["plan", "vit_b_16", "--strategy", "optimum"], "attention"),
        (&["plan", "vit_b_16", "--profile", "other"], "reference"),
        (&["plan", "vit_b_16", "--dtype", "i8"], "bf16"),
        (&["plan", "vit_b_16", "--format", "xml"], "markdown"),
        (&["plan", "vit_b_16", "--dim", "nonsense"], "batch=8"),
        (&["plan", "vit_b_16", "--dim", "batch=-1"], "batch=8"),
        (&["plan", "vit_b_16", "--dim", "batch=8"], "all its sizes are fixed"),
        (&["plan", "vit_b_16", "--batch", "8"], "torchvision:vit_b_16"),
        (&["plan", &tiny, "--seq", "8"], "--dim batch=N"),
        (&["plan", &tiny, "--batch", "8", "--dim", "batch=9"], "given twice"),
        (&["plan", &tiny, "--batch", "65"], "1..=64"),
        (&["plan", &tiny, "--phase", "decode"], "config.json only"),
        (&["plan", "gpt2", "--phase", "train"], "prefill"),
        (&["plan", "gpt2", "--dim", "length=8"], "--dim batch=N"),
        (&["plan", "gpt2", "--context", "8"], "`context`"),
        (&["plan", "gpt2", "--seq", "0"], "`seq` = 0"),
        (&["plan", "bert-base", "--target-seq", "8"], "`target_seq`"),
    ];
    for (arguments, says) in cases {
        let ran = run(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{arguments:?}");
        assert!(ran.stderr.contains(says), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn one_model_in_many_wrappings() {
    let scratch = Scratch::new();
    let plain = scratch.file("tiny.json", TINY.as_bytes());
    let named_otherwise = scratch.file("tiny.bin", &packed(TINY.as_bytes()));
    let figures = |mut report: Value| {
        report["model"]["source"] = Value::Null;
        report
    };
    let expected = figures(json(&["plan", &plain, "--format", "json"]));
    assert_eq!(figures(json(&["plan", &named_otherwise, "--format", "json"])), expected);
    for input in [TINY.as_bytes().to_vec(), packed(TINY.as_bytes())] {
        let ran = run_with_input(&["plan", "-", "--format", "json"], &input);
        let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert_eq!(report["model"]["source"], "-");
        assert_eq!(figures(report), expected);
    }
}

#[test]
fn dims_are_bound_at_load() {
    let scratch = Scratch::new();
    let tiny = scratch.file("tiny.json", TINY.as_bytes());
    for (flags, size) in [(&[][..], 2), (&["--batch", "16"], 16), (&["--dim", "batch=3"], 3)] {
        let report = json(&[&["plan", &tiny, "--format", "json"], flags].concat());
        assert_eq!(report["model"]["dims"], serde_json::json!([{"name": "batch", "size": size}]));
        assert_eq!(report["strategies"][0]["bytes"]["written"], size * 8 * 4);
    }
}

#[test]
fn unknown_ops_are_carried_warned_of_and_listed() {
    let scratch = Scratch::new();
    let strange = scratch.file("strange.json", TINY.replacen("operator.add", "my.library.op", 1).as_bytes());
    let ran = run(&["plan", &strange, "--format", "json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.starts_with("warning: node `y`"), "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(report["model"]["uncounted_ops"][0]["count"], 1);
    assert_eq!(report["warnings"][0]["node"], "y");
    assert_eq!(run(&["plan", &strange, "-q"]).stderr, "");
}
