//! Conversions to the element type of another tensor.

use super::support::{arguments, document, node_text, read};

#[test]
fn a_conversion_to_the_type_of_a_tensor_remembers_it() {
    let tensor = r#"{"shape": [2, 3, 8, 8], "dtype": "float32"}"#;
    let nodes = [
        ("of", "call_function", "builtins.getattr", r#"%x, "dtype""#, r#"{"opaque": "torch.dtype"}"#),
        ("where", "call_function", "builtins.getattr", r#"%x, "device""#, r#"{"opaque": "torch.device"}"#),
        ("a", "call_function", "operator.add", "%x, 1", tensor),
        ("same", "call_method", "to", "%a, %of", tensor),
        ("moved", "call_method", "to", "%a, %where", tensor),
        ("sum", "call_function", "operator.add", "%same, %moved", tensor),
    ];
    let nodes = nodes.map(|(name, op, target, args, out)| {
        let args = arguments(args);
        format!(r#"{{"name": "{name}", "op": "{op}", "target": "{target}", "args": [{args}], "out": {out}}}"#)
    });
    let loaded = read(&document(&nodes.join(",\n"), r#"{"ref": "sum"}"#, "")).unwrap();
    assert_eq!(node_text(&loaded, "same"), r#"cast(%a, %of) {dtype = "f32"}"#);
    assert_eq!(node_text(&loaded, "moved"), "alias(%a)");
    assert_eq!(loaded.warnings, []);
}
