//! What is refused, and what the message says.

use bytes::Bytes;
use fusewright_ir::Bindings;

use super::support::{Message, Parts, Set, node, read, value, weight};

fn refused(model: &Message) -> String {
    read(model).unwrap_err().to_string()
}

fn chain(nodes: Vec<Message>) -> Message {
    let outputs = vec![Message::default().text(1, "y")];
    Parts { inputs: vec![value("x", "f32[4]")], nodes, outputs, ..Parts::default() }.model(20)
}

#[test]
fn definitions_and_order() {
    let relu = |from: &str, to: &str| node("Relu", &[from], &[to], &[]);
    assert!(refused(&chain(vec![relu("z", "y")])).contains("node `Relu` reads `z`, which nothing defines"));
    assert!(refused(&chain(vec![relu("h", "y"), relu("x", "h")])).contains("which a later node makes"));
    assert!(refused(&chain(vec![relu("y", "h"), relu("h", "y")])).contains("a graph has no cycles"));
    assert!(refused(&chain(vec![relu("x", "y"), relu("x", "y")])).contains("`y` is defined twice"));
    assert!(refused(&chain(vec![relu("x", "x")])).contains("`x` is defined twice"));
    assert!(refused(&chain(vec![relu("x", "h")])).contains("the graph gives `y`, which nothing defines"));
}

#[test]
fn inputs_need_types() {
    let graph = |input: Message| Parts { inputs: vec![input], ..Parts::default() }.model(20);
    assert!(refused(&graph(Message::default().text(1, "x"))).contains("input `x`: it is not a tensor"));
    assert!(refused(&graph(value("x", "f32[-3]"))).contains("its axis 0 has the extent -3"));
    let scalar =
        Message::default().text(1, "x").message(2, &Message::default().message(1, &Message::default().int(1, 1)));
    assert!(refused(&graph(scalar)).contains("it has no shape"));
    assert!(refused(&Message::default().int(1, 10)).contains("the model has no graph"));
}

#[test]
fn tensors_and_where_they_lie() {
    let graph = |tensor: Message| Parts { literals: vec![tensor], ..Parts::default() }.model(20);
    assert!(refused(&graph(weight("w", &[2, -1]))).contains("tensor `w`: it has the extent -1"));
    assert!(refused(&graph(weight("w", &[1 << 40, 1 << 40]))).contains("2^48"));
    assert!(refused(&graph(weight("w", &[2]).bytes(9, &[0; 4]))).contains("4 bytes of data, its shape takes 8"));
    assert!(refused(&graph(Message::default().text(8, "w").int(2, 99))).contains("code 99"));
    let external = |location: &str, offset: &str| {
        let entry = |key: &str, value: &str| Message::default().text(1, key).text(2, value);
        weight("w", &[4]).int(14, 1).message(13, &entry("location", location)).message(13, &entry("offset", offset))
    };
    for location in ["../w", "/w", "a\\b", "", "a\0"] {
        assert!(refused(&graph(external(location, "0"))).contains("is not a plain path"), "{location:?}");
    }
    assert!(refused(&graph(external("w", "-1"))).contains("its offset is `-1`"));
    let sized = |size: u64| {
        let model = Bytes::from(graph(external("w", "8")).0);
        fusewright_onnx::read(model, &|name| (name == "w").then_some(size), &Bindings::default())
    };
    assert!(sized(24).unwrap().notes.is_empty());
    assert!(sized(23).unwrap_err().to_string().contains("its data ends at byte 24 of `w`, which has 23 bytes"));
    assert!(read(&graph(external("w", "8"))).unwrap().notes[0].contains("(`w`) are not there"));
}

#[test]
fn nesting_ends() {
    let call = |name: &str| node(&format!("local::{name}"), &["a"], &["b"], &[]);
    let function = |name: &str, body: Message| {
        Message::default().text(1, name).text(10, "local").text(4, "a").text(5, "b").message(7, &body)
    };
    let model = chain(vec![node("local::F", &["x"], &["y"], &[])]);
    let recursive = model.clone().message(25, &function("F", call("F")));
    assert!(refused(&recursive).contains("nested more than 24 deep"));
    let mutual = model.message(25, &function("F", call("G"))).message(25, &function("G", call("F")));
    assert!(refused(&mutual).contains("nested more than 24 deep"));
}

/// Twenty functions that call the next one eight times each would be a million million calls.
#[test]
fn inlining_ends() {
    let mut model = chain(vec![node("local::F0", &["x"], &["y"], &[])]);
    for level in 0..20 {
        let mut function =
            Message::default().text(1, &format!("F{level}")).text(10, "local").text(4, "v0").text(5, "v8");
        for place in 0..8 {
            let (from, to) = (format!("v{place}"), format!("v{}", place + 1));
            function = function.message(7, &node(&format!("local::F{}", level + 1), &[&from], &[&to], &[]));
        }
        model = model.message(25, &function);
    }
    assert!(refused(&model).contains("more than 2097152"));
}

#[test]
fn attributes_that_lie_make_opaque_nodes() {
    let with = |op: &str, settings: &[Set<'_>]| {
        let loaded = read(&chain(vec![node(op, &["x"], &["y"], settings)])).unwrap();
        assert_eq!(loaded.warnings.len(), 1, "{op}: {:?}", loaded.warnings);
        loaded.warnings[0].text.clone()
    };
    assert!(with("Transpose", &[Set::Ints("perm", &[3])]).contains("axis 3 is outside"));
    assert!(with("Softmax", &[Set::Int("axis", i64::MIN)]).contains("axis"));
    assert!(with("Reshape", &[]).contains("it has no shape"));
    assert!(with("Cast", &[Set::Int("to", 1 << 40)]).contains("not known"));
    assert!(with("MatMul", &[]).contains("input 1 is missing"));
    assert!(with("Split", &[Set::Ints("split", &[1, 9])]).contains("add up"));
    assert!(with("Einsum", &[Set::Text("equation", "a->a->")]).contains("equation"));
}
