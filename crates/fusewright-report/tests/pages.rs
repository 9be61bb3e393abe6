//! Reports of small graphs, each written for one thing that a report must say.

use fusewright_ir::text::parse;
use fusewright_plan::{Analysis, AttentionFusionPartitioner, EagerPartitioner, Partitioner, Profile};
use fusewright_report::{PlanReport, Subject, TextOptions, csv, dot, graph_json, markdown, text};

/// The report of a graph, eager and attention, and its picture.
fn report(source: &str) -> (PlanReport, String) {
    let graph = parse(source).expect("the graph is valid");
    let analysis = Analysis::of(&graph);
    let eager = EagerPartitioner.partition(&analysis, Profile::Default).expect("a plan");
    let attention = AttentionFusionPartitioner::default().partition(&analysis, Profile::Default).expect("a plan");
    let subject = Subject { analysis: &analysis, source: "test", format: "text" };
    let plans = [&eager, &attention];
    (PlanReport::new(&subject, &eager, &plans).with_groups(&subject, &plans), dot(&analysis, &attention))
}

fn page(report: &PlanReport) -> String {
    text(report, TextOptions::default())
}

#[test]
fn what_was_not_counted_is_listed_by_name() {
    let (report, _) = report(
        r#"graph "strange" {
          input %x: f32[8]
          %a: f32[8] = opaque(%x) {name = "my.op"}
          %b: f32[8] = opaque(%a) {name = "my.op"}
          %c: f32[8] = opaque(%b) {name = "other.op", reason = "shapes depend on data"}
          output %c
        }"#,
    );
    let ops: Vec<_> = report.model.uncounted_ops.iter().map(|op| (op.name.as_str(), op.count)).collect();
    assert_eq!(ops, [("my.op", 2), ("other.op", 1)]);
    let page = page(&report).replace("\n  ", " ");
    assert!(page.contains("not counted: FLOPs of 2 × my.op, other.op (shapes depend on data)"), "{page}");
    assert!(markdown(&report, 5).contains("- 2 × `my.op`"));
}

#[test]
fn a_near_attention_is_named_with_the_reason() {
    let (report, _) = report(
        r#"graph "near" {
          input %x: f32[4, 8]
          input %v: f32[8, 8]
          %p: f32[4, 8] = softmax(%x) {axis = 1} in "block.attention"
          %y: f32[4, 8] = matmul(%p, %v) in "block.attention"
          output %y
        }"#,
    );
    let missed = &report.attention.missed[0];
    assert_eq!((missed.node.as_str(), missed.module.as_str()), ("p", "block.attention"));
    let page = page(&report).replace("\n  ", " ");
    assert!(page.contains("attention missed: p: its input does not come from a product of two activations"), "{page}");
    assert!(page.starts_with("near: "), "{page}");
}

#[test]
fn an_attention_in_one_op_has_nothing_to_fuse() {
    let (report, _) = report(
        r#"graph "sdpa" {
          input %q: f32[1, 2, 4, 8]
          input %k: f32[1, 2, 4, 8]
          input %v: f32[1, 2, 4, 8]
          %y: f32[1, 2, 4, 8] = scaled_dot_product_attention(%q, %k, %v) {scale = 0.5, dropout = 0.0}
          output %y
        }"#,
    );
    assert_eq!((report.attention.found, report.attention.single_op), (1, 1));
    assert_eq!(report.attentions_to_fuse(), 0);
    assert!(page(&report).starts_with("sdpa: without fusion 1 kernels move"), "{}", page(&report));
}

#[test]
fn names_from_a_model_are_text_and_nothing_else() {
    let (report, picture) = report(
        "graph \"evil\u{1b}[2J|<b>\" {
          input %x: f32[8]
          %\"a\\\"];,b\": f32[8] = relu(%x) in \"m|`x`\"
          %c: f32[8] = sigmoid(%\"a\\\"];,b\") in \"m|`x`\"
          output %c
        }",
    );
    assert!(!page(&report).contains('\u{1b}'));
    assert!(markdown(&report, 5).contains("evil�\\[2J\\|\\<b>"), "{}", markdown(&report, 5));
    assert!(csv(&report).contains("\"a\"\"];,b\""), "{}", csv(&report));
    assert!(picture.contains("label=\"a\\\"];,b\\n"), "{picture}");
}

#[test]
fn styles_are_there_when_asked_for() {
    let (report, _) = report("graph \"g\" {\n input %x: f32[8]\n %y: f32[8] = relu(%x)\n output %y\n}");
    assert!(!page(&report).contains('\u{1b}'));
    let styled = text(&report, TextOptions { styled: true, ..TextOptions::default() });
    assert!(styled.starts_with("\u{1b}[1m"));
    assert_eq!(anstyle_stripped(&styled), page(&report));
}

/// The text without escape sequences of the form `ESC [ … m`.
fn anstyle_stripped(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| out + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[test]
fn a_graph_as_json_says_everything() {
    let graph = parse(
        r#"graph "g" {
          training
          dim batch = 4
          input %x: f32[4, 8]
          parameter %w: f32[24, 8]
          part %q = %w from 8: f32[8, 8]
          %n: host(4) = size(%x) {axis = 0} @method "size"
          %h: f32[4, 8] = linear(%x, %q) @module "torch.nn.Linear" in "encoder.0" named "proj"
          %y: f32[4, 8] = mul(%h) {scalar = inf}
          output %y
        }"#,
    )
    .expect("the graph is valid");
    let json: serde_json::Value = serde_json::from_str(&graph_json(&graph)).expect("JSON");
    let expected = serde_json::json!({
        "schema_version": 1, "name": "g", "training": true,
        "dims": [{"name": "batch", "size": 4}],
        "values": [
            {"id": 0, "name": "x", "kind": "input", "dtype": "f32", "shape": [4, 8]},
            {"id": 1, "name": "w", "kind": "parameter", "dtype": "f32", "shape": [24, 8]},
            {"id": 2, "name": "q", "kind": "part", "dtype": "f32", "shape": [8, 8],
             "part_of": {"value": 1, "start": 8}},
            {"id": 3, "name": "n", "kind": "host", "dtype": null, "shape": null, "value": 4},
            {"id": 4, "name": "h", "kind": "activation", "dtype": "f32", "shape": [4, 8]},
            {"id": 5, "name": "y", "kind": "activation", "dtype": "f32", "shape": [4, 8]},
        ],
        "nodes": [
            {"name": "n", "op": "size", "attributes": {"axis": 0}, "inputs": [0], "outputs": [3],
             "form": "method", "source_op": "size", "scope": ""},
            {"name": "proj", "op": "linear", "attributes": {}, "inputs": [0, 2], "outputs": [4],
             "form": "module", "source_op": "torch.nn.Linear", "scope": "encoder.0"},
            {"name": "y", "op": "mul", "attributes": {"scalar": "inf"}, "inputs": [4], "outputs": [5],
             "form": "function", "source_op": "mul", "scope": ""},
        ],
        "inputs": [0], "outputs": [5],
    });
    assert_eq!(json, expected);
}
