//! Archives and programs that cannot be read: the error names the place.

use fusewright_ir::Bindings;
use fusewright_torch::pt2::{self, Pt2Error};

use crate::support::{Parts, archive, call, deflated, read, zip};

fn refused(archive: &[u8]) -> Pt2Error {
    pt2::read(archive, &Bindings::default()).unwrap_err()
}

fn identity() -> Parts<'static> {
    Parts {
        inputs: &["x"],
        outputs: &["relu"],
        tensors: &[("x", "7[2]"), ("relu", "7[2]")],
        nodes: Box::leak(call("relu.default", "self=%x", "relu").into_boxed_str()),
        ..Parts::default()
    }
}

#[test]
fn other_files_are_named() {
    assert!(matches!(refused(b""), Pt2Error::NotZip { .. }));
    assert!(matches!(refused(b"{\"format\": \"fx-graph\"}"), Pt2Error::NotZip { .. }));
    let other = zip(&[("data.pkl", b"x"), ("models.json", b"{}"), ("m/submodels/a.json", b"{}")]);
    assert_eq!(refused(&other), Pt2Error::NoProgram);
    assert!(!pt2::probe(&other));
    assert!(pt2::probe(&zip(&[("serialized_exported_program.json", b"")])));
    assert!(pt2::probe(&zip(&[("models/a.json", b"")])));
}

#[test]
fn the_program_is_found_by_name() {
    let program = identity().json();
    let two = |first: &str, second: &str| zip(&[(first, program.as_bytes()), (second, b"{}")]);
    let loaded = |archive: &[u8]| pt2::read(archive, &Bindings::default()).unwrap().graph.name;
    assert_eq!(loaded(&two("net/models/model.json", "net/models/other.json")), "net");
    assert_eq!(loaded(&zip(&[("archive/models/decoder.json", program.as_bytes())])), "decoder");
    assert_eq!(loaded(&deflated(&[("serialized_exported_program.json", program.as_bytes())])), "model");
    let several = refused(&two("m/models/a.json", "m/models/b.json"));
    assert_eq!(several, Pt2Error::SeveralPrograms { names: vec!["m/models/a.json".into(), "m/models/b.json".into()] });
}

#[test]
fn other_schemas_are_refused() {
    let program = identity().json();
    for minor in [2, 7, 8, 17, 20] {
        read(&program.replace("\"minor\": 20", &format!("\"minor\": {minor}"))).unwrap();
    }
    for (version, found) in [("\"major\": 8, \"minor\": 21", "8.21"), ("\"major\": 7, \"minor\": 3", "7.3")] {
        let error = read(&program.replace("\"major\": 8, \"minor\": 20", version)).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Pt2Error::WrongVersion { .. }) && text.contains(found) && text.contains("8.2 to 8.20"));
    }
    assert!(read("{}").unwrap_err().to_string().contains("no version"));
}

#[test]
fn a_broken_program_is_located() {
    let program = identity().json();
    let cases = [
        ("\"outputs\": [{\"as_tensor\"", "\"outputs\": [{\"as_int\": \"one\", \"as_tensor\"", "outputs[0]"),
        ("\"as_tensor\": {\"name\": \"x\"}", "\"as_float\": \"big\"", "as_float"),
        ("\"as_tensor\": {\"name\": \"x\"}", "", "an empty object"),
        ("\"dtype\": 7", "\"dtype\": 99", "the element type has the code 99"),
        ("\"layout\": 7", "\"layout\": 8", "the layout has the code 8"),
        ("\"x\": {\"dtype\"", "\"z\": {\"dtype\"", "unknown"),
        ("\"relu\": {\"dtype\"", "\"z\": {\"dtype\"", "`tensor_values` has no entry for `relu`"),
    ];
    for (from, to, expected) in cases {
        assert!(program.contains(from), "{from}");
        let error = read(&program.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(expected) || expected == "unknown", "{error}");
    }
    let used = program.replace(
        "\"name\": \"self\", \"arg\": {\"as_tensor\": {\"name\": \"x\"}",
        "\"name\": \"self\", \"arg\": {\"as_tensor\": {\"name\": \"w\"}",
    );
    assert!(matches!(read(&used), Err(Pt2Error::UnknownValue { value, .. }) if value == "w"));
}

#[test]
fn unknown_codes_of_arguments_are_named() {
    for (argument, what) in
        [("as_memory_format", "memory format"), ("as_layout", "layout"), ("as_scalar_type", "element type")]
    {
        let nodes = call("clone.default", &format!("self=%x memory_format={{\"{argument}\":77}}"), "relu");
        let error = read(&Parts { nodes: &nodes, ..identity() }.json()).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains("77") && error.contains("`relu`"), "{error}");
    }
}

#[test]
fn fields_may_be_absent_null_or_new() {
    let program = identity().json();
    let extended = program.replacen(
        "{\"schema_version\"",
        "{\"novelty\": [{\"a\": 1}], \"guards_code\": null, \"schema_version\"",
        1,
    );
    let extended = extended.replace("\"kind\": 1", "\"kind\": 1, \"flavour\": null");
    assert_eq!(read(&extended).unwrap().graph.node_count(), 1);
    let novel = call("relu.default", r#"self=%x hint={"as_something_new":[1,2]}"#, "relu");
    let loaded = read(&Parts { nodes: &novel, ..identity() }.json()).unwrap();
    assert_eq!(loaded.warnings.len(), 1);
}

#[test]
fn a_damaged_entry_is_noticed() {
    let program = identity().json();
    let mut bytes = archive(&program);
    let position = bytes.windows(4).position(|window| window == b"relu").unwrap();
    bytes[position] = b'R';
    assert!(matches!(refused(&bytes), Pt2Error::Entry { entry, .. } if entry == "m/models/model.json"));
}
