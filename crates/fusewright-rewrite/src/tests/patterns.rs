use bytes::Bytes;

use super::model::{Dim, Model};
use super::{graph, interface, nodes, ops, rewritten, written};
use crate::emit::F32;
use crate::{Options, Packing, Rewrite, Target, rewrite};

const ROWS: [Dim; 3] = [Dim::Open("batch"), Dim::Open("seq"), Dim::Fixed(32)];

fn gelu(opset: i64, root: f32) -> Bytes {
    let mut model = Model::new(opset);
    model.input("x", &ROWS, F32).number("root", root).number("one", 1.0).number("half", 0.5);
    model.node("Div", &["x", "root"], "d", vec![]).node("Erf", &["d"], "e", vec![]);
    model.node("Add", &["e", "one"], "a", vec![]).node("Mul", &["x", "a"], "m", vec![]);
    model.node("Mul", &["m", "half"], "y", vec![]).output("y", &ROWS);
    model.bytes()
}

#[test]
fn gelu_is_one_node_where_there_is_one() {
    let root = std::f32::consts::SQRT_2;
    assert_eq!(ops(&written(&rewritten(&gelu(20, root), Target::Onnx))), ["Gelu"]);
    assert_eq!(ops(&written(&rewritten(&gelu(17, root), Target::Onnx))).len(), 5, "not a standard operator yet");
    let after = written(&rewritten(&gelu(17, root), Target::Ort));
    assert_eq!(nodes(&after)[0].domain, "com.microsoft");
    assert_eq!(interface(&graph(&after)), interface(&graph(&gelu(17, root))));
    assert_eq!(ops(&written(&rewritten(&gelu(20, 1.5), Target::Onnx))).len(), 5, "another function");
}

/// x · 1/√(mean(x²) + ε) · weight.
fn rms_norm(opset: i64, axis: i64) -> Bytes {
    let mut model = Model::new(opset);
    model.input("x", &ROWS, F32).number("two", 2.0).number("epsilon", 1e-6).number("one", 1.0).weight("w", &[32]);
    model.ints("axes", &[axis]).node("Pow", &["x", "two"], "p", vec![]);
    model.node("ReduceMean", &["p", "axes"], "m", vec![]).node("Add", &["m", "epsilon"], "a", vec![]);
    model.node("Sqrt", &["a"], "s", vec![]).node("Div", &["one", "s"], "r", vec![]);
    model.node("Mul", &["x", "r"], "n", vec![]).node("Mul", &["w", "n"], "y", vec![]).output("y", &ROWS);
    model.bytes()
}

#[test]
fn norms_are_one_node() {
    let after = written(&rewritten(&rms_norm(23, -1), Target::Onnx));
    let node = nodes(&after).pop().unwrap();
    assert_eq!(
        (node.op_type.as_str(), &node.inputs[..]),
        ("RMSNormalization", ["x".to_owned(), "w".to_owned()].as_slice())
    );
    assert_eq!(node.attribute("epsilon").unwrap().float, Some(1e-6));
    assert_eq!(ops(&written(&rewritten(&rms_norm(18, -1), Target::Ort))), ["SimplifiedLayerNormalization"]);
    assert_eq!(ops(&written(&rewritten(&rms_norm(18, -1), Target::Onnx))).len(), 7);
    assert!(ops(&written(&rewritten(&rms_norm(23, 1), Target::Onnx))).len() >= 7, "the mean of another axis");
}

fn projections(model: &mut Model, third: i64) {
    model.input("x", &ROWS, F32);
    for (name, width) in [("q", 16), ("k", 8), ("v", third)] {
        let [weight, bias, product] = ["w", "b", "p"].map(|part| format!("{part}_{name}"));
        model.weight(&weight, &[32, width]).weight(&bias, &[width]);
        model.node("MatMul", &["x", &weight], &product, vec![]).node("Add", &[&product, &bias], name, vec![]);
        model.output(name, &[ROWS[0], ROWS[1], Dim::Fixed(width)]);
    }
}

#[test]
fn projections_of_one_tensor_are_packed_on_request() {
    let mut model = Model::new(17);
    projections(&mut model, 8);
    let packed = |bytes: &Bytes| {
        rewrite(bytes, &|_| None, &Options { target: Target::Onnx, opset: None, pack: Packing::Always }).unwrap()
    };
    let found = packed(&model.bytes());
    let after = written(&found);
    assert_eq!(ops(&after), ["MatMul", "Add", "Split"]);
    assert_eq!(nodes(&after)[2].outputs, ["q", "k", "v"]);
    assert_eq!(interface(&graph(&after)), interface(&graph(&model.bytes())));
    assert_eq!(found.report().count(Rewrite::Packing), 1);
    assert_eq!(ops(&written(&rewritten(&model.bytes(), Target::Onnx))).len(), 6, "not by itself");
    let names = ["p_q", "p_v"].map(str::to_owned).into();
    let some = Options { target: Target::Onnx, opset: None, pack: Packing::These(&names) };
    let some = rewrite(&model.bytes(), &|_| None, &some).unwrap();
    assert_eq!(nodes(&written(&some)).into_iter().find(|node| node.op_type == "Split").unwrap().outputs, ["q", "v"]);
    // The weight of one is read elsewhere too: packed, it would be stored twice.
    model.node("Relu", &["w_v"], "r", vec![]).output("r", &[Dim::Fixed(32), Dim::Fixed(8)]);
    assert_eq!(nodes(&written(&packed(&model.bytes())))[2].outputs, ["q", "k"]);
    // One without a bias among those that have one.
    model.weight("w_u", &[32, 4]).node("MatMul", &["x", "w_u"], "u", vec![]);
    model.output("u", &[ROWS[0], ROWS[1], Dim::Fixed(4)]);
    assert_eq!(packed(&model.bytes()).report().skips[0].rewrite, Rewrite::Packing);
}
