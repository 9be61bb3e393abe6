//! The planner in the page says what the command line says.

use std::io::Read;

use fusewright::Ranges;
use fusewright::page::model_file;
use fusewright::page::{Reader, Tables};
use fusewright::pattern::Library;
use fusewright::{PlanOptions, Session, Strategy};
use fusewright_wasm::{ModelReader, Opened, Planner};
use serde_json::{Value, json};

fn repository(path: &str) -> String {
    format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"))
}

/// The reader of a file, as in the page of a model: it alone is there.
fn open<R: Ranges + ?Sized>(bytes: &R, name: &str, source: &str) -> ModelReader {
    for reader in Reader::ALL {
        match ModelReader::open(bytes, name, source, &[reader]).expect("the file is read") {
            Opened::Here(opened) => return opened,
            Opened::By(other) => assert_ne!(other, reader),
        }
    }
    panic!("no reader takes {name}")
}

/// The answer to a question about a file.
fn answer(reader: &ModelReader, question: &str) -> String {
    let planner = Planner::new(&Tables::of(&Library::built_in(), None).to_json()).expect("tables");
    reader.read(question).map_or_else(|problem| problem, |model| planner.answer(question, &model))
}

/// The report of the facade, and that in the planner's answer, without what tells how the file was found.
fn both(model: &str, session: &Session, question: &Value, device: Option<&str>) -> (Value, Value) {
    let opened = session.load(model).expect("the model opens");
    let device = device.map(|device| fusewright::device(device).expect("it is built in"));
    let options = PlanOptions { device, strategies: Strategy::DEFAULT.to_vec(), ..PlanOptions::default() };
    let mut expected: Value =
        serde_json::from_str(&opened.report(&options).expect("it is planned").to_json()).expect("JSON");
    let file = model_file(model).expect("the file is there");
    let reader = open(&file.bytes[..], &file.name, model);
    let mut answer: Value = serde_json::from_str(&answer(&reader, &question.to_string())).expect("JSON");
    assert_eq!(answer["error"], Value::Null, "{model}: {answer}");
    let mut report = answer["report"].take();
    for side in [&mut expected, &mut report] {
        // A model without its weights says so in a note.
        side["notes"] = Value::Null;
    }
    (expected, report)
}

#[test]
fn reports_are_those_of_the_command_line() {
    let session = Session::new;
    for (model, session, question, device) in [
        ("vit_b_16".to_owned(), session(), json!({"device": "a100-sxm-80"}), Some("a100-sxm-80")),
        ("bert-base".to_owned(), session().with_dim("batch", 8), json!({"dims": {"batch": 8}}), None),
        ("resnet50".to_owned(), session(), json!({}), None),
        (
            repository("crates/fusewright-torch/tests/pt2/models/swin_t.pt2"),
            session(),
            json!({"device": "xeon-8490h"}),
            Some("xeon-8490h"),
        ),
        (repository("crates/fusewright/tests/data/bert_masked.onnx.gz"), session(), json!({}), None),
        (repository("crates/fusewright-onnx/tests/models/swin_t-dynamo20.onnx.gz"), session(), json!({}), None),
    ] {
        let (expected, found) = both(&model, &session, &question, device);
        assert_eq!(found, expected, "{model}");
    }
}

#[test]
fn what_cannot_be_read_is_said_as_by_the_command_line() {
    let mut onnx = Vec::new();
    let packed = std::fs::File::open(repository("crates/fusewright/tests/data/bert_masked.onnx.gz")).unwrap();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut onnx).unwrap();
    for (name, bytes) in [
        ("cut.onnx", &onnx[..3000]),
        ("noise.onnx", b"no model at all".as_slice()),
        ("empty.json", b"{}"),
        ("archive.pt2", b"PK\x03\x04 and nothing more"),
        ("nothing", b""),
    ] {
        let answer: Value = serde_json::from_str(&answer(&open(bytes, name, name), "{}")).unwrap();
        let expected = Session::new().load_named(bytes.to_vec(), name, name).unwrap_err();
        assert_eq!(answer["error"], json!(expected.to_string()), "{name}");
        assert_eq!(answer["help"], json!(expected.help()), "{name}");
        assert_eq!(answer["code"], json!(3), "{name}");
    }
}

#[test]
fn malformed_questions_are_refused() {
    let file = model_file("gpt2").unwrap();
    let reader = open(&file.bytes[..], &file.name, "gpt2");
    for question in
        ["", "7", "{\"device\": 7}", "{\"unknown\": 1}", "{\"strategies\": [\"best\"]}", "{\"dtype\": \"f31\"}"]
    {
        let answer: Value = serde_json::from_str(&answer(&reader, question)).unwrap();
        assert_eq!(answer["code"], json!(2), "{question}: {answer}");
    }
    let answer: Value = serde_json::from_str(&answer(&reader, "{\"device\": \"h1000\"}")).unwrap();
    assert!(answer["error"].as_str().unwrap().contains("h1000"), "{answer}");
}
