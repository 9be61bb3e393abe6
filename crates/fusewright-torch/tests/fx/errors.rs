//! Documents that cannot be read: each fails with a message that says where and what, and none panics or hangs.

use std::time::{Duration, Instant};

use super::support::{NODES_BEFORE, arguments, document, read};
use fusewright_ir::Bindings;
use fusewright_torch::fx;

fn message(json: &[u8]) -> String {
    fx::read(json, &Bindings::default()).expect_err("the document must not be read").to_string()
}

fn check(cases: &[(&str, &str)]) {
    for (json, expected) in cases {
        assert_eq!(&message(json.as_bytes()), expected, "{json}");
    }
}

#[test]
fn what_is_not_our_json() {
    check(&[
        ("", "the JSON ends at line 1, column 0, inside an unfinished value; the file is cut off, write it again"),
        (
            "PK\u{3}\u{4}",
            "not JSON: expected value at line 1, column 1; FX JSON starts with `{\"format\": \"fx-graph\"`",
        ),
        ("{}", "this is JSON but not FX JSON: \"format\" is absent, expected \"fx-graph\""),
        ("{\"format\": [1]}", "this is JSON but not FX JSON: \"format\" is a list, expected \"fx-graph\""),
        ("{\"format\": \"onnx\"}", "this is JSON but not FX JSON: \"format\" is \"onnx\", expected \"fx-graph\""),
        ("[]", "this is JSON but not FX JSON: \"format\" is absent, expected \"fx-graph\""),
        (
            "{\"format\": \"fx-graph\", \"version\": 2}",
            "FX JSON of version 2, expected version 1; export the model again with the bridge of this release",
        ),
        (
            "{\"format\": \"fx-graph\", \"version\": \"1\"}",
            "FX JSON of version \"1\", expected version 1; export the model again with the bridge of this release",
        ),
        (
            "{\"format\": \"fx-graph\"}",
            "FX JSON of version absent, expected version 1; export the model again with the bridge of this release",
        ),
        ("{\"format\": \"fx-graph\", \"version\": 1}", "the document has no nodes; export a traced model"),
        (
            "{\"format\": \"fx-graph\", \"version\": 1, \"nodes\": []}",
            "the document has no nodes; export a traced model",
        ),
    ]);
}

#[test]
fn every_truncation_is_an_error() {
    let json = document("", "{\"ref\": \"x\"}", "");
    assert!(read(&json).is_ok());
    for end in 0..json.len() {
        assert!(fx::read(&json.as_bytes()[..end], &Bindings::default()).is_err(), "cut at {end}");
    }
    let cut = &json.as_bytes()[..json.len() - 1];
    assert!(message(cut).starts_with("the JSON ends at line"), "{}", message(cut));
}

#[test]
fn a_hundred_megabytes_of_brackets() {
    let started = Instant::now();
    let heads = [
        ("", "["),
        ("{\"format\": ", "["),
        ("{\"unknown\": ", "["),
        ("{\"format\": \"fx-graph\", \"version\": 1, \"unknown\": ", "["),
        (
            "{\"format\": \"fx-graph\", \"version\": 1, \"nodes\": [{\"name\": \"a\", \"op\": \"output\", \"args\": ",
            "[",
        ),
        (
            "{\"format\": \"fx-graph\", \"version\": 1, \"nodes\": [{\"name\": \"a\", \"op\": \"output\", \"args\": [",
            "{\"tuple\":[",
        ),
        ("{\"format\": \"fx-graph\", \"version\": 1, \"nodes\": [{\"name\": \"a\", \"op\": \"output\", \"out\": ", "["),
    ];
    for (index, (head, bracket)) in heads.into_iter().enumerate() {
        // The full size where brackets are skipped and where they would become arguments.
        let size = if index == 3 || index == 5 { 100 << 20 } else { 1 << 20 };
        let json = format!("{head}{}", bracket.repeat(size / bracket.len()));
        let text = message(json.as_bytes());
        let expected =
            text.contains("nested deeper than 128 levels") || text.contains("ends at") || text.contains("expected");
        assert!(expected, "{head}: {text}");
    }
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn parts_of_the_wrong_form() {
    let node = |text: &str| document(&format!("{{\"name\": \"y\", {text}}}"), "{\"ref\": \"x\"}", "");
    let cases = [
        ("\"op\": \"call\"", "`nodes[#].op`: unknown variant `call`, expected one of `placeholder`, `get_attr`"),
        ("\"op\": \"call_function\", \"args\": 3", "`nodes[#].args`: invalid type: integer `3`, expected a sequence"),
        (
            "\"op\": \"call_function\", \"args\": [{\"ref\": 3}]",
            "`nodes[#].args[0].ref`: invalid type: integer `3`, expected a string",
        ),
        (
            "\"op\": \"call_function\", \"args\": [{}]",
            "`nodes[#].args[0]`: an empty object, expected one of ref, tuple",
        ),
        (
            "\"op\": \"call_function\", \"args\": [{\"foo\": 1}]",
            "`nodes[#].args[0]`: an object with `foo`, expected one of ref",
        ),
        ("\"op\": \"call_function\", \"args\": [{\"slice\": [1, 2]}]", "`nodes[#].args[0].slice`: invalid length 2"),
        (
            "\"op\": \"call_function\", \"args\": [{\"float\": \"big\"}]",
            "`nodes[#].args[0]`: the float `big`, expected Infinity",
        ),
        (
            "\"op\": \"call_function\", \"kwargs\": [1]",
            "`nodes[#].kwargs`: invalid type: sequence, expected an object of arguments",
        ),
        ("\"op\": \"call_function\", \"out\": 3", "`nodes[#].out`: invalid type: integer `3`, expected a value"),
        ("\"op\": \"call_function\", \"out\": {\"shape\": [1]}", "`nodes[#].out`: missing field `dtype`"),
        ("\"op\": \"call_function\", \"out\": {\"dtype\": \"float32\"}", "`nodes[#].out`: missing field `shape`"),
        (
            "\"op\": \"call_function\", \"out\": {\"shape\": [1.5], \"dtype\": \"float32\"}",
            "`nodes[#].out.shape[0]`: invalid type: floating point `1.5`, expected an integer or the name of a symbol",
        ),
        ("\"target\": \"x\"", "`nodes[#]`: missing field `op`"),
    ];
    for (text, expected) in cases {
        let found = message(node(text).as_bytes());
        let expected = expected.replace('#', &NODES_BEFORE.to_string());
        assert!(found.starts_with(&expected), "{text}\n{found}\n{expected}");
        assert!(found.ends_with(')') && found.contains("(line "), "{found}");
    }
}

#[test]
fn broken_references() {
    let call = |name: &str, args: &str| {
        let args = arguments(args);
        format!(
            r#"{{"name": "{name}", "op": "call_function", "target": "operator.add", "args": [{args}], "out": {{"shape": [16], "dtype": "float32"}}}}"#
        )
    };
    let cases = [
        (
            vec![call("y", "%nothing, 1")],
            "node `y` uses `nothing`, but no node has this name; the graph is incomplete, export it again",
        ),
        (
            vec![call("y", "[{\"slice\": [%nothing, null, null]}]")],
            "node `y` uses `nothing`, but no node has this name; the graph is incomplete, export it again",
        ),
        (
            vec![call("y", "%y, 1")],
            "node `y` uses `y`, which in turn depends on `y`: a cycle, and a graph must not have one",
        ),
        (
            vec![call("y", "%v, %z"), call("mid", "%y, 1"), call("z", "[%mid]")],
            "node `y` uses `z`, which in turn depends on `y`: a cycle, and a graph must not have one",
        ),
        (
            vec![call("y", "%v, %z"), call("z", "%v, %v")],
            "node `y` uses `z`, which comes later; nodes must be listed in execution order (there is no cycle: sort them)",
        ),
        (vec![call("y", "%v, %v"), call("y", "%v, %v")], "node `y`: a second node of this name; names must be unique"),
        (
            vec![r#"{"name": "done", "op": "output", "args": []}"#.to_owned(), call("y", "%done, 1")],
            "node `output`: a second `output` node after `done`, expected one; join the results in a tuple",
        ),
    ];
    for (nodes, expected) in cases {
        assert_eq!(message(document(&nodes.join(","), "{\"ref\": \"x\"}", "").as_bytes()), expected);
    }
    let no_output = document("", "{\"ref\": \"x\"}", "").replace("\"op\": \"output\"", "\"op\": \"get_attr\"");
    assert_eq!(
        message(no_output.as_bytes()),
        "the document has no `output` node, expected one at the end of `nodes`; the graph is incomplete, export it again"
    );
}

#[test]
fn an_output_that_is_read() {
    let json = r#"{"format": "fx-graph", "version": 1, "nodes": [
        {"name": "done", "op": "output", "args": []},
        {"name": "y", "op": "call_function", "target": "operator.neg", "args": [{"ref": "done"}], "out": {"const": 1}}]}"#;
    assert_eq!(message(json.as_bytes()), "node `y` uses `done`, but that is the output node, which gives no value");
}

#[test]
fn bad_shapes_and_dtypes() {
    let axes = format!("{{\"shape\": [{}1], \"dtype\": \"float32\"}}", "1, ".repeat(64));
    let cases = [
        (
            "",
            "node `y` (torch.exp): `out` does not say what it produces, expected a shape and a dtype; export with example inputs",
        ),
        (
            ", \"out\": null",
            "node `y` (torch.exp): `out` does not say what it produces, expected a shape and a dtype; export with example inputs",
        ),
        (
            ", \"out\": {\"opaque\": \"unknown\"}",
            "node `y` (torch.exp): `out` does not say what it produces, expected a shape and a dtype; export with example inputs",
        ),
        (
            ", \"out\": {\"shape\": [-3], \"dtype\": \"float32\"}",
            "node `y`: extent -3 in a shape, expected an integer from 0 to 2^48",
        ),
        (
            ", \"out\": {\"shape\": [18446744073709551615], \"dtype\": \"float32\"}",
            "node `y`: extent 18446744073709551615 in a shape, expected an integer from 0 to 2^48",
        ),
        (
            ", \"out\": {\"shape\": [281474976710656, 2], \"dtype\": \"float32\"}",
            "node `y`: shape [281474976710656, 2] has more than 281474976710656 elements (2^48); check the sizes",
        ),
        (&format!(", \"out\": {axes}"), "node `y`: a shape with 65 axes, expected at most 64"),
        (
            ", \"out\": {\"shape\": [1], \"dtype\": \"f32\"}",
            "node `y`: dtype `f32` is not known, expected one of float64, float32, float16, bfloat16, float8_e4m3fn, \
             float8_e5m2, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, bool",
        ),
        (
            ", \"out\": {\"shape\": [\"s0\"], \"dtype\": \"float32\"}",
            "node `y`: size `s0` is not declared in `symbols`",
        ),
    ];
    for (out, expected) in cases {
        let node =
            format!(r#"{{"name": "y", "op": "call_function", "target": "torch.exp", "args": [{{"ref": "x"}}]{out}}}"#);
        assert_eq!(message(document(&node, "{\"ref\": \"y\"}", "").as_bytes()), expected, "{out}");
    }
    let input = r#"{"name": "y", "op": "placeholder", "target": "y", "out": {"opaque": "unknown"}}"#;
    assert!(
        message(document(input, "{\"ref\": \"x\"}", "").as_bytes()).starts_with("node `y` (y): `out` does not say")
    );
}

#[test]
fn bad_modules_and_parameters() {
    let call = r#"{"name": "y", "op": "call_module", "target": "fc", "args": [{"ref": "s"}], "out": {"shape": [2, 5, 7], "dtype": "float32"}}"#;
    let entry = |name: &str, extra: &str| format!(r#"{{"name": "{name}", "shape": [4], "dtype": "float32"{extra}}}"#);
    let params = |entries: &[String]| format!(", \"params\": [{}]", entries.join(", "));
    let cases = [
        (call, String::new(), "node `y` calls module `fc`, but `modules` has no entry for it; the document is incomplete, export it again"),
        (
            call,
            r#", "modules": {"fc": {"class": "torch.nn.modules.linear.Linear", "params": {"weight": {"name": "fc.weight", "shape": [-1, 16], "dtype": "float32"}}}}"#.to_owned(),
            "parameter `fc.weight`: extent -1 in a shape, expected an integer from 0 to 2^48",
        ),
        ("", params(&[entry("a", ""), entry("a", "")]), "parameter `a` is listed twice; names must be unique"),
        (
            "",
            params(&[entry("b", ", \"alias_of\": \"a\"")]),
            "parameter `b` is an alias of `a`, which is not listed; expected the name of an earlier parameter",
        ),
        (
            "",
            params(&[entry("b", ", \"alias_of\": \"b\"")]),
            "parameter `b` is an alias of `b`, which is not listed; expected the name of an earlier parameter",
        ),
        (
            "",
            params(&[entry("a", "").replace("[4]", "[5]"), entry("b", ", \"alias_of\": \"a\"")]),
            "parameter `b` is an alias of `a`, which has another shape or dtype; tied parameters must have the same",
        ),
        (
            "",
            params(&[entry("a", "").replace("[4]", "[4294967296, 4294967296]")]),
            "parameter `a`: shape [4294967296, 4294967296] has more than 281474976710656 elements (2^48); check the sizes",
        ),
        ("", params(&[entry("a", ", \"kind\": \"state\"")]), "`params[0].kind`: unknown variant `state`, expected `parameter` or `buffer` (line "),
    ];
    for (node, tables, expected) in cases {
        let found = message(document(node, "{\"ref\": \"x\"}", &tables).as_bytes());
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
}

#[test]
fn more_work_than_can_be_meant() {
    let nodes = r#"
        {"name": "a", "op": "placeholder", "target": "a", "out": {"shape": [16777216, 16777216], "dtype": "float32"}},
        {"name": "y", "op": "call_function", "target": "torch.matmul", "args": [{"ref": "a"}, {"ref": "a"}],
         "out": {"shape": [16777216, 16777216], "dtype": "float32"}}"#;
    assert_eq!(
        message(document(nodes, "{\"ref\": \"y\"}", "").as_bytes()),
        "the graph is not valid: node `y` does more work than 2^62 operations; its shapes cannot be meant"
    );
}

#[test]
fn a_long_list_that_is_named_very_often() {
    let count = 20_000;
    let tensor = r#"{"shape": [1], "dtype": "float32"}"#;
    let list = vec![tensor; count].join(",");
    let mut nodes =
        format!(r#"{{"name": "list", "op": "call_function", "target": "my.list", "args": [], "out": [{list}]}}"#);
    for index in 0..count {
        let call = format!(
            r#",{{"name": "c{index}", "op": "call_function", "target": "my.use", "args": [{{"ref": "list"}}], "out": {tensor}}}"#
        );
        nodes.push_str(&call);
    }
    let started = Instant::now();
    let found = message(document(&nodes, "{\"ref\": \"x\"}", "").as_bytes());
    assert!(found.contains("the graph has more than 67108864 items in lists; this cannot be a model"), "{found}");
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn probing_looks_at_the_start_only() {
    let far = format!("{{\"x\": \"{}\", \"format\": \"fx-graph\"}}", " ".repeat(5000));
    let cases: [(&[u8], bool); 9] = [
        (b"{\"format\":\"fx-graph\"", true),
        (b" \n{\"a\": 1, \"format\" :\n\"fx-graph\", ", true),
        (b"{\"format\": \"fx-graph2\"}", false),
        (b"{\"format\": \"onnx\"}", false),
        (b"{\"format\"", false),
        (b"[\"format\", \"fx-graph\"]", false),
        (b"\"format\":\"fx-graph\"", false),
        (b"", false),
        (far.as_bytes(), false),
    ];
    for (bytes, expected) in cases {
        assert_eq!(fx::probe(bytes), expected, "{}", String::from_utf8_lossy(bytes.get(..40).unwrap_or(bytes)));
    }
}

#[test]
fn long_texts_of_a_module_that_is_called_very_often() {
    let text = format!("x{}", "é".repeat(5 << 20));
    let tables = format!(
        r#", "modules": {{"a": {{"class": "{text}"}}, "b": {{"class": "torch.nn.GELU", "attrs": {{"approximate": "{text}"}}}}}}"#
    );
    let call = |index: usize| {
        let module = if index.is_multiple_of(2) { "a" } else { "b" };
        format!(
            r#"{{"name": "y{index}", "op": "call_module", "target": "{module}", "args": [{{"ref": "v"}}],
                "out": {{"shape": [16], "dtype": "float32"}}}}"#
        )
    };
    let calls: Vec<String> = (0..5000).map(call).collect();
    let started = Instant::now();
    let loaded = read(&document(&calls.join(","), "{\"ref\": \"v\"}", &tables)).unwrap();
    assert_eq!(loaded.warnings.len(), 5000);
    assert!(loaded.warnings.iter().all(|warning| warning.text.len() < 5000));
    assert!(started.elapsed() < Duration::from_secs(20));
}
