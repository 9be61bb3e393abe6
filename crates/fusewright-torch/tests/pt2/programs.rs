//! Small programs, written out: what calls, results and regions become.

use fusewright_ir::{Loaded, Op, Origin, text};

use crate::support::{Parts, call, read, tensor, zip};

/// The nodes of the text form without their names.
fn lines(loaded: &Loaded) -> Vec<String> {
    let printed = text::print(&loaded.graph);
    let nodes = printed.lines().filter_map(|line| line.trim().split_once(" = "));
    nodes.map(|(result, call)| format!("{result} = {}", call.split(" @").next().unwrap_or_default())).collect()
}

fn ops(loaded: &Loaded) -> Vec<String> {
    loaded.graph.nodes().map(|(_, node)| loaded.graph.text(node.source.op).to_owned()).collect()
}

#[test]
fn results_are_known_by_their_own_names() {
    let split = r#"{"target": "torch.ops.aten.split.Tensor", "inputs": [
        {"name": "self", "arg": {"as_tensor": {"name": "x"}}}, {"name": "split_size", "arg": {"as_int": 2}},
        {"name": "dim", "arg": {"as_int": 1}}],
        "outputs": [{"as_tensors": [{"name": "getitem"}, {"name": "getitem_1"}]}], "name": "split"}"#;
    let add = call("add.Tensor", "self=%getitem_1 other=%getitem", "add");
    let program = Parts {
        inputs: &["x"],
        outputs: &["add"],
        tensors: &[("x", "7[3, 4]"), ("getitem", "7[3, 2]"), ("getitem_1", "7[3, 2]"), ("add", "7[3, 2]")],
        nodes: &format!("{split}, {add}"),
        ..Parts::default()
    };
    let loaded = read(&program.json()).unwrap();
    assert_eq!(loaded.warnings, []);
    let (_, add) = loaded.graph.nodes().nth(1).unwrap();
    let inputs: Vec<&str> = add.inputs.iter().map(|&input| loaded.graph.value_name(input)).collect();
    assert_eq!(inputs, ["split.1", "split.0"]);
    assert_eq!(loaded.graph.text(add.source.scope), "a.0");
    assert_eq!(loaded.graph.name, "m");
}

#[test]
fn a_number_may_stand_for_a_tensor() {
    for number in [r#"{"as_int":3}"#, r#"{"as_float":3.0}"#, r#"{"as_float":"-Infinity"}"#, r#"{"as_float":-Infinity}"#]
    {
        let program = Parts {
            inputs: &["x"],
            outputs: &["mul"],
            tensors: &[("x", "7[3]"), ("mul", "7[3]")],
            nodes: &call("mul.Tensor", &format!("self=%x other={number}"), "mul"),
            ..Parts::default()
        };
        let loaded = read(&program.json()).unwrap();
        assert_eq!(loaded.warnings, [], "{number}");
    }
}

#[test]
fn arguments_go_by_their_names() {
    let program = Parts {
        inputs: &["ids", "table"],
        outputs: &["embedding"],
        tensors: &[("ids", "5[2, 3]"), ("table", "7[9, 4]"), ("embedding", "7[2, 3, 4]")],
        nodes: &call("embedding.default", "weight=%table indices=%ids", "embedding"),
        ..Parts::default()
    };
    assert_eq!(read(&program.json()).unwrap().warnings, []);
}

/// A region whose names hide those outside: its `x` is the outer `y`.
fn region(operator: &str, before: &str, after: &str, body: &str) -> String {
    let inner = Parts {
        inputs: &["x"],
        outputs: &["y"],
        tensors: &[("x", "7[2, 2]"), ("y", "7[2, 2]"), ("m", "13[2, 2]")],
        nodes: body,
        ..Parts::default()
    };
    let call = format!(
        r#"{{"target": "torch.ops.higher_order.{operator}", "inputs": [{before}
        {{"name": "", "arg": {{"as_graph": {{"name": "g", "graph": {}}}}}}}, {after} {{"name": "", "arg": {}}}],
        "outputs": [{}], "name": "y"}}"#,
        inner.graph(),
        tensor("y"),
        tensor("z"),
    );
    let relu = self::call("relu.default", "self=%x", "y");
    let add = self::call("add.Tensor", "self=%z other=%y", "add");
    let program = Parts {
        inputs: &["x"],
        outputs: &["add"],
        tensors: &[("x", "7[2, 2]"), ("y", "7[2, 2]"), ("z", "7[2, 2]"), ("add", "7[2, 2]")],
        nodes: &format!("{relu}, {call}, {add}"),
        ..Parts::default()
    };
    program.json()
}

const FALSE: &str = r#"{"name": "", "arg": {"as_bool": false}},"#;

#[test]
fn regions_that_set_a_mode_are_opened() {
    let body = call("tanh.default", "self=%x", "y");
    let text = r#"{"name": "", "arg": {"as_string": "body"}},"#;
    for (operator, before, after) in
        [("wrap_with_set_grad_enabled", FALSE, ""), ("wrap", "", ""), ("invoke_subgraph", "", text)]
    {
        let loaded = read(&region(operator, before, after, &body)).unwrap();
        assert_eq!(loaded.warnings, [], "{operator}");
        assert_eq!(
            ops(&loaded),
            ["torch.ops.aten.relu.default", "torch.ops.aten.tanh.default", "torch.ops.aten.add.Tensor"],
            "{operator}"
        );
        let (_, tanh) = loaded.graph.nodes().nth(1).unwrap();
        assert_eq!(tanh.inputs[0], loaded.graph.nodes().next().unwrap().1.outputs[0], "{operator}");
    }
}

#[test]
fn regions_that_decide_stay_closed() {
    let loaded = read(&region("cond", FALSE, "", &call("tanh.default", "self=%x", "y"))).unwrap();
    assert!(loaded.graph.nodes().any(|(_, node)| matches!(node.op, Op::Opaque(_))));
    assert_eq!(loaded.graph.node_count(), 3);
    assert_eq!(loaded.warnings.len(), 1);
}

#[test]
fn mixed_precision_converts_the_operands_of_products() {
    let mode = |enabled: bool| {
        format!(
            r#"{{"name": "", "arg": {{"as_string": "cpu"}}}}, {{"name": "", "arg": {{"as_scalar_type": 13}}}},
            {{"name": "", "arg": {{"as_bool": {enabled}}}}}, {{"name": "", "arg": {{"as_none": true}}}},"#
        )
    };
    let short = format!(
        "{}, {}",
        call("mm.default", "self=%x mat2=%x", "m"),
        call("to.dtype", r#"self=%m dtype={"as_scalar_type":7}"#, "y")
    );
    let loaded = read(&region("wrap_with_autocast", &mode(true), "", &short)).unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(
        lines(&loaded)[1..5],
        [
            "%x_cast: bf16[2, 2] = cast(%y) {dtype = \"bf16\"}",
            "%x_cast.2: bf16[2, 2] = cast(%y) {dtype = \"bf16\"}",
            "%m: bf16[2, 2] = matmul(%x_cast, %x_cast.2)",
            "%y.2: f32[2, 2] = cast(%m) {dtype = \"f32\"}",
        ]
    );
    let plain = call("mm.default", "self=%x mat2=%x", "y");
    let loaded = read(&region("wrap_with_autocast", &mode(false), "", &plain)).unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.graph.node_count(), 3);
}

const SPECS: &str = r#"{"parameter": {"arg": {"name": "p_a"}, "parameter_name": "a.weight"}},
    {"parameter": {"arg": {"name": "p_b"}, "parameter_name": "b.weight"}},
    {"user_input": {"arg": {"as_tensor": {"name": "x"}}}}, {"constant_input": {"name": "flag", "value": {"as_bool": true}}}"#;

fn tied(table: Option<&str>, files: &[(&str, &[u8])]) -> Loaded {
    let program = Parts {
        inputs: &["p_a", "p_b", "x"],
        outputs: &["linear"],
        tensors: &[("p_a", "7[4, 4]"), ("p_b", "7[4, 4]"), ("x", "7[2, 4]"), ("linear", "7[2, 4]")],
        nodes: &call("linear.default", "input=%x weight=%p_b", "linear"),
        specs: SPECS,
        ..Parts::default()
    };
    let json = program.json();
    let mut entries: Vec<(&str, &[u8])> = vec![("archive/models/model.json", json.as_bytes())];
    entries.extend(table.map(|table| ("archive/data/weights/model_weights_config.json", table.as_bytes())));
    entries.extend(files);
    fusewright_torch::pt2::read(&zip(&entries), &fusewright_ir::Bindings::default()).unwrap()
}

fn weights(rows: &[(&str, &str, i64, &str)]) -> String {
    let row = |(name, file, offset, ty): &(&str, &str, i64, &str)| {
        let meta = crate::support::tensor_meta(ty);
        let meta = meta.trim_end_matches('}');
        format!(
            r#""{name}": {{"path_name": "{file}", "is_param": true, "tensor_meta": {meta}, "storage_offset": {{"as_int": {offset}}}}}}}"#
        )
    };
    let rows: Vec<String> = rows.iter().map(row).collect();
    format!(r#"{{"config": {{{}}}}}"#, rows.join(", "))
}

fn count(loaded: &Loaded) -> usize {
    loaded.graph.values().filter(|(_, value)| value.origin == Origin::Parameter).count()
}

#[test]
fn weights_at_one_place_are_one_parameter() {
    let same = weights(&[("a.weight", "weight_0", 0, "7[4, 4]"), ("b.weight", "weight_0", 0, "7[4, 4]")]);
    let loaded = tied(Some(&same), &[("archive/data/weights/weight_0", &[0; 64])]);
    assert_eq!((count(&loaded), loaded.notes.len()), (1, 0));
    assert_eq!(loaded.graph.name, "model");
    assert_eq!(count(&tied(Some(&same), &[])), 1, "the table alone says so");
    let loaded = tied(Some(&same), &[("archive/data/weights/weight_0", &[])]);
    assert_eq!((count(&loaded), loaded.notes.len()), (2, 1), "an empty file says nothing");
    let apart = weights(&[("a.weight", "weight_0", 0, "7[4, 4]"), ("b.weight", "weight_0", 16, "7[4, 4]")]);
    assert_eq!(count(&tied(Some(&apart), &[])), 2, "another offset");
    let empty = weights(&[
        ("a.weight", "weight_0", 0, "7[4, 4]"),
        ("b.weight", "weight_0", 0, "7[4, 4]"),
        ("c.weight", "weight_0", 0, "7[8]"),
    ]);
    assert_eq!(count(&tied(Some(&empty), &[])), 2, "one file for weights of different sizes was empty");
    let loaded = tied(None, &[]);
    assert_eq!((count(&loaded), loaded.notes.len()), (2, 1));
}
