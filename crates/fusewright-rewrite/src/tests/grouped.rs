//! Attention of decoders: shared heads, what follows hidden, positions turned into queries and keys.

use bytes::Bytes;

use super::model::{Dim, Model};
use super::{graph, interface, nodes, ops, rewritten, written};
use crate::emit::{F32, I64};
use crate::message::{Attribute, Node, TensorMessage};
use crate::{Rewrite, Target};

const ROWS: [Dim; 3] = [Dim::Open("batch"), Dim::Open("seq"), Dim::Fixed(32)];

/// What the model under test is like.
#[derive(Clone, Copy)]
struct Decoder {
    opset: i64,
    /// Heads of queries and of keys.
    heads: (i64, i64),
    width: i64,
    /// Both halves of the tables are the same.
    halves: bool,
    causal: bool,
    /// How many keys a query sees, its own included.
    window: Option<i64>,
    turned: bool,
}

const LLAMA: Decoder =
    Decoder { opset: 17, heads: (4, 2), width: 16, halves: true, causal: true, window: None, turned: true };

fn scalar(model: &mut Model, name: &str, value: i64) {
    let raw = Some(value.to_le_bytes().to_vec().into());
    model.tensor(&TensorMessage { name: name.to_owned(), data_type: I64, raw, ..TensorMessage::default() });
}

fn axis(axis: i64) -> Vec<Bytes> {
    vec![Attribute::of_int("axis", axis)]
}

impl Decoder {
    fn model(self) -> Model {
        let ((heads, shared), width) = (self.heads, self.width);
        let mut model = Model::new(self.opset);
        model.input("x", &ROWS, F32).number("scale", 0.25).number("nothing", 0.0).number("hidden", f32::MIN);
        model.ints("join", &[0, 0, heads * width]).ints("first", &[0]).ints("half", &[width / 2]);
        model.ints("last", &[i64::MAX]).ints("three", &[3]).ints("second", &[1]).ints("front", &[0, 1]);
        scalar(&mut model, "start", 0);
        scalar(&mut model, "step", 1);
        let one = vec![Attribute::of_int("start", 1), Attribute::of_int("end", 2)];
        model.node("Shape", &["x"], "lengths", one).node("Squeeze", &["lengths"], "length", vec![]);
        model.node("Range", &["start", "length", "step"], "keys", vec![]);
        model.node("Unsqueeze", &["keys", "second"], "queries", vec![]);
        if self.turned {
            self.tables(&mut model);
        }
        for (name, count) in [("q", heads), ("k", shared), ("v", shared)] {
            let [weight, rows, apart, split, moved] =
                ["w", "rows", "apart", "split", "heads"].map(|p| format!("{p}_{name}"));
            model.weight(&weight, &[32, count * width]).node("MatMul", &["x", &weight], &rows, vec![]);
            model.ints(&split, &[0, 0, count, width]).node("Reshape", &[&rows, &split], &apart, vec![]);
            model.perm(&apart, &moved, &[0, 2, 1, 3]);
        }
        let [q, k] = if self.turned {
            ["q", "k"].map(|name| turn(&mut model, name))
        } else {
            ["heads_q", "heads_k"].map(str::to_owned)
        };
        model
            .ints("apart", &[2])
            .ints("groups", &[1, 1, heads / shared, 1, 1])
            .ints("together", &[0, heads, -1, width]);
        for (from, to) in [(k.as_str(), "all_k"), ("heads_v", "all_v")] {
            let [wide, each] = ["wide", "each"].map(|part| format!("{part}_{to}"));
            model.node("Unsqueeze", &[from, "apart"], &wide, vec![]).node("Expand", &[&wide, "groups"], &each, vec![]);
            model.node("Reshape", &[&each, "together"], to, vec![]);
        }
        model.perm("all_k", "keys_last", &[0, 1, 3, 2]).node("MatMul", &[&q, "keys_last"], "scores", vec![]);
        model.node("Mul", &["scores", "scale"], "scaled", vec![]);
        let mut scores = "scaled";
        if self.causal {
            model.node("LessOrEqual", &["keys", "queries"], "before", vec![]);
            let mut seen = "before";
            if let Some(window) = self.window {
                scalar(&mut model, "window", window);
                model.node("Sub", &["queries", "window"], "edge", vec![]);
                model.node("Greater", &["keys", "edge"], "near", vec![]).node(
                    "And",
                    &["before", "near"],
                    "seen",
                    vec![],
                );
                seen = "seen";
            }
            model.node("Where", &[seen, "nothing", "hidden"], "mask", vec![]);
            model.node("Add", &["scaled", "mask"], "masked", vec![]);
            scores = "masked";
        }
        model.node("Softmax", &[scores], "weights", axis(-1)).node("MatMul", &["weights", "all_v"], "mixed", vec![]);
        model.perm("mixed", "moved", &[0, 2, 1, 3]).node("Reshape", &["moved", "join"], "y", vec![]);
        model.output("y", &[ROWS[0], ROWS[1], Dim::Fixed(heads * width)]);
        model
    }

    fn tables(self, model: &mut Model) {
        model.weight("speeds", &[self.width / 2]);
        let to = vec![Attribute::of_int("to", i64::from(F32))];
        model.node("Cast", &["queries"], "places", to).node("Mul", &["places", "speeds"], "angles", vec![]);
        model.node("Mul", &["angles", "scale"], "odd", vec![]);
        let twice = if self.halves { ["angles", "angles"] } else { ["angles", "odd"] };
        model.node("Concat", &twice, "both", axis(-1));
        for (op, name) in [("Cos", "cosines"), ("Sin", "sines")] {
            let flat = format!("{name}_flat");
            model.node(op, &["both"], &flat, vec![]).node("Unsqueeze", &[&flat, "front"], name, vec![]);
        }
    }
}

/// Turns heads, as decoders write it.
fn turn(model: &mut Model, name: &str) -> String {
    let [heads, low, high, less, halves, even, odd, turned] =
        ["heads", "low", "high", "less", "halves", "even", "odd", "turned"].map(|part| format!("{part}_{name}"));
    model.node("Slice", &[&heads, "first", "half", "three"], &low, vec![]);
    model.node("Slice", &[&heads, "half", "last", "three"], &high, vec![]).node("Neg", &[&high], &less, vec![]);
    model.node("Concat", &[&less, &low], &halves, axis(-1)).node("Mul", &[&heads, "cosines"], &even, vec![]);
    model.node("Mul", &[&halves, "sines"], &odd, vec![]).node("Add", &[&even, &odd], &turned, vec![]);
    turned
}

fn only(model: &Bytes, op: &str) -> Node {
    let found: Vec<Node> = nodes(model).into_iter().filter(|node| node.op_type == op).collect();
    assert_eq!(found.len(), 1, "{op} in {:?}", ops(model));
    found.into_iter().next().unwrap()
}

#[test]
fn shared_heads_are_not_repeated() {
    let before = Decoder { turned: false, ..LLAMA }.model().bytes();
    let after = written(&rewritten(&before, Target::Ort));
    let node = only(&after, "GroupQueryAttention");
    assert_eq!(node.inputs[..5], ["rows_q", "rows_k", "rows_v", "", ""]);
    assert_eq!((node.int("num_heads", 0), node.int("kv_num_heads", 0), node.int("do_rotary", 0)), (4, 2, 0));
    assert!(
        !ops(&after).iter().any(|op| ["Transpose", "Softmax", "Where"].contains(&op.as_str())),
        "{:?}",
        ops(&after)
    );
    assert_eq!(interface(&graph(&after)), interface(&graph(&before)));
    assert_eq!(graph(&after).dims, graph(&before).dims);
    assert_eq!(written(&rewritten(&after, Target::Ort)), after, "nothing is left to do");
}

#[test]
fn the_operator_turns_what_both_tables_turn() {
    let before = LLAMA.model().bytes();
    let found = rewritten(&before, Target::Ort);
    let after = written(&found);
    let node = only(&after, "GroupQueryAttention");
    assert_eq!(node.inputs[..3], ["rows_q", "rows_k", "rows_v"]);
    assert_eq!((node.int("do_rotary", 0), node.inputs.len()), (1, 9));
    assert_eq!(found.report().count(Rewrite::Rotary), 2);
    assert!(!ops(&after).contains(&"RotaryEmbedding".to_owned()));
    assert_eq!(interface(&graph(&after)), interface(&graph(&before)));
    // Heads of 8 are turned by an operator of their own.
    let after = written(&rewritten(&Decoder { width: 8, ..LLAMA }.model().bytes(), Target::Ort));
    assert_eq!(ops(&after).iter().filter(|op| *op == "RotaryEmbedding").count(), 2);
    assert_eq!(only(&after, "GroupQueryAttention").int("do_rotary", 0), 0);
}

#[test]
fn the_standard_operators_share_heads_and_turn_too() {
    let before = Decoder { opset: 23, ..LLAMA }.model().bytes();
    let after = written(&rewritten(&before, Target::Onnx));
    let node = only(&after, "Attention");
    assert_eq!((node.int("q_num_heads", 0), node.int("kv_num_heads", 0), node.int("is_causal", 0)), (4, 2, 1));
    let turned: Vec<Node> = nodes(&after).into_iter().filter(|node| node.op_type == "RotaryEmbedding").collect();
    assert_eq!(turned.iter().map(|node| node.inputs[0].as_str()).collect::<Vec<_>>(), ["rows_q", "rows_k"]);
    assert_eq!(turned[0].inputs[1..], turned[1].inputs[1..], "tables are made once");
    assert_eq!(interface(&graph(&after)), interface(&graph(&before)));
}

#[test]
fn heads_of_their_own_are_groups_of_one() {
    let after = written(&rewritten(&Decoder { heads: (4, 4), ..LLAMA }.model().bytes(), Target::Ort));
    let node = only(&after, "GroupQueryAttention");
    assert_eq!((node.int("num_heads", 0), node.int("kv_num_heads", 0)), (4, 4));
}

#[test]
fn a_window_that_no_small_size_shows_is_a_mask() {
    for target in Target::ALL {
        let model = Decoder { opset: 23, window: Some(4096), ..LLAMA }.model().bytes();
        let after = written(&rewritten(&model, target));
        let op = if target == Target::Ort { "MultiHeadAttention" } else { "Attention" };
        let node = only(&after, op);
        assert_eq!(node.int("is_causal", 0) + node.int("unidirectional", 0), 0);
        assert!(ops(&after).contains(&"Where".to_owned()), "the mask stays");
    }
}

#[test]
fn what_only_looks_like_it_stays() {
    let open = written(&rewritten(&Decoder { causal: false, ..LLAMA }.model().bytes(), Target::Ort));
    assert!(ops(&open).contains(&"MultiHeadAttention".to_owned()), "keys that follow are seen");
    let found = rewritten(&Decoder { halves: false, ..LLAMA }.model().bytes(), Target::Ort);
    assert_eq!(found.report().count(Rewrite::Rotary), 0, "each half has angles of its own");
    assert!(found.report().skips.iter().any(|skip| skip.rewrite == Rewrite::Rotary));
    let narrow = written(&rewritten(&Decoder { width: 4, ..LLAMA }.model().bytes(), Target::Ort));
    assert!(!ops(&narrow).contains(&"GroupQueryAttention".to_owned()), "heads of 4 are too narrow");
}

#[test]
fn a_mask_that_is_written_in_the_file_is_told_too() {
    // As exporters write it for a fixed length, larger than what shapes are computed from.
    let length = 300_i64;
    let whole = |sees: &dyn Fn(i64, i64) -> bool| {
        let mut model = Model::new(17);
        let dims = [Dim::Fixed(1), Dim::Fixed(length), Dim::Fixed(32)];
        model.input("x", &dims, F32).ints("split", &[0, 0, 2, 16]).ints("join", &[0, 0, 32]).number("nothing", 0.0);
        model.number("hidden", f32::MIN);
        let all = (0..length).flat_map(|row| (0..length).map(move |column| (row, column)));
        let raw: Vec<u8> = all.map(|(row, column)| u8::from(sees(row, column))).collect();
        let dims = vec![1, 1, length, length];
        model.tensor(&TensorMessage {
            name: "seen".to_owned(),
            data_type: 9,
            dims,
            raw: Some(raw.into()),
            ..TensorMessage::default()
        });
        for (name, order) in [("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])] {
            let [weight, rows, apart, moved] = ["w", "rows", "apart", "heads"].map(|part| format!("{part}_{name}"));
            model.weight(&weight, &[32, 32]).node("MatMul", &["x", &weight], &rows, vec![]);
            model.node("Reshape", &[&rows, "split"], &apart, vec![]).perm(&apart, &moved, &order);
        }
        model.node("Where", &["seen", "nothing", "hidden"], "mask", vec![]);
        model.node("MatMul", &["heads_q", "heads_k"], "scores", vec![]).node(
            "Add",
            &["scores", "mask"],
            "masked",
            vec![],
        );
        model.node("Softmax", &["masked"], "weights", axis(-1)).node(
            "MatMul",
            &["weights", "heads_v"],
            "mixed",
            vec![],
        );
        model.perm("mixed", "moved", &[0, 2, 1, 3]).node("Reshape", &["moved", "join"], "y", vec![]);
        model.output("y", &[Dim::Fixed(1), Dim::Fixed(length), Dim::Fixed(32)]);
        written(&rewritten(&model.bytes(), Target::Ort))
    };
    assert!(ops(&whole(&|row, column| column <= row)).contains(&"GroupQueryAttention".to_owned()));
    let others: [&dyn Fn(i64, i64) -> bool; 2] =
        [&|row, column| column <= row && row < column + 200, &|row, column| column <= row && (row, column) != (7, 3)];
    for sees in others {
        assert!(ops(&whole(sees)).contains(&"MultiHeadAttention".to_owned()));
    }
}
