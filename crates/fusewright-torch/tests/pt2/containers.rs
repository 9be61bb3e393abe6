//! Archives that save weights and constants in a container of `torch.save` each, as PyTorch wrote them
//! (`models/containers.py`).

use std::path::PathBuf;

use fusewright_ir::{Bindings, Content, DType, Stored};
use fusewright_torch::pt2;
use serde_json::Value;

use crate::support::zip;

fn file(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/pt2/containers").join(name)).unwrap()
}

/// The elements that a place in an archive holds, row by row.
fn elements(archive: &[u8], stored: &Stored, shape: &[usize]) -> Vec<f64> {
    let storage = &archive[usize::try_from(stored.offset).unwrap()..][..usize::try_from(stored.length).unwrap()];
    let numbers: Vec<f64> = match stored.dtype {
        DType::F32 => storage.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes).into()).collect(),
        DType::Bf16 => {
            let widened = |bytes: &[u8; 2]| f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16).into();
            storage.as_chunks::<2>().0.iter().map(widened).collect()
        }
        other => panic!("{other:?}"),
    };
    let strides = stored.strides.as_deref().unwrap();
    let first = usize::try_from(stored.first).unwrap();
    let mut places = vec![first];
    for (&extent, &stride) in shape.iter().zip(strides) {
        let stride = usize::try_from(stride).unwrap();
        places = places.iter().flat_map(|&place| (0..extent).map(move |step| place + step * stride)).collect();
    }
    places.into_iter().map(|place| numbers[place]).collect()
}

fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(rows) => rows.iter().flat_map(flat).collect(),
        #[allow(clippy::cast_possible_truncation, reason = "the numbers were single precision when they were written")]
        number => vec![f64::from(number.as_f64().unwrap() as f32)],
    }
}

#[test]
fn weights_are_found_in_containers() {
    for version in ["2.6", "2.8"] {
        let archive = file(&format!("torch{version}.pt2"));
        let expected: Value = serde_json::from_slice(&file(&format!("torch{version}.json"))).unwrap();
        let loaded = pt2::read(&archive, &Bindings::default()).unwrap();
        assert_eq!(loaded.notes, Vec::<String>::new());
        let tensors = expected["tensors"].as_object().unwrap();
        assert_eq!(tensors.len(), 6);
        for (name, expected) in tensors {
            // A tied weight has two names in the container and one in the graph.
            let named = |wanted: &str| loaded.graph.values().find(|&(id, _)| loaded.graph.value_name(id) == wanted);
            let (id, _) = named(name).or_else(|| named("first.weight")).or_else(|| named("second.weight")).unwrap();
            let shape = &loaded.graph.tensor(id).unwrap().shape;
            let shape: Vec<usize> = shape.iter().map(|&extent| usize::try_from(extent).unwrap()).collect();
            let Some(Content::Stored(stored)) = loaded.contents.get(name) else { panic!("{version}: {name}") };
            assert_eq!(elements(&archive, stored, &shape), flat(expected), "{version}: {name}");
        }
        // And the constant in the forward pass.
        let Some(Content::Stored(stored)) = loaded.contents.get("lifted_tensor_0") else { panic!("{version}") };
        assert_eq!(elements(&archive, stored, &[2]), [2.0, 3.0]);
    }
}

/// The archive with another container of weights.
fn with_weights(weights: &[u8]) -> Vec<u8> {
    let archive = file("torch2.6.pt2");
    let whole = rawzip::ZipArchive::from_slice(&archive[..]).unwrap();
    let name = "serialized_exported_program.json";
    let entry = whole.entries().map(Result::unwrap).find(|entry| entry.file_path().as_ref() == name.as_bytes());
    let program = whole.get_entry(entry.unwrap().wayfinder()).unwrap().data().to_vec();
    zip(&[("serialized_exported_program.json", &program), ("serialized_state_dict.pt", weights)])
}

#[test]
fn a_container_that_cannot_be_read_is_noted_and_changes_nothing_else() {
    let cases: [(Vec<u8>, &str); 4] = [
        (b"nothing".to_vec(), "is no container"),
        (zip(&[("archive/data/0", b"0000")]), "has no `data.pkl`"),
        (zip(&[("archive/data.pkl", b"\x80\x02i")]), "opcode 0x69"),
        (zip(&[("archive/data.pkl", b"\x80\x02}."), ("archive/byteorder", b"big")]), "first byte is the highest"),
    ];
    for (weights, expected) in cases {
        let loaded = pt2::read(&with_weights(&weights), &Bindings::default()).unwrap();
        assert!(loaded.notes.iter().any(|note| note.contains(expected)), "{:?}", loaded.notes);
        assert!(loaded.contents.is_empty());
        assert_eq!(crate::support::parameters(&loaded), 4 * 3 + 4 + 8 + 2);
    }
}
