//! Writes in place: later readers get the new value, under whatever name they ask for it.

use std::fmt::Write;

use fusewright_ir::{Loaded, Op, text};

use super::support::{arguments, document, node_text, out, read};

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

/// A document of calls `op target | args | result`, each named by the first word of its line, read and printed.
fn reads(calls: &str, result: &str) -> Loaded {
    let call = |line: &str| {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [call, args, result] = columns.as_slice() else { panic!("three columns: {line}") };
        let (name, target) = call.split_once(' ').unwrap();
        let op = if target.contains('.') { "call_function" } else { "call_method" };
        let (args, out) = (arguments(args), out(result));
        format!(r#"{{"name": "{name}", "op": "{op}", "target": "{target}", "args": [{args}], "out": {out}}}"#)
    };
    let nodes: Vec<String> = calls.lines().map(str::trim).filter(|line| !line.is_empty()).map(call).collect();
    let json = document(&nodes.join(",\n"), &arguments(result), "");
    read(&json).unwrap_or_else(|error| panic!("{error}"))
}

/// The nodes from `%a` on, without their sources.
fn printed(loaded: &Loaded) -> Vec<String> {
    let text = text::print(&loaded.graph);
    let nodes = text.lines().map(str::trim).skip_while(|line| !line.starts_with("%a:"));
    nodes.take_while(|line| line.starts_with('%')).map(|line| line.split(" @").next().unwrap().to_owned()).collect()
}

#[test]
fn a_write_into_the_owner_of_memory_makes_its_views_new() {
    let loaded = reads(
        r"
        a operator.add | %x, 1 | f32[2, 3, 8, 8]
        flat view | %a, 2, 192 | f32[2, 192]
        written relu_ | %a | f32[2, 3, 8, 8]
        first operator.mul | %flat, 2 | f32[2, 192]
        second operator.mul | %flat, 3 | f32[2, 192]
        ",
        "[%first, %second]",
    );
    assert_eq!(loaded.warnings, []);
    assert_eq!(
        printed(&loaded),
        [
            "%a: f32[2, 3, 8, 8] = add(%x) {scalar = 1.0}",
            "%flat: f32[2, 192] = reshape(%a) {shape = [2, 192]}",
            "%written: f32[2, 3, 8, 8] = relu(%a)",
            "%first.view: f32[2, 192] = reshape(%written) {shape = [2, 192]}",
            "%first: f32[2, 192] = mul(%first.view) {scalar = 2.0}",
            "%second: f32[2, 192] = mul(%first.view) {scalar = 3.0}",
        ]
    );
}

#[test]
fn a_write_through_views_reaches_the_owner_and_its_other_views() {
    let loaded = reads(
        r"
        a operator.add | %x, 1 | f32[2, 3, 8, 8]
        other torch.ops.aten.select.int | %a, 0, 1 | f32[3, 8, 8]
        rows torch.ops.aten.slice.Tensor | %a, 2, 0, 4 | f32[2, 3, 4, 8]
        turned torch.ops.aten.transpose.int | %rows, 0, 1 | f32[3, 2, 4, 8]
        written torch.ops.aten.exp_.default | %turned | f32[3, 2, 4, 8]
        y operator.mul | %other, 2 | f32[3, 8, 8]
        z operator.mul | %rows, 2 | f32[2, 3, 4, 8]
        ",
        "[%y, %z, %a, %written]",
    );
    assert_eq!(loaded.warnings, []);
    assert_eq!(
        printed(&loaded)[4..],
        [
            "%written: f32[3, 2, 4, 8] = exp(%turned)",
            "%written.write: f32[2, 3, 4, 8] = write(%rows, %written) {view = \"permute\", axes = [1, 0, 2, 3]}",
            "%written.write.2: f32[2, 3, 8, 8] = write(%a, %written.write) {view = \"slice\", axis = 2, start = 0, length = 4, step = 1}",
            "%y.view: f32[3, 8, 8] = select(%written.write.2) {axis = 0, index = 1}",
            "%y: f32[3, 8, 8] = mul(%y.view) {scalar = 2.0}",
            "%z: f32[2, 3, 4, 8] = mul(%written.write) {scalar = 2.0}",
        ]
    );
    let outputs: Vec<&str> = loaded.graph.outputs().iter().map(|&value| loaded.graph.value_name(value)).collect();
    assert_eq!(outputs, ["y", "z", "written.write.2", "written"]);
}

#[test]
fn parts_of_a_split_are_written_where_they_lie() {
    let loaded = reads(
        r"
        a operator.add | %s, 1 | f32[2, 5, 16]
        p torch.ops.aten.split_with_sizes.default | %a, [2, 3], 1 | f32[2, 2, 16] + f32[2, 3, 16]
        second operator.getitem | %p, 1 | f32[2, 3, 16]
        written torch.ops.aten.zero_.default | %second | f32[2, 3, 16]
        y operator.mul | %a, 2 | f32[2, 5, 16]
        ",
        "%y",
    );
    assert_eq!(loaded.warnings, []);
    assert_eq!(
        node_text(&loaded, "written.write"),
        "write(%a, %written) {view = \"slice\", axis = 1, start = 2, length = 3, step = 1}"
    );
    assert_eq!(node_text(&loaded, "y"), "mul(%written.write) {scalar = 2.0}");
}

#[test]
fn what_nobody_reads_is_not_written_back() {
    let loaded = reads(
        r"
        a operator.add | %x, 1 | f32[2, 3, 8, 8]
        flat view | %a, 2, 192 | f32[2, 192]
        written relu_ | %flat | f32[2, 192]
        y operator.mul | %flat, 2 | f32[2, 192]
        ",
        "%y",
    );
    assert_eq!(printed(&loaded).len(), 4);
    assert_eq!(node_text(&loaded, "y"), "mul(%written) {scalar = 2.0}");
}

#[test]
fn a_copy_into_a_view_is_one_write() {
    let loaded = reads(
        r"
        a operator.add | %s, 1 | f32[2, 5, 16]
        one torch.ops.aten.select.int | %a, 1, 3 | f32[2, 16]
        set torch.ops.aten.copy_.default | %one, %v | f32[2, 16]
        y operator.mul | %one, 2 | f32[2, 16]
        ",
        "[%y, %a]",
    );
    assert_eq!(loaded.warnings, []);
    assert_eq!(
        printed(&loaded)[2..],
        [
            "%set.src: f32[2, 16] = expand(%v) {shape = [2, 16]}",
            "%set: f32[2, 5, 16] = write(%a, %set.src) {view = \"select\", axis = 1, index = 3}",
            "%y.view: f32[2, 16] = select(%set) {axis = 1, index = 3}",
            "%y: f32[2, 16] = mul(%y.view) {scalar = 2.0}",
        ]
    );
}

#[test]
fn a_copy_that_was_made_is_not_the_memory_of_its_operand() {
    let loaded = reads(
        r"
        a operator.add | %s, 1 | f32[2, 5, 16]
        turned permute | %a, 0, 2, 1 | f32[2, 16, 5]
        flat reshape | %turned, 2, 80 | f32[2, 80]
        written relu_ | %flat | f32[2, 80]
        y operator.mul | %a, 2 | f32[2, 5, 16]
        ",
        "%y",
    );
    assert_eq!(node_text(&loaded, "y"), "mul(%a) {scalar = 2.0}");
    assert_eq!(loaded.warnings, []);
}

#[test]
fn setting_items_writes_a_part() {
    let cases = [
        ("%a, 0, 2.5", "write(%a, %set.value) {view = \"select\", axis = 0, index = 0}"),
        ("%a, {\"ellipsis\": true}, 0", "full() {shape = [2, 5, 16], dtype = \"f32\", value = 0.0}"),
        (
            "%a, {\"tuple\": [0, {\"slice\": [1, null, 2]}]}, %v",
            "write(%a, %set.value) {view = \"subscript\", items = \"@0 1:2:2 0:16:1\"}",
        ),
        ("%a, %idx, %v", "scatter_slices(%a, %set.value, %idx) {axis = 0}"),
        ("%a, {\"tuple\": [%idx, %idx]}, 1", "scatter_indexed(%a, %set.value, %idx, %idx) {axes = [0, 1]}"),
        (
            "%a, 0, %ch",
            "opaque(%a, %ch) {name = \"operator.setitem\", reason = \"[5, 16] does not broadcast with [5, 3]\"}",
        ),
    ];
    for (args, expected) in cases {
        let loaded = reads(
            &format!(
                r#"
                a operator.add | %s, 1 | f32[2, 5, 16]
                set operator.setitem | {args} | {{"const": null}}
                after operator.mul | %a, 2 | f32[2, 5, 16]
                "#
            ),
            "%after",
        );
        assert_eq!(node_text(&loaded, "set"), expected, "{args}");
        assert_eq!(node_text(&loaded, "after"), "mul(%set) {scalar = 2.0}", "{args}");
        assert_eq!(loaded.warnings.len(), usize::from(expected.starts_with("opaque")), "{args}");
    }
}

#[test]
fn a_view_without_a_counterpart_is_reported() {
    let loaded = reads(
        r"
        a operator.add | %s, 1 | f32[2, 5, 16]
        odd torch.ops.aten.as_strided.default | %a, [4, 4], [3, 1] | f32[4, 4]
        written relu_ | %a | f32[2, 5, 16]
        y operator.mul | %odd, 2 | f32[4, 4]
        back torch.ops.aten.neg_.default | %odd | f32[4, 4]
        z operator.mul | %a, 2 | f32[2, 5, 16]
        ",
        "[%y, %z]",
    );
    let texts: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts[1].starts_with("node `y`: it reads memory through a view that cannot be taken again"), "{texts:?}");
    assert!(texts[2].starts_with("node `back`: it writes into memory that a later node reads"), "{texts:?}");
}

/// The shifted windows of Swin number the regions of a map: zeros, filled slice by slice, of which the whole is read.
#[test]
fn every_fill_of_a_mask_is_a_dependency_of_its_reader() {
    let mut calls = String::from("a torch.ops.aten.zeros.default | [56, 56] | f32[56, 56]\n");
    let bounds = [(0, 49), (49, 53), (53, 56)];
    for (i, (top, bottom)) in bounds.into_iter().enumerate() {
        for (j, (left, right)) in bounds.into_iter().enumerate() {
            let (n, height, width) = (3 * i + j, bottom - top, right - left);
            let _ = write!(
                calls,
                "r{n} torch.ops.aten.slice.Tensor | %a, 0, {top}, {bottom} | f32[{height}, 56]\n\
                 c{n} torch.ops.aten.slice.Tensor | %r{n}, 1, {left}, {right} | f32[{height}, {width}]\n\
                 f{n} torch.ops.aten.fill_.Scalar | %c{n}, {n} | f32[{height}, {width}]\n"
            );
        }
    }
    calls += "regions torch.ops.aten.view.default | %a, [8, 7, 8, 7] | f32[8, 7, 8, 7]\n";
    let loaded = reads(&calls, "%regions");
    assert_eq!(loaded.warnings, []);
    let graph = &loaded.graph;
    let mut reached = std::collections::BTreeSet::new();
    let mut pending = graph.outputs().to_vec();
    while let Some(value) = pending.pop() {
        if let Some(maker) = graph.producer(value)
            && reached.insert(maker)
        {
            pending.extend(&graph.node(maker).inputs);
        }
    }
    let fills = (0..9).filter(|n| reached.iter().any(|&id| graph.node_name(id) == format!("f{n}"))).count();
    let writes = reached.iter().filter(|&&id| matches!(graph.node(id).op, Op::Scatter(_))).count();
    assert_eq!((fills, writes), (9, 18));
}

/// Each write outdates each view, and each view is a view of the one before: nodes may not grow with the square.
#[test]
fn chains_of_views_with_many_writes_stay_bounded() {
    let count = 1500;
    let mut calls = String::from("a operator.add | %v, 1 | f32[16]\nview0 view | %a, 16 | f32[16]\n");
    for n in 1..count {
        let _ = writeln!(calls, "view{n} view | %view{}, 16 | f32[16]", n - 1);
    }
    for n in 0..count {
        let _ = writeln!(calls, "write{n} relu_ | %view{} | f32[16]", count - 1);
    }
    let loaded = reads(&calls, "[%a, %view7]");
    assert!(loaded.graph.node_count() < 20 * 2 * count, "{} nodes", loaded.graph.node_count());
    assert!(!loaded.warnings.is_empty());
}
