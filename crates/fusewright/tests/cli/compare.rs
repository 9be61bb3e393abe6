//! Plans side by side.

use serde_json::Value;

use crate::contract::assert_agrees;
use crate::run::{json, run, stdout};
use crate::scratch::Scratch;
use crate::stack::{Break, encoder};

/// A file of the tests.
fn data(name: &str) -> String {
    format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn onnx(name: &str) -> String {
    format!("{}/../fusewright-onnx/tests/models/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn lines(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn two_versions_say_what_vanished_and_where() {
    let scratch = Scratch::new();
    let old = scratch.file("old.json", &encoder(4, None));
    let new = scratch.file("new.json", &encoder(4, Some((3, Break::SecondReader))));
    let page = lines(&stdout(&["compare", &old, &new, "--strategy", "attention"]));
    for says in [
        "old → new: 20 kernels become 23 (+15.0 %)",
        "The models differ in structure.",
        "attentions fused 4 of 4 3 of 4",
        "vanished: 1 × matmul_mul_softmax_matmul_copy_linear, in encoder.layers.3",
    ] {
        assert!(page.contains(says), "`{says}` is not in:\n{page}");
    }
    let report = json(&["compare", &old, &new, "--strategy", "attention", "--format", "json"]);
    assert_agrees("compare", &report);
    assert_eq!(report["same_model"], false);
    let back = json(&["compare", &new, &old, "--strategy", "attention", "--format", "json"]);
    assert_eq!(report["vanished"][0]["pattern"], back["appeared"][0]["pattern"]);
    let same = json(&["compare", &old, &old, "--strategy", "attention", "--format", "json"]);
    assert_eq!(
        (&same["same_model"], &same["vanished"], &same["same"]["groups"]),
        (&true.into(), &Value::Array(Vec::new()), &12.into())
    );
}

#[test]
fn two_strategies_share_one_model() {
    let report =
        json(&["compare", "vit_b_16", "--strategy", "standard", "--strategy", "attention", "--format", "json"]);
    assert_agrees("compare", &report);
    assert_eq!(report["same_model"], true);
    let kernels: Vec<&Value> =
        report["sides"].as_array().expect("a list").iter().map(|side| &side["kernels"]).collect();
    assert_eq!(kernels, [160, 76]);
    assert_eq!(report["appeared"][0]["places"]["encoder.layers.encoder_layer_{0-11}.self_attention"], 1);
    let left: Vec<(&Value, &Value, &Value)> = report["left_apart"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|left| (&left["what"], &left["times"], &left["fused_by_last"]))
        .collect();
    let twelve = Value::from(12);
    assert_eq!(left, [(&"attention".into(), &twelve, &true.into()), (&"projections".into(), &twelve, &true.into())]);
}

#[test]
fn two_devices_share_one_plan() {
    let report = json(&["compare", "bert-base", "--hw", "a100-sxm-80", "--hw", "h100-sxm", "--format", "json"]);
    assert_agrees("compare", &report);
    let sides = report["sides"].as_array().expect("a list");
    let devices: Vec<&Value> = sides.iter().map(|side| &side["device"]).collect();
    assert_eq!(devices, ["a100-sxm-80", "h100-sxm"]);
    let time = |side: &Value| side["latency_us"]["mid"].as_f64().expect("a time");
    assert!(time(&sides[0]) > time(&sides[1]));
    assert!(sides.iter().all(|side| time(side) >= side["floor_us"].as_f64().expect("a floor")));
}

#[test]
fn an_optimized_file_is_scored_and_what_it_missed_is_said() {
    let (raw, optimized) = (data("bert_masked.onnx.gz"), data("bert_masked-onnxruntime.onnx.gz"));
    let report = json(&["compare", &raw, &optimized, "-q", "--format", "json"]);
    assert_agrees("compare", &report);
    let sides = report["sides"].as_array().expect("a list");
    let strategies: Vec<&Value> = sides.iter().map(|side| &side["strategy"]).collect();
    assert_eq!(strategies, ["as-written", "as-written", "optimal"]);
    let kernels: Vec<u64> = sides.iter().map(|side| side["kernels"].as_u64().expect("a count")).collect();
    assert!(kernels[0] > kernels[1] && kernels[1] > kernels[2], "{kernels:?}");
    // The optimizer finds neither attention nor projections in this export.
    assert_eq!((&sides[1]["attention_fused"]["done"], &sides[1]["attention_fused"]["of"]), (&0.into(), &2.into()));
    let left = report["left_apart"].as_array().expect("a list");
    for what in ["attention", "projections"] {
        let entry =
            left.iter().find(|left| left["what"] == what).unwrap_or_else(|| panic!("{what} is not in {left:?}"));
        assert_eq!(entry["times"], 2);
        assert_eq!(entry["places"]["model.encoder.layer.{0-1}.attention.self"], 1, "{entry}");
    }
    let page = lines(&stdout(&["compare", &raw, &optimized, "-q"]));
    assert!(page.contains("left apart: 2 attentions") && page.contains("left apart: 2 sets of projections"), "{page}");
}

#[test]
fn fused_ops_of_a_file_are_kernels_of_it() {
    let fused = onnx("bert_eager-ts17-fused.onnx.gz");
    let report = json(&["compare", &fused, "-q", "--format", "json"]);
    let sides = report["sides"].as_array().expect("a list");
    assert_eq!(sides.len(), 2);
    assert_eq!((&sides[0]["strategy"], &sides[0]["kernels"]), (&"as-written".into(), &25.into()));
    assert_eq!(sides[0]["attention_fused"], sides[1]["attention_fused"]);
    assert_eq!(sides[0]["attention_fused"]["done"], 2);
    assert_eq!(sides[0]["projections_merged"]["done"], 2);
}

#[test]
fn one_thing_differs_at_a_time() {
    for (arguments, says) in [
        (&["compare", "vit_b_16", "--strategy", "eager"][..], "nothing to compare with"),
        (&["compare", "vit_b_16", "resnet50", "--hw", "h100-sxm", "--hw", "t4"], "at once"),
        (
            &["compare", "vit_b_16", "--strategy", "eager", "--strategy", "standard", "--hw", "t4", "--hw", "l4"],
            "at once",
        ),
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(ran.stderr.contains(says) && ran.stderr.contains(" help: "), "{}", ran.stderr);
    }
    assert_eq!(run(&["compare", "vit_b_16", "no-such-model"]).code, Some(3));
}

#[test]
fn comparisons_fit_80_columns_and_are_reproducible() {
    let raw = data("bert_masked.onnx.gz");
    let optimized = data("bert_masked-onnxruntime.onnx.gz");
    for arguments in [
        &["compare", "vit_b_16", "--strategy", "eager", "--strategy", "standard", "--strategy", "attention"][..],
        &["compare", "bert-base", "roberta-base", "-n", "0"],
        &["compare", &raw, &optimized, "-q", "-n", "0", "--hw", "xeon-8490h"],
        &["compare", "llama-3-8b", "--hw", "h100-sxm", "--hw", "mi300x"],
    ] {
        let page = stdout(arguments);
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
        assert_eq!(page, stdout(arguments));
        let markdown = stdout(&[arguments, &["--format", "markdown"]].concat());
        assert!(markdown.contains("| kernels |"), "{markdown}");
    }
}
