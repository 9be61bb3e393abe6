//! One model in every form: the figures agree, weights are not needed, and what lies beside a file is used with care.

use serde_json::{Value, json as value};

use crate::run::{json, run, stdout};
use crate::scratch::Scratch;

const PT2: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fusewright-torch/tests/pt2/models/");
const ONNX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fusewright-onnx/tests/models/");

/// Parameters, FLOPs of contractions, attentions and merges of a model.
fn figures(arguments: &[&str]) -> [Value; 4] {
    let report = json(&[&["plan", "-q", "--format", "json"], arguments].concat());
    [
        report["model"]["parameters"].clone(),
        report["flops"]["contraction"].clone(),
        report["attention"]["found"].clone(),
        report["strategies"][2]["parallel_merges"].clone(),
    ]
}

#[test]
fn a_model_has_the_same_figures_in_every_form() {
    let bert = [109_482_240_u64, 22_348_431_360, 12, 12].map(Value::from);
    assert_eq!(figures(&["bert-base"]), bert);
    assert_eq!(figures(&[&format!("{PT2}bert.pt2")]), bert);
    for file in ["bert_base-ts17", "bert_base-dynamo20", "bert_base-dynamo23"] {
        assert_eq!(figures(&[&format!("{ONNX}{file}.onnx.gz")]), bert, "{file}");
    }
    let gpt2 = [124_439_808_u64, 32_228_179_968, 12, 0].map(Value::from);
    assert_eq!(figures(&["gpt2"]), gpt2);
    assert_eq!(figures(&[&format!("{PT2}gpt2.pt2")]), gpt2);
    assert_eq!(figures(&[&format!("{ONNX}gpt2-dynamo20.onnx.gz")]), gpt2);
}

#[test]
fn open_sizes_are_bound_alike_in_every_form() {
    let sizes = ["--batch", "2", "--seq", "64"];
    let expected = figures(&[&["bert-base"], &sizes[..]].concat());
    for file in ["bert_base-ts17-dynamic", "bert_base-dynamo20-dynamic"] {
        let found = figures(&[&[format!("{ONNX}{file}.onnx.gz").as_str()], &sizes[..]].concat());
        assert_eq!(found, expected, "{file}");
    }
}

#[test]
fn a_decode_step_reads_and_extends_the_cache() {
    let report = json(&["plan", "llama-3-8b", "--phase", "decode", "--context", "999", "-q", "--format", "json"]);
    let dims = value!([{"name": "batch", "size": 1}, {"name": "seq", "size": 1}, {"name": "context", "size": 999}]);
    assert_eq!(report["model"]["dims"], dims);
    let site = &report["attention"]["sites"][0];
    assert_eq!((&site["queries"], &site["keys"]), (&1.into(), &1000.into()));
    assert_eq!((&site["heads"], &site["kv_heads"]), (&32.into(), &8.into()));
}

#[test]
fn missing_weights_are_said_once_and_change_nothing() {
    let ran = run(&["plan", &format!("{PT2}bert.pt2"), "--format", "json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.stderr, "note: the weights are not in the archive; they are not needed\n");
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(report["notes"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_folder_stands_for_its_configuration_and_its_checkpoint_is_compared() {
    let scratch = Scratch::new();
    let config =
        br#"{"model_type": "gpt2", "n_layer": 1, "n_embd": 8, "n_head": 2, "vocab_size": 10, "n_positions": 4}"#;
    scratch.file("config.json", config);
    let folder = scratch.path("");
    assert_eq!(run(&["plan", &folder, "--seq", "4"]).stderr, "");
    let parameters = json(&["plan", &folder, "--seq", "4", "-q", "--format", "json"])["model"]["parameters"].clone();

    let checkpoint = |elements: u64| {
        let bytes = elements * 4;
        let header = format!(r#"{{"w": {{"dtype": "F32", "shape": [{elements}], "data_offsets": [0, {bytes}]}}}}"#);
        let length = (header.len() as u64).to_le_bytes();
        [&length[..], header.as_bytes(), &vec![0; usize::try_from(bytes).expect("a small file")]].concat()
    };
    let count = parameters.as_u64().expect("a count");
    for (elements, says) in [(count, "holds the same"), (count + 1, "1 more than")] {
        scratch.file("model.safetensors", &checkpoint(elements));
        let ran = run(&["plan", &folder, "--seq", "4"]);
        assert!(ran.code == Some(0) && ran.stderr.contains(says), "{ran:?}");
    }
}

/// An ONNX model `y = x + w` whose weight lies in another file.
fn with_external_weight(location: &str) -> Vec<u8> {
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).expect("short fields");
        let length = if length < 128 { vec![length] } else { vec![length, 1] };
        [&[number << 3 | 2], &length[..], content].concat()
    }
    let entry = |key: &str, value: &str| field(13, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat());
    let weight = [vec![0x08, 4, 0x10, 1], field(8, b"w"), entry("location", location), vec![0x70, 1]].concat();
    let dim = field(1, &[0x08, 4]);
    let input = |name: &str| {
        let tensor = [vec![0x08, 1], field(2, &dim)].concat();
        [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
    };
    let node = [field(1, b"x"), field(1, b"w"), field(2, b"y"), field(4, b"Add")].concat();
    let graph =
        [field(1, &node), field(2, b"g"), field(5, &weight), field(11, &input("x")), field(12, &input("y"))].concat();
    [vec![0x08, 8], field(7, &graph), field(8, &[0x10, 17])].concat()
}

#[test]
fn external_weights_stay_inside_the_folder() {
    let scratch = Scratch::new();
    let inside = scratch.file("inside.onnx", &with_external_weight("weights-of-the-model.bin"));
    let ran = run(&["plan", &inside]);
    assert!(ran.code == Some(0) && ran.stderr.contains("they are not needed"), "{ran:?}");
    for location in ["../weights-of-the-model.bin", "/etc/weights-of-the-model", "a/../../weights-of-model"] {
        let outside = scratch.file("outside.onnx", &with_external_weight(location));
        let ran = run(&["plan", &outside]);
        assert!(ran.code == Some(3) && ran.stderr.contains(location), "{location}: {ran:?}");
    }
}

#[cfg(unix)]
#[test]
fn links_that_leave_the_folder_are_refused() {
    let (scratch, elsewhere) = (Scratch::new(), Scratch::new());
    let target = elsewhere.file("secret", &[0; 64]);
    std::os::unix::fs::symlink(target, scratch.path("weights-of-the-model.bin")).expect("links can be made");
    let model = scratch.file("model.onnx", &with_external_weight("weights-of-the-model.bin"));
    let ran = run(&["plan", &model]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("weights-of-the-model.bin") && ran.stderr.contains("leaves the folder"), "{ran:?}");
}

#[test]
fn a_trace_has_a_track_for_each_plan_and_a_slice_for_each_kernel() {
    let trace = json(&["plan", "vit_b_16", "--hw", "a100-sxm-80", "--format", "trace"]);
    let plan = json(&["plan", "vit_b_16", "--hw", "a100-sxm-80", "--format", "json"]);
    let events = trace["traceEvents"].as_array().expect("events");
    for (track, strategy) in (1_u64..).zip(plan["strategies"].as_array().expect("strategies")) {
        let slices: Vec<_> = events.iter().filter(|event| event["ph"] == "X" && event["tid"] == track).collect();
        assert_eq!(slices.len() as u64, strategy["kernels"].as_u64().expect("a count"));
        let end = slices
            .last()
            .map_or(0.0, |last| last["ts"].as_f64().unwrap_or_default() + last["dur"].as_f64().unwrap_or_default());
        let time = strategy["latency_us"]["mid"].as_f64().expect("a time");
        assert!((end - time).abs() < time * 1e-9, "{end} is {time}");
    }
    let ran = run(&["plan", "vit_b_16", "--format", "trace"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

#[test]
fn a_flowchart_has_a_box_for_each_kernel() {
    let chart = stdout(&["plan", "resnet50", "--format", "mermaid"]);
    let plan = json(&["plan", "resnet50", "--format", "json"]);
    assert!(chart.starts_with("flowchart TD\n"));
    // Without a device the best plan is the one that moves the fewest bytes.
    let moved = |plan: &&Value| plan["bytes"]["read"].as_u64().zip(plan["bytes"]["written"].as_u64());
    let sum = |plan: &&Value| moved(plan).map(|(read, written)| read + written);
    let best = plan["strategies"].as_array().expect("strategies").iter().min_by_key(sum).expect("plans");
    assert_eq!(best["kernels"].as_u64(), Some(chart.matches("]:::").count() as u64));
}

#[test]
fn node_data_name_every_op_and_add_up_to_the_plan() {
    let model = format!("{PT2}bert.pt2");
    for (more, unit) in [(vec![], "bytes"), (vec!["--hw", "a100-sxm-80"], "us")] {
        let words = |format| [&["plan", &model, "-q", "--strategy", "optimal", "--format", format], &more[..]].concat();
        let data = json(&words("model-explorer"));
        let plan = json(&words("json"));
        let results = data["results"].as_object().expect("results");
        let nodes = json(&["dump", &model, "--decompose", "-q", "--format", "json"]);
        assert_eq!(results.len(), nodes["nodes"].as_array().expect("nodes").len());
        let strategy = &plan["strategies"][0];
        let expected = match unit {
            "us" => strategy["latency_us"]["mid"].as_f64(),
            _ => strategy["bytes"]["read"].as_f64().zip(strategy["bytes"]["written"].as_f64()).map(|(r, w)| r + w),
        };
        let sum: f64 = results.values().filter_map(|result| result["value"].as_f64()).sum();
        let expected = expected.expect("a figure");
        assert!((sum - expected).abs() < expected * 1e-9, "{sum} is {expected} {unit}");
    }
}
