//! Small documents for the tests.

use fusewright_ir::text;
use fusewright_ir::{Bindings, Loaded};
use fusewright_torch::fx::{self, FxError};

/// Inputs that every call in these tests may refer to, and two host values.
const INPUTS: &[(&str, &str)] = &[
    ("x", "[2, 3, 8, 8]"),
    ("s", "[2, 5, 16]"),
    ("v", "[16]"),
    ("m", "[4, 6, 6]"),
    ("w", "[7, 16]"),
    ("b", "[7]"),
    ("k", "[6, 3, 3, 3]"),
    ("k4", "[6, 3, 4, 4]"),
    ("kb", "[6]"),
    ("kt", "[3, 5, 3, 3]"),
    ("ch", "[3]"),
    ("q", "[2, 4, 5, 8]"),
    ("kv", "[2, 2, 5, 8]"),
    ("mask", "[5, 5]"),
    ("map", "[1, 7, 9, 8]"),
    ("w3", "[24, 8]"),
    ("w1", "[8, 8]"),
    ("bias", "[1, 2, 16, 16]"),
    ("table", "[11, 16]"),
    ("grouped", "[2, 16, 8]"),
    ("k6", "[6, 6]"),
    ("zero", "[]"),
    ("h32", "[1]"),
    ("w2", "[7, 2]"),
    ("g", "[7, 1]"),
];

/// How many nodes precede the given ones in a [`document`].
pub(crate) const NODES_BEFORE: usize = INPUTS.len() + 7;

/// A document with the given nodes between the inputs and the output.
pub(crate) fn document(nodes: &str, result: &str, tables: &str) -> String {
    let mut text = String::from("{\"format\": \"fx-graph\", \"version\": 1, \"name\": \"test\", \"nodes\": [\n");
    for (name, shape) in INPUTS {
        text += &placeholder(name, shape, "float32");
    }
    text += &placeholder("c", "[8]", "bool");
    text += &placeholder("idx", "[2]", "int64");
    text += &placeholder("idx2", "[2, 3]", "int64");
    text += &placeholder("h", "[2]", "float16");
    text += r#"{"name": "n", "op": "call_method", "target": "size", "args": [{"ref": "x"}, 0], "out": {"const": 2}},
        {"name": "unknown", "op": "call_function", "target": "my.size", "args": [], "out": {"opaque": "int"}},
        {"name": "parts", "op": "call_function", "target": "torch.unbind", "args": [{"ref": "s"}],
         "out": [{"shape": [5, 16], "dtype": "float32"}, {"shape": [5, 16], "dtype": "float32"}]},
        "#;
    let separator = if nodes.trim().is_empty() { "" } else { "," };
    let output = format!(r#"{{"name": "output", "op": "output", "target": "output", "args": [{result}]}}"#);
    format!("{text}{nodes}{separator}\n{output}]{tables}}}")
}

fn placeholder(name: &str, shape: &str, dtype: &str) -> String {
    format!(
        r#"{{"name": "{name}", "op": "placeholder", "target": "{name}", "out": {{"shape": {shape}, "dtype": "{dtype}"}}}},
"#
    )
}

/// A recorded result: `f32[2, 3]`, several of them, or JSON as it is.
pub(crate) fn out(text: &str) -> String {
    let one = |text: &str| {
        let (dtype, shape) = text.split_once('[').unwrap();
        let dtype = match dtype {
            "f16" => "float16",
            "f32" => "float32",
            "i64" => "int64",
            other => other,
        };
        format!(r#"{{"shape": [{shape}, "dtype": "{dtype}"}}"#)
    };
    match text.split('+').map(str::trim).collect::<Vec<_>>().as_slice() {
        [json] if json.starts_with(['{', '[']) => (*json).to_owned(),
        [single] => one(single),
        several => format!("[{}]", several.iter().map(|text| one(text)).collect::<Vec<_>>().join(", ")),
    }
}

/// Arguments, where `%x` stands for a reference to x.
pub(crate) fn arguments(text: &str) -> String {
    let mut json = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        let end = after.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(after.len());
        json.extend([before, "{\"ref\": \"", &after[..end], "\"}"]);
        rest = &after[end..];
    }
    json + rest
}

pub(crate) fn read(json: &str) -> Result<Loaded, FxError> {
    fx::read(json.as_bytes(), &Bindings::default())
}

/// The node named `y` in the text form, without its results and its source.
pub(crate) fn node_text(loaded: &Loaded, name: &str) -> String {
    let id = loaded.graph.nodes().map(|(id, _)| id).find(|&id| loaded.graph.node_name(id) == name).unwrap();
    let printed = text::print(&loaded.graph);
    let position = printed.lines().position(|line| line.contains(" = size(%x)")).unwrap();
    let line = printed.lines().nth(position + id.index()).unwrap();
    let (_, call) = line.split_once(" = ").unwrap();
    call.split(" @").next().unwrap().to_owned()
}
