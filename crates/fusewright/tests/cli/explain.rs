//! Why a plan is as it is.

use serde_json::Value;

use crate::contract::assert_agrees;
use crate::run::{json, run, stdout};
use crate::scratch::Scratch;
use crate::stack::{Break, encoder};

fn lines(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn plan(report: &Value) -> &Value {
    &report["plans"][0]
}

/// The group of a pattern.
fn group<'a>(report: &'a Value, pattern: &str) -> &'a Value {
    let groups = plan(report)["groups"].as_array().expect("a list");
    groups.iter().find(|group| group["pattern"] == pattern).unwrap_or_else(|| panic!("{pattern} is not in {groups:#?}"))
}

#[test]
fn groups_say_their_rules_their_worth_and_their_end() {
    let arguments = ["explain", "vit_b_16", "--strategy", "attention", "--hw", "a100-sxm-80", "--format", "json"];
    let report = json(&arguments);
    assert_agrees("explain", &report);
    let mlp = group(&report, "layer_norm_linear_gelu_linear");
    assert_eq!((&mlp["times"], &mlp["kernels_saved"]), (&12.into(), &3.into()));
    assert_eq!(mlp["places"]["encoder.layers.encoder_layer_{0-11}"], 1);
    let rules: Vec<&Value> = mlp["rules"].as_array().expect("a list").iter().collect();
    assert_eq!(rules, ["layer-norm-linear", "linear-gelu", "gelu-linear"]);
    // What passes inside: the norm's and the two products' results but for the last.
    assert_eq!(mlp["bytes_internal"], 197 * (768 + 3072 + 3072) * 4);
    assert_eq!((&mlp["ends"][0]["rule"], &mlp["ends"][0]["reader_ops"][0]), (&"no-rule".into(), &"add".into()));
    assert_eq!(mlp["not_realizable"]["rule"], "row-after-product");
    assert!(mlp["time_us"]["mid"].as_f64().is_some_and(|us| us > 0.0) && mlp["bottleneck"].is_string(), "{mlp}");
    let merged = group(&report, "Parallel_QKV_Linear");
    assert_eq!((&merged["kind"], &merged["rules"][0]), (&"parallel".into(), &"parallel-qkv-linear".into()));
    // Every kernel of the plan is in one of the groups.
    let groups = plan(&report)["groups"].as_array().expect("a list");
    let times: u64 = groups.iter().filter_map(|group| group["times"].as_u64()).sum();
    assert_eq!(plan(&report)["kernels"], times);
}

#[test]
fn a_broken_attention_is_a_miss_with_its_evidence() {
    let scratch = Scratch::new();
    let path = scratch.file("encoder.json", &encoder(4, Some((2, Break::SecondReader))));
    let report = json(&["explain", &path, "--strategy", "attention", "--misses", "--format", "json"]);
    assert_agrees("explain", &report);
    assert_eq!(plan(&report)["groups"], Value::Array(Vec::new()));
    let misses = plan(&report)["misses"].as_array().expect("a list");
    let miss = misses.iter().find(|miss| miss["rule"] == "attention").expect("the attention of layer 2 is missed");
    assert_eq!((&miss["kind"], &miss["reason"], &miss["times"]), (&"near".into(), &"second-reader".into(), &1.into()));
    assert_eq!(miss["places"]["encoder.layers.2"], 1);
    assert_eq!((&miss["node"], &miss["shape"]), (&"encoder_layers_2_seen".into(), &"f32[1, 4, 16, 16]".into()));
    assert!(miss["change"].is_string() && miss["kernels_saved"].as_u64() >= Some(1), "{miss}");
    let page = lines(&stdout(&["explain", &path, "--strategy", "attention", "--rule", "second-reader"]));
    assert!(page.starts_with("second-reader (reason) "), "{page}");
    assert!(page.contains("1 × attention, second-reader: in encoder.layers.2"), "{page}");
    assert!(!page.contains("linear_gelu_linear"), "{page}");
}

#[test]
fn a_node_is_explained_in_every_plan() {
    let scratch = Scratch::new();
    let path = scratch.file("encoder.json", &encoder(2, Some((1, Break::SecondReader))));
    let report = json(&["explain", &path, "--node", "encoder_layers_1_weights", "--format", "json"]);
    assert_agrees("explain", &report);
    let node = &report["node"];
    assert_eq!((&node["op"], &node["module"]), (&"softmax".into(), &"encoder.layers.1".into()));
    let plans = node["plans"].as_array().expect("a list");
    let strategies: Vec<&Value> = plans.iter().map(|plan| &plan["strategy"]).collect();
    for known in ["eager", "standard", "attention", "optimal"] {
        assert!(strategies.contains(&&Value::from(known)), "{strategies:?}");
    }
    let attention = plans.iter().find(|plan| plan["strategy"] == "attention").expect("it is planned");
    assert_eq!(attention["end"]["rule"], "several-readers");
    assert!(attention["because"][0].as_str().is_some_and(|text| text.contains("mul-softmax")), "{attention}");
    assert!(
        node["misses"].as_array().is_some_and(|misses| misses.iter().any(|miss| miss["rule"] == "attention")),
        "{node}"
    );
    // The same node of the whole layer is no miss, and its reader joins it.
    let whole =
        json(&["explain", &path, "--node", "encoder_layers_0_weights", "--strategy", "attention", "--format", "json"]);
    assert_eq!(whole["node"]["plans"][0]["end"], Value::Null);
    assert_eq!(whole["node"]["misses"], Value::Array(Vec::new()));
    // A view launches nothing; a value's name stands for its maker.
    let page = stdout(&["explain", &path, "--node", "encoder_layers_0_key_turned"]);
    assert!(page.contains("launches nothing"), "{page}");
}

#[test]
fn names_that_do_not_exist_bring_near_ones() {
    for (arguments, says) in [
        (&["explain", "vit_b_16", "--node", "encoder_lm"][..], "`encoder_ln`"),
        (
            &["explain", "vit_b_16", "--node", "layer_0_self_attention:sof"],
            "`encoder_layers_encoder_layer_0_self_attention:softmax`",
        ),
        (&["explain", "vit_b_16", "--node", "nothing like it"], "fusewright dump MODEL --decompose"),
        (&["explain", "--rule", "several-reader"], "`several-readers`"),
        (&["explain", "vit_b_16", "--rule", "xyz"], "fusewright patterns list"),
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
    assert_eq!(run(&["explain"]).code, Some(2));
    assert_eq!(run(&["explain", "no-such-model"]).code, Some(3));
}

#[test]
fn every_id_that_is_shown_has_a_text() {
    let mut ids: Vec<String> = Vec::new();
    for (model, strategy) in
        [("vit_b_16", "attention"), ("bert-base", "optimal"), ("efficientnet_b0", "standard"), ("gpt2", "compiled")]
    {
        let report = json(&["explain", model, "--strategy", strategy, "--hw", "l4", "--format", "json"]);
        for group in plan(&report)["groups"].as_array().expect("a list") {
            ids.extend(group["rules"].as_array().expect("a list").iter().filter_map(Value::as_str).map(str::to_owned));
            ids.extend(group["not_realizable"]["rule"].as_str().map(str::to_owned));
            ids.extend(
                group["ends"]
                    .as_array()
                    .expect("a list")
                    .iter()
                    .filter_map(|end| end["rule"].as_str())
                    .map(str::to_owned),
            );
        }
        for miss in plan(&report)["misses"].as_array().expect("a list") {
            ids.extend([&miss["rule"], &miss["reason"]].iter().filter_map(|id| id.as_str()).map(str::to_owned));
        }
    }
    ids.sort();
    ids.dedup();
    assert!(ids.len() > 12, "{ids:?}");
    for id in ids {
        let text = json(&["explain", "--rule", &id, "--format", "json"]);
        assert_eq!(text["id"], id.as_str());
        assert!(text["text"].as_str().is_some_and(|text| text.len() > 20), "{text}");
    }
}

#[test]
fn explanations_fit_80_columns_and_are_reproducible() {
    for arguments in [
        &["explain", "vit_b_16", "-n", "0"][..],
        &["explain", "efficientnet_b0", "--strategy", "standard", "--hw", "t4", "-n", "0"],
        &["explain", "llama-3-8b", "--strategy", "optimal", "--hw", "h100-sxm", "-n", "0"],
        &["explain", "swin-tiny", "--strategy", "compiled"],
        &["explain", "resnet50", "--profile", "reference", "--strategy", "standard"],
        &["explain", "bert-base", "--node", "encoder.layer.0.attention.self.query.linear", "--hw", "a10"],
    ] {
        let page = stdout(arguments);
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
        assert_eq!(page, stdout(arguments));
        stdout(&[arguments, &["--format", "markdown"]].concat());
    }
}
