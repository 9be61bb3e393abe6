//! Which literals count as parameters.

use fusewright_ir::{Loaded, Origin};

use super::support::{Message, Parts, Set, ints, node, read, value, weight};

fn of(loaded: &Loaded, origin: &Origin) -> Vec<String> {
    let values = loaded.graph.values().filter(|(_, value)| value.origin == *origin);
    values.map(|(id, _)| loaded.graph.value_name(id).to_owned()).collect()
}

fn untyped(name: &str) -> Message {
    Message::default().text(1, name)
}

#[test]
fn use_decides_what_a_literal_is() {
    let parts = Parts {
        inputs: vec![value("x", "f32[1, 4, 8, 8]"), value("mask", "f32[1, 1, 8, 8]")],
        literals: vec![
            weight("bn.weight", &[4]),
            weight("bn.bias", &[4]),
            weight("bn.running_mean", &[4]),
            weight("bn.running_var", &[4]),
            weight("val_7", &[8, 8]),
            weight("val_8", &[8, 8]),
            weight("onnx::Add_9", &[1, 1, 8, 8]),
            weight("turned", &[8, 8]),
        ],
        nodes: vec![
            node(
                "BatchNormalization",
                &["x", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"],
                &["n"],
                &[],
            ),
            // A weight behind a transpose and a cast still is one.
            node("Transpose", &["turned"], &["t"], &[]),
            node("Cast", &["t"], &["u"], &[Set::Int("to", 1)]),
            node("MatMul", &["n", "u"], &["p"], &[]),
            // A table of angles is multiplied, a mask added before a softmax: neither is trained.
            node("Mul", &["p", "val_7"], &["r"], &[]),
            node("Add", &["r", "onnx::Add_9"], &["s"], &[]),
            node("Softmax", &["s"], &["w"], &[]),
            node("MatMul", &["w", "val_8"], &["y"], &[]),
        ],
        outputs: vec![untyped("y")],
        ..Parts::default()
    };
    let loaded = read(&parts.model(20)).unwrap();
    assert_eq!(of(&loaded, &Origin::Parameter), ["bn.weight", "bn.bias", "turned", "val_8"]);
    assert_eq!(of(&loaded, &Origin::Buffer), ["bn.running_mean", "bn.running_var"]);
    assert_eq!(of(&loaded, &Origin::Constant), ["val_7", "onnx::Add_9"]);
}

/// Equal vectors that an exporter stored once are told apart by the modules that use them.
#[test]
fn merged_vectors_count_once_per_module() {
    let named = |name: &str, call: Message| call.text(3, name);
    let norm = |input: &str, output: &str| node("LayerNormalization", &[input, "layers.0.norm.weight"], &[output], &[]);
    let parts = Parts {
        inputs: vec![value("x", "f32[2, 8]")],
        literals: vec![weight("layers.0.norm.weight", &[8])],
        nodes: vec![
            named("/layers.0/norm/LayerNormalization", norm("x", "a")),
            named("/layers.1/norm/LayerNormalization", norm("a", "b")),
            named("/layers.1/norm/LayerNormalization_1", norm("b", "c")),
            // The first module is called again.
            named("/layers.0/norm_1/LayerNormalization", norm("c", "y")),
        ],
        outputs: vec![untyped("y")],
        ..Parts::default()
    };
    let from_pytorch = parts.model(20).text(2, "pytorch");
    let loaded = read(&from_pytorch).unwrap();
    assert_eq!(of(&loaded, &Origin::Parameter), ["layers.0.norm.weight", "layers.1.norm.weight"]);
    let from_elsewhere = read(&parts.model(20)).unwrap();
    assert_eq!(of(&from_elsewhere, &Origin::Parameter), ["layers.0.norm.weight"]);
}

/// A head that holds the embedding table a second time, transposed, is the table.
#[test]
fn tied_tables_are_one_parameter() {
    let (rows, width) = (60_i64, 50_i64);
    let table = |transposed: bool| -> Vec<u8> {
        let number = |row: i64, column: i64| (i32::try_from(row * 100 + column).unwrap() as f32).to_le_bytes();
        let (height, length) = if transposed { (width, rows) } else { (rows, width) };
        let cells = (0..height).flat_map(|row| (0..length).map(move |column| (row, column)));
        cells.flat_map(|(row, column)| if transposed { number(column, row) } else { number(row, column) }).collect()
    };
    let parts = |data: bool| {
        let fill = |tensor: Message, transposed| if data { tensor.bytes(9, &table(transposed)) } else { tensor };
        Parts {
            inputs: vec![value("ids", "i64[1, 5]")],
            literals: vec![
                fill(weight("wte.weight", &[rows, width]), false),
                fill(weight("onnx::MatMul_7", &[width, rows]), true),
            ],
            nodes: vec![
                node("Gather", &["wte.weight", "ids"], &["h"], &[]),
                node("MatMul", &["h", "onnx::MatMul_7"], &["y"], &[]),
            ],
            outputs: vec![untyped("y")],
            ..Parts::default()
        }
    };
    let tied = read(&parts(true).model(17).text(2, "pytorch")).unwrap();
    assert_eq!(of(&tied, &Origin::Parameter), ["wte.weight"]);
    assert!(tied.notes.is_empty(), "{:?}", tied.notes);
    let stripped = read(&parts(false).model(17).text(2, "pytorch")).unwrap();
    assert_eq!(of(&stripped, &Origin::Parameter), ["wte.weight", "onnx::MatMul_7"]);
    assert!(stripped.notes[0].contains("may be a copy of an embedding table"), "{:?}", stripped.notes);
}

/// Where operations were traced, the literal's own name is found in them.
#[test]
fn traced_operations_name_lost_parameters() {
    let traced = |call: Message, text: &str| {
        let entry = |key: &str, value: &str| Message::default().text(1, key).text(2, value);
        call.message(9, &entry("pkg.torch.onnx.fx_node", text))
            .message(9, &entry("pkg.torch.onnx.name_scopes", "['', 'block.0', 'block.0.fc', 'linear']"))
    };
    let text = "%linear : [num_users=1] = call_function[target=torch.ops.aten.linear.default](args = (%x, %p_block_0_fc_weight, %p_block_0_fc_bias), kwargs = {})";
    let parts = Parts {
        inputs: vec![value("x", "f32[2, 8]")],
        literals: vec![weight("val_3", &[8, 4]), weight("block.0.fc.bias", &[4]), ints("unused", &[1])],
        nodes: vec![
            traced(node("MatMul", &["x", "val_3"], &["h"], &[]), text),
            traced(node("Add", &["h", "block.0.fc.bias"], &["y"], &[]), text),
        ],
        outputs: vec![untyped("y")],
        ..Parts::default()
    };
    let loaded = read(&parts.model(20).text(2, "pytorch")).unwrap();
    assert_eq!(of(&loaded, &Origin::Parameter), ["block.0.fc.weight", "block.0.fc.bias"]);
    let scopes: Vec<&str> = loaded.graph.nodes().map(|(_, node)| loaded.graph.text(node.source.scope)).collect();
    assert_eq!(scopes, ["block.0.fc", "block.0.fc"]);
}

/// A decoder may begin with zeros and learned positions: what its first layers compute depends on no input.
#[test]
fn layers_that_no_input_reaches_own_their_weights() {
    let traced = |call: Message, arguments: &str| {
        let text =
            format!("%linear : [num_users=1] = call_function[target=torch.ops.aten.linear.default]({arguments})");
        call.message(9, &Message::default().text(1, "pkg.torch.onnx.fx_node").text(2, &text))
    };
    let parts = |matrix: &str, is_traced: bool| {
        let layer = |call: Message| {
            if is_traced { traced(call, "args = (%zeros, %p_query_weight, %p_query_bias), kwargs = {}") } else { call }
        };
        Parts {
            inputs: vec![value("x", "f32[4, 2]")],
            literals: vec![
                weight("zeros", &[2, 8]),
                weight(matrix, &[8, 4]),
                weight("query.bias", &[4]),
                weight("val_9", &[]),
            ],
            nodes: vec![
                layer(node("MatMul", &["zeros", matrix], &["q"], &[])),
                node("Add", &["q", "query.bias"], &["biased"], &[]),
                node("Mul", &["biased", "val_9"], &["scaled"], &[]),
                node("MatMul", &["scaled", "x"], &["y"], &[]),
            ],
            outputs: vec![untyped("y")],
            ..Parts::default()
        }
    };
    let dynamo = read(&parts("val_3", true).model(20).text(2, "pytorch")).unwrap();
    assert_eq!(of(&dynamo, &Origin::Parameter), ["query_weight", "query.bias"]);
    let torchscript = read(&parts("onnx::MatMul_3", false).model(17).text(2, "pytorch")).unwrap();
    assert_eq!(of(&torchscript, &Origin::Parameter), ["onnx::MatMul_3", "query.bias"]);
}
