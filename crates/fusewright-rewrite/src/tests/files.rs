use std::io::{self, Write};

use bytes::Bytes;

use super::model::{Dim, Model};
use super::{graph, rewritten, written};
use crate::emit::F32;
use crate::message::{Entry, TensorMessage};
use crate::payload::Payload;
use crate::{Options, Packing, Target, rewrite, wire};

fn small() -> Model {
    let mut model = Model::new(17);
    model.input("x", &[Dim::Open("n"), Dim::Fixed(16)], F32).weight("w", &[16, 32]);
    model.node("MatMul", &["x", "w"], "h", vec![]).node("Frobnicate", &["h"], "y", vec![]);
    model.output("y", &[Dim::Open("n"), Dim::Fixed(32)]);
    model
}

#[test]
fn what_is_not_touched_is_written_as_it_was() {
    let mut model = small();
    // An annotation of the model and a field that no version of the format has.
    model.after.extend(wire::header(14, 3));
    model.after.extend(b"\x0a\x01k");
    model.after.extend(wire::header(999, 2));
    model.after.extend(b"??");
    let before = model.bytes();
    let after = written(&rewritten(&before, Target::Ort));
    let sorted = |model: &Bytes| {
        let mut fields: Vec<Bytes> = Vec::new();
        for field in wire::fields(model).unwrap() {
            match (field.number, field.content) {
                (7, Some(graph)) => fields.extend(wire::fields(&graph).unwrap().into_iter().map(|field| field.whole)),
                _ => fields.push(field.whole),
            }
        }
        fields.sort();
        fields
    };
    assert_eq!(sorted(&before), sorted(&after));
}

#[test]
fn weights_of_another_file_go_to_one_of_the_new_model() {
    let mut model = Model::new(17);
    model.input("x", &[Dim::Fixed(4), Dim::Fixed(16)], F32);
    let entry = |key: &str, value: &str| Entry { key: key.to_owned(), value: value.to_owned() };
    let external = vec![entry("location", "old.bin"), entry("offset", "128"), entry("length", "2048")];
    let (name, dims) = ("w".to_owned(), vec![16, 32]);
    model.tensor(&TensorMessage { name, dims, data_type: F32, external, location: 1, ..TensorMessage::default() });
    model.node("MatMul", &["x", "w"], "y", vec![]).output("y", &[Dim::Fixed(4), Dim::Fixed(32)]);
    let data: Bytes = (0..2304_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let files = |name: &str| (name == "old.bin").then(|| data.clone());
    let found = rewrite(&model.bytes(), &files, &Options::default()).unwrap();
    assert!(found.needs_data_file());
    let (mut out, mut beside) = (Vec::new(), Vec::new());
    found.write(&mut out, Some(("new.onnx.data", &mut beside))).unwrap();
    assert_eq!(beside, data[128..2176]);
    let again = Bytes::from(out);
    let files = |name: &str| (name == "new.onnx.data").then(|| Bytes::from(beside.clone()));
    assert!(rewrite(&again, &files, &Options::default()).is_ok());
    let missing = rewrite(&again, &|_| None, &Options::default()).unwrap_err().to_string();
    assert!(
        missing.contains("`w`") && missing.contains("new.onnx.data") && missing.contains("is not there"),
        "{missing}"
    );
    let short = |_: &str| Some(Bytes::from_static(b"short"));
    assert!(rewrite(&again, &short, &Options::default()).is_err());
}

#[test]
fn rows_are_written_side_by_side() {
    let payload =
        |parts: &[&'static [u8]]| Payload::side_by_side(parts.iter().map(|part| Bytes::from_static(part)).collect(), 2);
    let tensor = crate::tensors::Tensor::made("t".into(), vec![2, 3], 2, payload(&[b"abcd", b"xy"]).unwrap());
    assert_eq!(tensor.message().unwrap().raw.as_deref(), Some(b"abxcdy".as_slice()));
    assert!(payload(&[b"abc"]).is_none());
}

#[test]
fn a_model_cut_off_anywhere_is_an_error_or_a_model() {
    let whole = small().bytes();
    for length in (0..whole.len()).step_by(3) {
        let _ = rewrite(&whole.slice(..length), &|_| None, &Options::default());
    }
    for at in (0..whole.len()).step_by(5) {
        let mut broken = whole.to_vec();
        broken[at] ^= 0x55;
        let _ =
            rewrite(&broken.into(), &|_| None, &Options { target: Target::Ort, opset: Some(23), pack: Packing::Never });
    }
}

#[test]
fn weights_of_a_function_may_not_lie_elsewhere() {
    let mut model = small();
    let tensor = TensorMessage {
        name: "inner".into(),
        dims: vec![1],
        data_type: F32,
        external: vec![Entry { key: "location".into(), value: "f".into() }],
        location: 1,
        ..TensorMessage::default()
    };
    model.node("Constant", &[], "c", vec![crate::message::Attribute::of_tensor("value", tensor)]);
    let refused = rewrite(&model.bytes(), &|_| None, &Options::default()).unwrap_err().to_string();
    assert!(refused.contains("`inner`"), "{refused}");
}

/// Fails after so many bytes, as a full disk does.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 && !bytes.is_empty() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let found = rewritten(&small().bytes(), Target::Onnx);
    let length = written(&found).len();
    assert!(found.write(&mut Full(length), None).is_ok());
    assert!(found.write(&mut Full(length - 1), None).is_err());
}

#[test]
fn what_does_nothing_goes_and_what_is_twice_stays_once() {
    let mut model = Model::new(17);
    model.input("x", &[Dim::Fixed(4), Dim::Fixed(8)], F32);
    model.node("Identity", &["x"], "same", vec![]).node("Relu", &["same"], "a", vec![]);
    model.node("Relu", &["x"], "b", vec![]).node("Add", &["a", "b"], "sum", vec![]);
    model.perm("sum", "turned", &[1, 0]).perm("turned", "back", &[1, 0]);
    model.node("Sigmoid", &["back"], "y", vec![]).output("y", &[Dim::Fixed(4), Dim::Fixed(8)]);
    let after = written(&rewritten(&model.bytes(), Target::Onnx));
    assert_eq!(super::ops(&after), ["Relu", "Add", "Sigmoid"]);
    assert_eq!(super::interface(&graph(&after)), super::interface(&graph(&model.bytes())));
    // A result of the graph keeps its name, whatever makes it.
    model.node("Identity", &["y"], "z", vec![]).output("z", &[Dim::Fixed(4), Dim::Fixed(8)]);
    let after = written(&rewritten(&model.bytes(), Target::Onnx));
    assert_eq!(super::ops(&after), ["Relu", "Add", "Sigmoid", "Identity"]);
}
