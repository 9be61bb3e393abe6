use bytes::Bytes;

use super::model::{Dim, Model};
use super::{graph, interface, ops, rewritten, written};
use crate::emit::F32;
use crate::message::Attribute;
use crate::{Rewrite, Target};

const ROWS: [Dim; 3] = [Dim::Open("batch"), Dim::Open("seq"), Dim::Fixed(32)];

fn axis() -> Vec<Bytes> {
    vec![Attribute::of_int("axis", 0)]
}

#[test]
fn shapes_that_are_fixed_become_literals_and_open_ones_stay() {
    let mut model = Model::new(23);
    model.input("x", &ROWS, F32).ints("first", &[0]).ints("last", &[2]).ints("four", &[4]);
    model.node("Shape", &["x"], "shape", vec![]);
    model.node("Gather", &["shape", "first"], "batch", axis()).node("Gather", &["shape", "last"], "width", axis());
    model.node("Div", &["width", "four"], "each", vec![]).ints("rest", &[-1]);
    model.node("Concat", &["batch", "rest", "four", "each"], "apart", axis());
    model.node("Reshape", &["x", "apart"], "y", vec![]);
    model.output("y", &[ROWS[0], ROWS[1], Dim::Fixed(4), Dim::Fixed(8)]);
    let before = model.bytes();
    let found = rewritten(&before, Target::Ort);
    let after = written(&found);
    assert_eq!(ops(&after), ["Shape", "Gather", "Concat", "Reshape"], "the batch is open");
    assert_eq!(found.report().count(Rewrite::Constant), 1);
    assert_eq!(interface(&graph(&after)), interface(&graph(&before)));
}

#[test]
fn what_both_readings_happen_to_agree_on_stays() {
    let mut model = Model::new(23);
    model.input("x", &ROWS, F32).ints("second", &[1]).ints("two", &[2]).ints("first", &[0]).ints("axes", &[1]);
    model.node("Shape", &["x"], "shape", vec![]).node("Gather", &["shape", "second"], "length", axis());
    // Every size that is read is larger than 2; a sequence of one row is not.
    model.node("Min", &["length", "two"], "few", vec![]);
    model.node("Slice", &["x", "first", "few", "axes"], "y", vec![]).output("y", &ROWS);
    let after = written(&rewritten(&model.bytes(), Target::Ort));
    assert_eq!(ops(&after), ["Shape", "Gather", "Min", "Slice"]);
}

#[test]
fn reshapes_and_casts_that_change_nothing_go() {
    let mut model = Model::new(23);
    model.input("x", &ROWS, F32).ints("flat", &[-1, 32]).ints("same", &[-1, 4, 8]).ints("whole", &[0, 0, 32]);
    let to = |code: i64| vec![Attribute::of_int("to", code)];
    model.node("Cast", &["x"], "single", to(1)).node("Cast", &["single"], "double", to(11));
    model.node("Cast", &["double"], "again", to(1)).node("Reshape", &["again", "whole"], "rows", vec![]);
    model.node("Reshape", &["rows", "flat"], "lines", vec![]).node("Reshape", &["lines", "same"], "y", vec![]);
    model.output("y", &[Dim::Open("n"), Dim::Fixed(4), Dim::Fixed(8)]);
    let after = written(&rewritten(&model.bytes(), Target::Ort));
    assert_eq!(ops(&after), ["Reshape"]);
    // A slice up to a fixed end is whole only while the end is not reached.
    let mut model = Model::new(23);
    model.input("x", &ROWS, F32).ints("first", &[0]).ints("end", &[1024]).ints("axes", &[1]);
    model.node("Slice", &["x", "first", "end", "axes"], "z", vec![]).node("Relu", &["z"], "y", vec![]);
    model.output("y", &ROWS);
    assert_eq!(ops(&written(&rewritten(&model.bytes(), Target::Ort))), ["Slice", "Relu"]);
}

#[test]
fn nothing_is_read_off_a_shape_that_is_assumed() {
    // The result of an unknown operator may have any shape; the reader goes on with that of its operand.
    let made = |op: &str| {
        let mut model = Model::new(17);
        model.input("x", &[Dim::Fixed(4), Dim::Fixed(8)], F32).ints("shape", &[4, 8]).ints("axis", &[0]);
        model.node(op, &["x"], "h", vec![]).node("Reshape", &["h", "shape"], "r", vec![]);
        model.node("Shape", &["h"], "extents", vec![]).node("Gather", &["extents", "axis"], "n", vec![]);
        model.node("Expand", &["r", "n"], "y", vec![]).output("y", &[Dim::Open("a"), Dim::Open("b")]);
        ops(&written(&rewritten(&model.bytes(), Target::Ort)))
    };
    assert_eq!(made("Frobnicate"), ["Frobnicate", "Reshape", "Shape", "Gather", "Expand"]);
    let known = made("Relu");
    assert!(!known.contains(&"Reshape".to_owned()) && !known.contains(&"Shape".to_owned()), "{known:?}");
}
