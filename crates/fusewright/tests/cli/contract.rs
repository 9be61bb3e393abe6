//! The JSON that programs rely on: names, types and agreement with the published schema.

use serde_json::Value;

use crate::run::{json, stdout};

/// Every name of the published contract that is always there.
const NAMES: [&str; 44] = [
    "schema_version",
    "model.name",
    "model.source",
    "model.format",
    "model.nodes",
    "model.parameters",
    "model.parameter_bytes",
    "model.uncounted_ops",
    "flops.contraction",
    "flops.other",
    "macs",
    "attention.found",
    "attention.self",
    "attention.cross",
    "attention.sites",
    "attention.missed",
    "device.name",
    "device.dtype",
    "strategies.0.name",
    "strategies.0.profile",
    "strategies.0.nodes",
    "strategies.0.groups",
    "strategies.0.kernels",
    "strategies.0.mean_group_size",
    "strategies.0.max_group_size",
    "strategies.0.parallel_merges",
    "strategies.0.attention_chains",
    "strategies.0.bytes.read",
    "strategies.0.bytes.written",
    "strategies.0.bytes.internal",
    "strategies.0.peak_memory_bytes",
    "strategies.0.latency_us",
    "strategies.0.energy_mj",
    "strategies.0.patterns.0.name",
    "strategies.0.patterns.0.count",
    "strategies.0.not_realizable",
    "strategies.0.certificate.valid",
    "strategies.0.certificate.optimal",
    "strategies.0.certificate.gap",
    "floor.bytes",
    "floor.latency_us",
    "groups.0.id",
    "groups.0.depends_on",
    "groups.0.bottleneck",
];

fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, part| match part.parse::<usize>() {
        Ok(position) => value.get(position),
        Err(_) => value.get(part),
    })
}

#[test]
fn names_of_the_contract_are_there() {
    let report = json(&["plan", "vit_b_16", "--groups", "--format", "json"]);
    for name in NAMES {
        assert!(at(&report, name).is_some(), "{name}");
    }
    assert_eq!(report["schema_version"], 1);
    assert_eq!(report["model"]["name"], "vit_b_16");
    let names: Vec<&Value> = report["strategies"].as_array().expect("a list").iter().map(|s| &s["name"]).collect();
    assert_eq!(names, ["eager", "standard", "attention", "optimal"]);
    assert!(report["strategies"].as_array().expect("a list").iter().all(|s| s["certificate"]["valid"] == true));
}

#[test]
fn groups_come_only_when_asked_for() {
    assert!(json(&["plan", "vit_b_16", "--format", "json"]).get("groups").is_none());
}

#[test]
fn strategies_come_once_each_in_a_fixed_order() {
    let arguments = ["plan", "resnet50", "--format", "json"];
    let asked = ["--strategy", "attention", "--strategy", "eager", "--strategy", "attention"];
    let report = json(&[arguments.as_slice(), &asked].concat());
    let names: Vec<&Value> = report["strategies"].as_array().expect("a list").iter().map(|s| &s["name"]).collect();
    assert_eq!(names, ["eager", "attention"]);
}

#[test]
fn reports_agree_with_the_schema() {
    let schema = json(&["schema"]);
    for model in ["vit_b_16", "efficientnet_b0"] {
        for profile in ["default", "reference"] {
            let report = json(&["plan", model, "--profile", profile, "--groups", "--format", "json"]);
            let mut problems = Vec::new();
            check(&schema, &schema, &report, "report", &mut problems);
            assert!(problems.is_empty(), "{problems:#?}");
        }
    }
}

/// That a document agrees with a published schema.
pub(crate) fn assert_agrees(schema: &str, document: &Value) {
    let schema = json(&["schema", schema]);
    let mut problems = Vec::new();
    check(&schema, &schema, document, "document", &mut problems);
    assert!(problems.is_empty(), "{problems:#?}");
}

/// The part of JSON Schema that the published schema uses. Fields that it does not describe are problems too.
fn check(root: &Value, schema: &Value, value: &Value, path: &str, problems: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.trim_start_matches("#/$defs/");
        check(root, &root["$defs"][name], value, path, problems);
    }
    for choices in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[choices].as_array() {
            let fits = |choice: &&Value| {
                let mut inner = Vec::new();
                check(root, choice, value, path, &mut inner);
                inner.is_empty()
            };
            if !choices.iter().any(|choice| fits(&choice)) {
                problems.push(format!("{path}: {value} fits no choice"));
            }
        }
    }
    if let Some(expected) = schema.get("const").filter(|expected| *expected != value) {
        problems.push(format!("{path}: {value} is not {expected}"));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|name| is_of_type(value, name)) {
        problems.push(format!("{path}: {value} is none of {types:?}"));
    }
    if let (Some(properties), Some(object)) = (schema["properties"].as_object(), value.as_object()) {
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(required) {
                problems.push(format!("{path}: `{required}` is missing"));
            }
        }
        for (name, member) in object {
            match (properties.get(name), schema.get("additionalProperties")) {
                (Some(property), _) => check(root, property, member, &format!("{path}.{name}"), problems),
                (None, Some(any)) if any.is_object() => check(root, any, member, &format!("{path}.{name}"), problems),
                _ => problems.push(format!("{path}: `{name}` is not in the schema")),
            }
        }
    }
    if let (Some(items), Some(members)) = (schema.get("items"), value.as_array()) {
        for (position, member) in members.iter().enumerate() {
            check(root, items, member, &format!("{path}[{position}]"), problems);
        }
    }
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        other => panic!("the schema uses a type that this test does not know: {other}"),
    }
}

#[test]
fn models_are_listed_as_objects_with_names() {
    let models = json(&["models", "list", "--format", "json"]);
    let names: Vec<&str> =
        models.as_array().expect("a list").iter().filter_map(|model| model["name"].as_str()).collect();
    assert!(names.len() >= 40, "{names:?}");
    for known in ["bert-base", "gpt2", "llama-3-8b", "resnet50", "t5-small", "vit_b_16", "whisper-tiny"] {
        assert!(names.contains(&known), "{known}");
    }
    let listed = stdout(&["models", "list"]);
    for name in names {
        assert!(listed.contains(name));
        assert!(
            json(&["plan", name, "-q", "--format", "json"])["model"]["uncounted_ops"]
                .as_array()
                .is_some_and(Vec::is_empty),
            "{name}"
        );
    }
}

#[test]
fn dumps_hold_the_graph_before_and_after_attention_is_opened() {
    for (flags, nodes) in [([].as_slice(), 232), (["--decompose"].as_slice(), 472)] {
        let graph = json(&[["dump", "vit_b_16", "--format", "json"].as_slice(), flags].concat());
        assert_eq!(graph["nodes"].as_array().map(Vec::len), Some(nodes));
        let values = graph["values"].as_array().expect("a list");
        let ids = values.iter().map(|value| value["id"].as_u64().expect("a number"));
        assert!(ids.eq(0..values.len() as u64));
        let text = stdout(&[["dump", "vit_b_16"].as_slice(), flags].concat());
        let parsed = fusewright::ir::text::parse(&text).expect("a dump can be read back");
        assert_eq!(parsed.node_count(), nodes);
    }
}

#[test]
fn same_input_same_bytes() {
    for format in ["text", "json", "markdown", "csv", "dot"] {
        let arguments = ["plan", "vit_b_16", "--groups", "--format", format];
        assert_eq!(stdout(&arguments), stdout(&arguments), "{format}");
    }
}
