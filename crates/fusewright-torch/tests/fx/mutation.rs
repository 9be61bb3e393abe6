//! Writes in place: later readers get the new value, under whatever name they ask for it.

use super::support::{arguments, document, node_text, read};

fn nodes(calls: &[(&str, &str, &str, &str)]) -> String {
    let shape = |name: &str| match name {
        "flat" => r#"{"shape": [2, 192], "dtype": "float32"}"#,
        "set" => r#"{"const": null}"#,
        _ => r#"{"shape": [2, 3, 8, 8], "dtype": "float32"}"#,
    };
    let call = |(name, op, target, args): &(&str, &str, &str, &str)| {
        format!(
            r#"{{"name": "{name}", "op": "{op}", "target": "{target}", "args": [{}], "out": {}}}"#,
            arguments(args),
            shape(name)
        )
    };
    calls.iter().map(call).collect::<Vec<_>>().join(",\n")
}

#[test]
fn later_readers_get_the_written_value() {
    let nodes = nodes(&[
        ("a", "call_function", "operator.add", "%x, 1"),
        ("same", "call_method", "detach", "%a"),
        ("before", "call_function", "operator.add", "%a, %same"),
        ("written", "call_method", "relu_", "%same"),
        ("after", "call_function", "operator.add", "%a, %same"),
        ("again", "call_method", "add_", "%a, 1"),
        ("last", "call_function", "operator.mul", "%written, %same"),
    ]);
    let loaded = read(&document(&nodes, r#"{"ref": "last"}"#, "")).unwrap();
    assert_eq!(node_text(&loaded, "before"), "add(%a, %same)");
    assert_eq!(node_text(&loaded, "written"), "relu(%same)");
    assert_eq!(node_text(&loaded, "after"), "add(%written, %written)");
    assert_eq!(node_text(&loaded, "again"), "add(%written) {scalar = 1.0}");
    assert_eq!(node_text(&loaded, "last"), "mul(%again, %again)");
    assert_eq!(loaded.warnings, []);
}

#[test]
fn a_view_that_is_read_after_a_write_is_reported() {
    for (read_last, warnings) in [("%flat", 1), ("%a", 0)] {
        let nodes = nodes(&[
            ("a", "call_function", "operator.add", "%x, 1"),
            ("flat", "call_method", "view", "%a, 2, 192"),
            ("written", "call_method", "relu_", "%a"),
        ]);
        let loaded = read(&document(&nodes, &arguments(read_last), "")).unwrap();
        let texts: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), warnings, "{texts:?}");
        assert!(texts.iter().all(|text| text.starts_with("node `written`: it writes into memory")), "{texts:?}");
    }
}

#[test]
fn setting_items_makes_a_new_tensor() {
    let nodes = nodes(&[
        ("a", "call_function", "operator.add", "%x, 1"),
        ("set", "call_function", "operator.setitem", "%a, 0, %ch"),
        ("after", "call_function", "operator.mul", "%a, 2"),
    ]);
    let loaded = read(&document(&nodes, r#"{"ref": "after"}"#, "")).unwrap();
    assert_eq!(
        node_text(&loaded, "set"),
        "opaque(%a, %ch) {name = \"operator.setitem\", reason = \"it writes into a part of its operand\"}"
    );
    assert_eq!(node_text(&loaded, "after"), "mul(%set) {scalar = 2.0}");
    assert_eq!(loaded.warnings.len(), 1);
}

#[test]
fn dropout_in_place_outside_training_writes_nothing() {
    let nodes = nodes(&[
        ("a", "call_function", "operator.add", "%x, 1"),
        ("flat", "call_method", "view", "%a, 2, 192"),
        ("dropped", "call_function", "torch.nn.functional.dropout", "%a, 0.5, false, true"),
        ("after", "call_function", "operator.mul", "%a, 2"),
    ]);
    let loaded = read(&document(&nodes, r#"[{"ref": "after"}, {"ref": "flat"}]"#, "")).unwrap();
    assert_eq!(node_text(&loaded, "after"), "mul(%a) {scalar = 2.0}");
    assert_eq!(loaded.warnings, []);
}
