use super::model::{Dim, Model};
use super::{graph, interface, nodes, ops, rewritten, written};
use crate::emit::F32;
use crate::message::{Attribute, TensorMessage};
use crate::{Options, Packing, Rewrite, Target, rewrite};

const ROWS: [Dim; 3] = [Dim::Open("batch"), Dim::Open("seq"), Dim::Fixed(32)];

/// Projections of x to q, k and v, heads split off: 4 of width 8.
fn heads(model: &mut Model) {
    model.input("x", &ROWS, F32);
    heads_of(model);
}

fn heads_of(model: &mut Model) {
    model.ints("split", &[0, 0, 4, 8]).ints("join", &[0, 0, 32]).number("scale", 0.25);
    for name in ["q", "k", "v"] {
        let [weight, rows, apart, moved] = ["w", "rows", "apart", "heads"].map(|part| format!("{part}_{name}"));
        model.weight(&weight, &[32, 32]).node("MatMul", &["x", &weight], &rows, vec![]);
        model.node("Reshape", &[&rows, "split"], &apart, vec![]);
        model.perm(&apart, &moved, if name == "k" { &[0, 2, 3, 1] } else { &[0, 2, 1, 3] });
    }
}

fn softmax(model: &mut Model, input: &str, axis: i64) {
    model.node("Softmax", &[input], "weights", vec![Attribute::of_int("axis", axis)]);
}

fn end(model: &mut Model) {
    model.node("MatMul", &["weights", "heads_v"], "mixed", vec![]).perm("mixed", "moved", &[0, 2, 1, 3]);
    model.node("Reshape", &["moved", "join"], "y", vec![]).output("y", &ROWS);
}

fn plain(opset: i64) -> Model {
    let mut model = Model::new(opset);
    heads(&mut model);
    model.node("MatMul", &["heads_q", "heads_k"], "scores", vec![]).node("Mul", &["scores", "scale"], "scaled", vec![]);
    softmax(&mut model, "scaled", -1);
    end(&mut model);
    model
}

#[test]
fn steps_become_one_node_of_onnx_runtime() {
    let model = plain(17).bytes();
    let found = rewritten(&model, Target::Ort);
    let after = written(&found);
    assert_eq!(ops(&after), ["MatMul", "MatMul", "MatMul", "MultiHeadAttention"]);
    let node = nodes(&after).pop().unwrap();
    assert_eq!(node.inputs, ["rows_q", "rows_k", "rows_v"]);
    assert_eq!(node.outputs, ["y"]);
    assert_eq!(node.name, "encoder.layer.0/MultiHeadAttention", "named after its module");
    assert_eq!((node.int("num_heads", 0), node.attribute("scale").unwrap().float), (4, Some(0.25)));
    assert_eq!(interface(&graph(&after)), interface(&graph(&model)));
    assert_eq!(graph(&after).dims, graph(&model).dims, "open extents stay open");
    let report = found.report();
    assert_eq!((report.attentions, report.count(Rewrite::Attention)), (1, 1));
    assert_eq!(report.changes[0].module, "encoder.layer.0");
}

#[test]
fn the_standard_operator_needs_its_version() {
    assert_eq!(rewritten(&plain(22).bytes(), Target::Onnx).report().count(Rewrite::Attention), 0);
    let after = written(&rewritten(&plain(23).bytes(), Target::Onnx));
    assert_eq!(ops(&after), ["MatMul", "MatMul", "MatMul", "Attention"]);
    let node = nodes(&after).pop().unwrap();
    assert_eq!((node.int("q_num_heads", 0), node.int("kv_num_heads", 0)), (4, 4));
    let asked = Options { target: Target::Onnx, opset: Some(23), pack: Packing::Never };
    let raised = rewrite(&plain(17).bytes(), &|_| None, &asked).unwrap();
    assert_eq!((raised.opset(), raised.report().count(Rewrite::Attention)), (23, 1));
    assert!(rewrite(&plain(17).bytes(), &|_| None, &Options { opset: Some(12), ..asked }).is_err());
}

/// Of length 5 with this mask added, part of the file.
fn masked_by(elements: &[f32]) -> Model {
    let mut model = Model::new(17);
    model.input("x", &[Dim::Open("batch"), Dim::Fixed(5), Dim::Fixed(32)], F32);
    heads_of(&mut model);
    model.floats("mask", &[1, 1, 5, 5], elements);
    model.node("MatMul", &["heads_q", "heads_k"], "scores", vec![]).node("Mul", &["scores", "scale"], "scaled", vec![]);
    model.node("Add", &["scaled", "mask"], "masked", vec![]);
    softmax(&mut model, "masked", -1);
    end(&mut model);
    model
}

#[test]
fn masks_in_the_file_are_read() {
    let attention = |elements: &[f32]| {
        let after = written(&rewritten(&masked_by(elements).bytes(), Target::Ort));
        nodes(&after).into_iter().find(|node| node.op_type.ends_with("Attention")).unwrap()
    };
    let hides_nothing = attention(&[0.0; 25]);
    assert_eq!((hides_nothing.inputs.len(), hides_nothing.int("unidirectional", 0)), (3, 0));
    let mut causal: Vec<f32> = (0..25).map(|at| if at % 5 > at / 5 { f32::MIN } else { 0.0 }).collect();
    let hides_what_follows = attention(&causal);
    assert_eq!(hides_what_follows.op_type, "GroupQueryAttention");
    causal[5] = f32::MIN;
    let hides_more = attention(&causal);
    assert_eq!((hides_more.inputs.last().unwrap().as_str(), hides_more.int("unidirectional", 0)), ("mask", 0));
    let moves = attention(&[0.5; 25]);
    assert_eq!(moves.inputs.last().unwrap(), "mask");
}

#[test]
fn masks_chosen_between_two_numbers_are_read() {
    let inputs = |visible: bool| {
        let mut model = Model::new(17);
        model.input("x", &[Dim::Open("batch"), Dim::Fixed(5), Dim::Fixed(32)], F32);
        heads_of(&mut model);
        let raw: Vec<u8> = (0..25).map(|at| u8::from(visible || at != 7)).collect();
        let sees =
            TensorMessage { name: "sees".into(), dims: vec![1, 1, 5, 5], data_type: 9, ..TensorMessage::default() };
        model.tensor(&TensorMessage { raw: Some(raw.into()), ..sees });
        model.number("zero", 0.0).number("hidden", f32::NEG_INFINITY);
        model.node("Where", &["sees", "zero", "hidden"], "mask", vec![]);
        model.node("MatMul", &["heads_q", "heads_k"], "scores", vec![]);
        model.node("Mul", &["scores", "scale"], "scaled", vec![]).node("Add", &["scaled", "mask"], "masked", vec![]);
        softmax(&mut model, "masked", -1);
        end(&mut model);
        let after = written(&rewritten(&model.bytes(), Target::Ort));
        nodes(&after).into_iter().find(|node| node.op_type == "MultiHeadAttention").unwrap().inputs
    };
    assert_eq!(inputs(true), ["rows_q", "rows_k", "rows_v"]);
    assert_eq!(inputs(false).last().unwrap(), "mask");
}

#[test]
fn a_mask_of_the_caller_stays_a_tensor() {
    let mut model = Model::new(17);
    heads(&mut model);
    let dims = [Dim::Open("batch"), Dim::Fixed(1), Dim::Fixed(1), Dim::Open("seq")];
    model.input("mask", &dims, F32);
    model.node("MatMul", &["heads_q", "heads_k"], "scores", vec![]).node("Mul", &["scores", "scale"], "scaled", vec![]);
    model.node("Add", &["scaled", "mask"], "masked", vec![]);
    softmax(&mut model, "masked", -1);
    end(&mut model);
    let after = written(&rewritten(&model.bytes(), Target::Ort));
    let node = nodes(&after).pop().unwrap();
    assert_eq!(node.op_type, "MultiHeadAttention");
    // One row of the mask stands for all queries, which the operator does not do by itself.
    let bias = nodes(&after).into_iter().find(|other| other.outputs.contains(&node.inputs[5])).unwrap();
    assert_eq!((bias.op_type.as_str(), bias.inputs[0].as_str()), ("Expand", "mask"));
    assert_eq!(node.int("unidirectional", 0), 0);
}

#[test]
fn extents_are_cut_out_of_shapes_where_shapes_come_whole() {
    let after = |opset: i64| {
        let mut model = Model::new(opset);
        heads(&mut model);
        let dims = [Dim::Open("batch"), Dim::Fixed(1), Dim::Fixed(1), Dim::Open("seq")];
        model.input("mask", &dims, F32);
        model.node("MatMul", &["heads_q", "heads_k"], "scores", vec![]);
        model.node("Mul", &["scores", "scale"], "scaled", vec![]).node("Add", &["scaled", "mask"], "masked", vec![]);
        softmax(&mut model, "masked", -1);
        end(&mut model);
        nodes(&written(&rewritten(&model.bytes(), Target::Ort)))
    };
    let shapes = |opset: i64| -> Vec<usize> {
        let found = after(opset);
        found.iter().filter(|node| node.op_type == "Shape").map(|node| node.attributes.len()).collect()
    };
    assert_eq!(shapes(17), [2]);
    assert_eq!(shapes(13), [0], "before version 15 a Shape has no attributes");
    assert!(after(13).iter().any(|node| node.op_type == "Slice"));
}

#[test]
fn one_extent_may_have_two_names() {
    let mut model = Model::new(17);
    heads(&mut model);
    // Only where `words` is `seq` and `texts` is `batch` does the model work.
    let dims = [Dim::Open("texts"), Dim::Fixed(1), Dim::Fixed(1), Dim::Open("words")];
    model.input("mask", &dims, F32);
    model.node("MatMul", &["heads_q", "heads_k"], "scores", vec![]).node("Mul", &["scores", "scale"], "scaled", vec![]);
    model.node("Add", &["scaled", "mask"], "masked", vec![]);
    softmax(&mut model, "masked", -1);
    end(&mut model);
    let found = rewritten(&model.bytes(), Target::Ort);
    assert_eq!((found.report().attentions, found.report().count(Rewrite::Attention)), (1, 1));
    assert_eq!(graph(&written(&found)).dims, graph(&model.bytes()).dims);
}

#[test]
fn scales_before_the_product_are_gathered() {
    let mut model = Model::new(17);
    heads(&mut model);
    model.node("Mul", &["heads_q", "scale"], "small_q", vec![]).node("Mul", &["heads_k", "scale"], "small_k", vec![]);
    model.node("MatMul", &["small_q", "small_k"], "scores", vec![]);
    softmax(&mut model, "scores", 3);
    end(&mut model);
    let after = written(&rewritten(&model.bytes(), Target::Ort));
    assert_eq!(nodes(&after).pop().unwrap().attribute("scale").unwrap().float, Some(0.0625));
    assert!(!ops(&after).contains(&"Mul".to_owned()));
}

#[test]
fn what_is_read_elsewhere_stays() {
    for (extra, reason) in
        [("weights", "its weights are a result of the model"), ("scaled", "its scores are read elsewhere too")]
    {
        let mut model = plain(17);
        let dims = [Dim::Open("batch"), Dim::Fixed(4), Dim::Open("seq"), Dim::Open("seq")];
        model.output(extra, &dims);
        let found = rewritten(&model.bytes(), Target::Ort);
        assert_eq!(found.report().count(Rewrite::Attention), 0);
        assert_eq!(found.report().skips[0].reason, reason);
        assert_eq!(ops(&written(&found)), ops(&model.bytes()), "nothing else changes");
    }
}

#[test]
fn a_scale_behind_a_mask_is_none_of_the_operator() {
    let mut model = Model::new(17);
    heads(&mut model);
    let dims = [Dim::Open("batch"), Dim::Fixed(1), Dim::Open("seq"), Dim::Open("seq")];
    model.input("mask", &dims, F32);
    model.node("MatMul", &["heads_q", "heads_k"], "scores", vec![]).node("Add", &["scores", "mask"], "masked", vec![]);
    model.node("Mul", &["masked", "scale"], "scaled", vec![]);
    softmax(&mut model, "scaled", -1);
    end(&mut model);
    let found = rewritten(&model.bytes(), Target::Ort);
    assert_eq!(found.report().skips[0].reason, "its scores are scaled after they are masked");
}

#[test]
fn rows_without_a_visible_key_stay_zero() {
    let mut model = Model::new(17);
    heads(&mut model);
    let dims = [Dim::Open("batch"), Dim::Fixed(1), Dim::Open("seq"), Dim::Open("seq")];
    model.input("mask", &dims, F32).number("zero", 0.0);
    model.node("MatMul", &["heads_q", "heads_k"], "scores", vec![]).node("Mul", &["scores", "scale"], "scaled", vec![]);
    model.node("Add", &["scaled", "mask"], "masked", vec![]);
    model.node("Softmax", &["masked"], "raw", vec![Attribute::of_int("axis", -1)]);
    model.node("IsNaN", &["raw"], "empty", vec![]).node("Where", &["empty", "zero", "raw"], "weights", vec![]);
    end(&mut model);
    let after = written(&rewritten(&model.bytes(), Target::Ort));
    let names = ops(&after);
    assert_eq!(names[names.len() - 3..], ["MultiHeadAttention", "IsNaN", "Where"]);
}

#[test]
fn one_head_of_keys_for_all_is_not_repeated() {
    let mut model = Model::new(23);
    model.input("x", &ROWS, F32).ints("split", &[0, 0, 4, 8]).ints("one", &[0, 0, 1, 8]).ints("join", &[0, 0, 32]);
    model.number("scale", 0.25);
    for (name, width, heads) in [("q", 32, "split"), ("k", 8, "one"), ("v", 8, "one")] {
        let [weight, rows, apart, moved] = ["w", "rows", "apart", "heads"].map(|part| format!("{part}_{name}"));
        model.weight(&weight, &[32, width]).node("MatMul", &["x", &weight], &rows, vec![]);
        model.node("Reshape", &[&rows, heads], &apart, vec![]);
        model.perm(&apart, &moved, if name == "k" { &[0, 2, 3, 1] } else { &[0, 2, 1, 3] });
    }
    model.node("MatMul", &["heads_q", "heads_k"], "scores", vec![]).node("Mul", &["scores", "scale"], "scaled", vec![]);
    softmax(&mut model, "scaled", -1);
    end(&mut model);
    let after = written(&rewritten(&model.bytes(), Target::Onnx));
    assert_eq!(ops(&after), ["MatMul", "MatMul", "MatMul", "Attention"]);
    let node = nodes(&after).pop().unwrap();
    assert_eq!((node.int("q_num_heads", 0), node.int("kv_num_heads", 0)), (4, 1));
    assert_eq!(node.inputs, ["rows_q", "rows_k", "rows_v"]);
}

/// A mask that the caller gives, with this number where it hides.
fn masked_by_caller(hidden: f32) -> Vec<String> {
    let mut model = Model::new(23);
    heads(&mut model);
    model.input("seen", &[Dim::Open("batch"), Dim::Fixed(1), Dim::Open("seq"), Dim::Open("seq")], 9);
    model.number("zero", 0.0).number("hidden", hidden).node("Where", &["seen", "zero", "hidden"], "mask", vec![]);
    model.node("MatMul", &["heads_q", "heads_k"], "scores", vec![]).node("Mul", &["scores", "scale"], "scaled", vec![]);
    model.node("Add", &["scaled", "mask"], "masked", vec![]);
    softmax(&mut model, "masked", -1);
    end(&mut model);
    ops(&written(&rewritten(&model.bytes(), Target::Onnx)))
}

#[test]
fn the_lowest_number_is_not_handed_to_the_standard_operator() {
    assert!(masked_by_caller(f32::MIN).contains(&"Max".to_owned()));
    for hidden in [-1e9, f32::NEG_INFINITY] {
        let found = masked_by_caller(hidden);
        assert!(found.contains(&"Attention".to_owned()) && !found.contains(&"Max".to_owned()), "{found:?}");
    }
}
