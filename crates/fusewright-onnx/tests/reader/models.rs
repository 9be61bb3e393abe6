//! Whole models: what is computed while reading, functions, branches, open sizes, what is not known.

use fusewright_ir::Bindings;

use super::support::{Message, Parts, Set, ints, node, number, read, steps, value, weight};

fn untyped(name: &str) -> Message {
    Message::default().text(1, name)
}

#[test]
fn shape_arithmetic_never_enters_the_graph() {
    let parts = Parts {
        inputs: vec![value("x", "f32[2, 6, 4]")],
        literals: vec![ints("zero", &[0]), ints("minus", &[-1]), ints("two", &[2])],
        nodes: vec![
            node("Shape", &["x"], &["shape"], &[]),
            node("Gather", &["shape", "zero"], &["first"], &[]),
            node("Mul", &["first", "two"], &["doubled"], &[]),
            node("Concat", &["doubled", "minus"], &["target"], &[Set::Int("axis", 0)]),
            node("Reshape", &["x", "target"], &["y"], &[]),
        ],
        outputs: vec![untyped("y")],
        ..Parts::default()
    };
    let loaded = read(&parts.model(17)).unwrap();
    assert_eq!(steps(&loaded), ["f32[4, 12] = reshape(%x) {shape = [4, 12]}"]);
    assert_eq!(loaded.graph.value_count(), 2);
}

#[test]
fn functions_are_inlined_with_their_attributes() {
    let body = node("LeakyRelu", &["a"], &["b"], &[Set::Given("alpha", "slope")]);
    let function = Message::default()
        .text(1, "Bend")
        .text(10, "local")
        .text(4, "a")
        .text(5, "b")
        .text(6, "slope")
        .message(9, &Message::default().int(2, 20))
        .message(7, &body);
    let parts = Parts {
        inputs: vec![value("x", "f32[4]")],
        nodes: vec![
            node("local::Bend", &["x"], &["h"], &[Set::Float("slope", 0.5)]),
            node("local::Bend", &["h"], &["y"], &[Set::Float("slope", 0.25)]),
        ],
        outputs: vec![untyped("y")],
        ..Parts::default()
    };
    let loaded = read(&parts.model(20).message(25, &function)).unwrap();
    let expected = ["f32[4] = leaky_relu(%x) {slope = 0.5}", "f32[4] = leaky_relu(%h) {slope = 0.25}"];
    assert_eq!(steps(&loaded), expected);
}

#[test]
fn a_branch_with_a_known_condition_is_taken() {
    let branch = |op: &str, result: &str| {
        Parts { nodes: vec![node(op, &["x"], &[result], &[])], outputs: vec![untyped(result)], ..Parts::default() }
            .graph()
    };
    let condition = Message::default().text(8, "c").int(2, 9).bytes(9, &[1]);
    let choose = [Set::Graph("then_branch", branch("Relu", "t")), Set::Graph("else_branch", branch("Tanh", "e"))];
    let mut parts = Parts {
        inputs: vec![value("x", "f32[4]")],
        literals: vec![condition],
        nodes: vec![node("If", &["c"], &["y"], &choose)],
        outputs: vec![untyped("y")],
        ..Parts::default()
    };
    assert_eq!(steps(&read(&parts.model(20)).unwrap()), ["f32[4] = relu(%x)"]);

    parts.literals.clear();
    parts.inputs.push(value("c", "bool[]"));
    parts.outputs = vec![value("y", "f32[4]")];
    let loaded = read(&parts.model(20)).unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    assert_eq!(steps(&loaded), ["f32[4] = opaque(%c, %x) {name = \"If\"}"]);
}

#[test]
fn unknown_operators_are_kept_with_the_types_of_the_file() {
    let parts = Parts {
        inputs: vec![value("x", "f32[2, n]")],
        nodes: vec![
            node("other::Fold", &["x"], &["h"], &[]),
            node("Relu", &["h"], &["i"], &[]),
            node("other::Turn", &["i"], &["y"], &[]),
        ],
        outputs: vec![untyped("y")],
        recorded: vec![value("h", "f16[n, n*2]")],
        ..Parts::default()
    };
    let loaded = read(&parts.model(20)).unwrap();
    let expected = [
        "f16[128, 256] = opaque(%x) {name = \"other.Fold\"}",
        "f16[128, 256] = relu(%h)",
        "f16[128, 256] = opaque(%i) {name = \"other.Turn\"}",
    ];
    assert_eq!(steps(&loaded), expected);
    let texts: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert!(texts[0].contains("`other.Fold` is not known"), "{texts:?}");
    assert!(texts[1].contains("that of its first operand is assumed"), "{texts:?}");
}

#[test]
fn recorded_shapes_that_cannot_be_are_reported_and_not_used() {
    let parts = Parts {
        inputs: vec![value("x", "f32[2, 3]")],
        nodes: vec![node("Relu", &["x"], &["y"], &[])],
        outputs: vec![value("y", "f32[3, 2]")],
        ..Parts::default()
    };
    let loaded = read(&parts.model(20)).unwrap();
    assert_eq!(steps(&loaded), ["f32[2, 3] = relu(%x)"]);
    assert!(loaded.warnings[0].text.contains("says that `y` is f32[3, 2]"), "{:?}", loaded.warnings);
}

#[test]
fn open_sizes_have_names_and_aliases() {
    let parts = Parts {
        inputs: vec![value("ids", "i64[batch_size, tokens]"), value("past", "f32[batch_size, 4, past, 8]")],
        literals: vec![weight("table", &[100, 8])],
        nodes: vec![node("Gather", &["table", "ids"], &["y"], &[])],
        outputs: vec![untyped("y")],
        ..Parts::default()
    };
    let model = parts.model(20);
    let with = |dims: &[(&str, u64)]| {
        let bindings: Bindings = dims.iter().map(|&(name, size)| (name.to_owned(), size)).collect();
        fusewright_onnx::read(model.0.clone().into(), &|_| None, &bindings)
    };
    let first = |dims: &[(&str, u64)]| steps(&with(dims).unwrap()).remove(0);
    assert_eq!(first(&[]), "f32[1, 128, 8] = embedding(%ids, %table)");
    assert_eq!(first(&[("batch", 2), ("seq", 16)]), "f32[2, 16, 8] = embedding(%ids, %table)");
    assert_eq!(first(&[("batch_size", 3), ("ids.1", 7), ("batch", 9)]), "f32[3, 7, 8] = embedding(%ids, %table)");
    let notes = with(&[("batch", 2)]).unwrap().notes;
    assert!(notes[0].contains("past = 128, tokens = 128"), "{notes:?}");
    let refused = |dims: &[(&str, u64)]| with(dims).unwrap_err().to_string();
    assert!(refused(&[("length", 2)]).contains("it has `batch_size`, `past`, `tokens`, `batch`, `seq`"));
    assert!(refused(&[("tokens", 0)]).contains("a size lies between"));
    assert!(refused(&[("tokens", 2), ("ids.1", 3)]).contains("already"));
}

#[test]
fn a_gather_of_a_known_index_and_constants_of_any_size() {
    let parts = Parts {
        inputs: vec![value("x", "f32[2, 3]")],
        literals: vec![
            Message::default().text(8, "one").int(2, 7).bytes(9, &1_i64.to_le_bytes()),
            number("half", 0.5),
            ints("big", &[100, 100]),
        ],
        nodes: vec![
            node("Gather", &["x", "one"], &["row"], &[]),
            node("ConstantOfShape", &["big"], &["zeros"], &[]),
            node("Mul", &["row", "half"], &["y"], &[]),
        ],
        outputs: vec![untyped("y"), untyped("zeros")],
        ..Parts::default()
    };
    let expected = [
        "f32[3] = select(%x) {axis = 0, index = 1}",
        "f32[100, 100] = full() {shape = [100, 100], dtype = \"f32\", value = 0.0}",
        "f32[3] = mul(%row) {scalar = 0.5}",
    ];
    assert_eq!(steps(&read(&parts.model(20)).unwrap()), expected);
}
