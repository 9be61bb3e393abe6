//! Rows of a packed weight that only projections read.

use fusewright_ir::{Loaded, Origin, verify};

use super::support::{document, read};

const TABLES: &str = r#", "params": [
    {"name": "packed", "shape": [24, 16], "dtype": "float32", "kind": "parameter"},
    {"name": "state", "shape": [24, 16], "dtype": "float32", "kind": "buffer"}
]"#;

/// A slice of a tensor of the model with 24 rows of 16, and two projections of `s` with it.
fn packed(source: &str, slice: &str, rows: usize, then: &str) -> Loaded {
    let weight = format!(r#"{{"shape": [{rows}, 16], "dtype": "float32"}}"#);
    let result = format!(r#"{{"shape": [2, 5, {rows}], "dtype": "float32"}}"#);
    let linear = |name: &str, target: &str| {
        let args = r#"[{"ref": "s"}, {"ref": "rows"}]"#;
        format!(r#"{{"name": "{name}", "op": "call_function", "target": "{target}", "args": {args}, "out": {result}}}"#)
    };
    let nodes = format!(
        r#"{{"name": "all", "op": "get_attr", "target": "{source}", "args": [],
            "out": {{"shape": [24, 16], "dtype": "float32"}}}},
        {{"name": "rows", "op": "call_function", "target": "operator.getitem",
            "args": [{{"ref": "all"}}, {slice}], "out": {weight}}},
        {}, {}{then}"#,
        linear("y", "torch.nn.functional.linear"),
        linear("z", "torch.ops.aten.linear.default"),
    );
    let loaded = read(&document(&nodes, r#"{"ref": "y"}, {"ref": "z"}"#, TABLES)).unwrap();
    assert_eq!(verify(&loaded.graph), Ok(()));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    loaded
}

fn part(loaded: &Loaded) -> Option<(String, u64)> {
    loaded.graph.values().find_map(|(id, value)| match value.origin {
        Origin::Part { of, start } => {
            Some((format!("{} of {}", loaded.graph.value_name(id), loaded.graph.value_name(of)), start))
        }
        _ => None,
    })
}

fn has_slice(loaded: &Loaded) -> bool {
    loaded.graph.nodes().any(|(id, _)| loaded.graph.node_name(id) == "rows")
}

#[test]
fn rows_of_a_parameter_are_a_part_and_no_node() {
    let loaded = packed("packed", r#"{"slice": [8, 16, null]}"#, 8, "");
    assert_eq!(part(&loaded), Some(("packed[8:16] of packed".to_owned(), 8)));
    assert!(!has_slice(&loaded));
}

#[test]
fn every_other_row_is_a_view() {
    let loaded = packed("packed", r#"{"slice": [0, 16, 2]}"#, 8, "");
    assert!(part(&loaded).is_none() && has_slice(&loaded));
}

#[test]
fn rows_of_what_is_not_trained_are_a_view() {
    let loaded = packed("state", r#"{"slice": [8, 16, null]}"#, 8, "");
    assert!(part(&loaded).is_none() && has_slice(&loaded));
}

#[test]
fn rows_that_something_else_reads_are_a_view() {
    let other = r#", {"name": "sum", "op": "call_function", "target": "torch.sum", "args": [{"ref": "rows"}],
        "out": {"shape": [], "dtype": "float32"}}"#;
    let loaded = packed("packed", r#"{"slice": [8, 16, null]}"#, 8, other);
    assert!(part(&loaded).is_none() && has_slice(&loaded));
}
