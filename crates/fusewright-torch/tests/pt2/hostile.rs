//! Bytes that want to do harm: none panics, takes long or takes much memory.

use fusewright_ir::{Bindings, verify};
use fusewright_torch::pt2::{self, Pt2Error};

use crate::support::{Parts, archive, call, deflated, models, read, zip};

fn survive(bytes: &[u8]) {
    let _ = pt2::probe(bytes);
    if let Ok(loaded) = pt2::read(bytes, &Bindings::default()) {
        verify(&loaded.graph).unwrap();
    }
}

fn small() -> Vec<u8> {
    std::fs::read(models().join("block.pt2")).unwrap()
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = small();
    for end in 0..bytes.len() {
        assert!(pt2::read(&bytes[..end], &Bindings::default()).is_err(), "{end}");
    }
}

#[test]
fn flipped_bits_do_no_harm() {
    let bytes = small();
    for position in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[position] ^= 1 << (position % 8);
        survive(&flipped);
    }
}

#[test]
fn flipped_bits_in_the_program_do_no_harm() {
    let json = Parts {
        inputs: &["x"],
        outputs: &["cat"],
        tensors: &[("x", "7[s0, 4]"), ("cat", "7[s0, 8]")],
        nodes: &call("cat.default", r#"tensors={"as_tensors":[{"name":"x"},{"name":"x"}]} dim={"as_int":1}"#, "cat"),
        ..Parts::default()
    };
    let json = json.json();
    for position in 0..json.len() {
        for bit in 0..8 {
            let mut flipped = json.clone().into_bytes();
            flipped[position] ^= 1 << bit;
            survive(&zip(&[("m/models/model.json", &flipped)]));
        }
        survive(&archive(&json[..position]));
    }
}

#[test]
fn bombs_are_refused() {
    let blanks = vec![b' '; 64 << 20];
    let bomb = deflated(&[("m/models/model.json", &blanks)]);
    assert!(bomb.len() < 100_000);
    assert!(matches!(pt2::read(&bomb, &Bindings::default()), Err(Pt2Error::EntryTooLarge { .. })));
    // The same with a stated size that is small.
    let mut lying = bomb;
    let size = (64_u32 << 20).to_le_bytes();
    while let Some(position) = lying.windows(4).position(|window| window == size) {
        lying[position..position + 4].copy_from_slice(&100_u32.to_le_bytes());
    }
    assert!(pt2::read(&lying, &Bindings::default()).is_err());
}

#[test]
fn deep_nesting_is_refused() {
    let lists = "[".repeat(100_000);
    assert!(read(&format!(r#"{{"schema_version": {{"major": 8, "minor": 20}}, "graph_module": {lists}"#)).is_err());
    let mut graph = Parts { inputs: &["x"], outputs: &["x"], tensors: &[("x", "7[2]")], ..Parts::default() }.graph();
    for _ in 0..100 {
        let region = format!(
            r#"{{"target": "torch.ops.higher_order.wrap", "inputs": [{{"arg": {{"as_graph": {{"graph": {graph}}}}}}},
            {{"arg": {{"as_tensor": {{"name": "x"}}}}}}], "outputs": [{{"as_tensor": {{"name": "x"}}}}]}}"#
        );
        graph =
            Parts { inputs: &["x"], outputs: &["x"], tensors: &[("x", "7[2]")], nodes: &region, ..Parts::default() }
                .graph();
    }
    let program = format!(r#"{{"schema_version": {{"major": 8, "minor": 20}}, "graph_module": {{"graph": {graph}}}}}"#);
    assert!(matches!(read(&program), Err(Pt2Error::TooDeep { .. })));
}

#[test]
fn huge_claims_are_refused() {
    for ty in ["7[4000000000, 4000000000]", "7[9223372036854775807]", "7[999999999999]"] {
        let claim = Parts { inputs: &["x"], outputs: &["x"], tensors: &[("x", ty)], ..Parts::default() };
        if let Ok(loaded) = read(&claim.json()) {
            verify(&loaded.graph).unwrap();
        }
    }
    let many_axes = format!("7[{}]", vec!["1"; 5000].join(", "));
    let claim = Parts { inputs: &["x"], outputs: &["x"], tensors: &[("x", &many_axes)], ..Parts::default() };
    assert!(read(&claim.json()).is_err());
    // The count of entries, which stands twice near the end of the archive.
    let mut bytes = small();
    let end = bytes.windows(4).rposition(|window| window == b"PK\x05\x06").unwrap();
    bytes[end + 8..end + 12].fill(0xff);
    assert!(matches!(pt2::read(&bytes, &Bindings::default()), Err(Pt2Error::NotZip { .. })));
}

#[test]
fn a_long_name_is_not_multiplied() {
    let long = "n".repeat(100_000);
    let inner = Parts {
        inputs: &["x"],
        outputs: &["y"],
        tensors: &[("x", "7[2]"), ("y", "7[2]")],
        nodes: &vec![call("add.Tensor", "self=%x other=%x", "y"); 5000].join(", "),
        ..Parts::default()
    };
    let region = format!(
        r#"{{"target": "torch.ops.higher_order.wrap", "inputs": [{{"arg": {{"as_graph": {{"graph": {}}}}}}},
        {{"arg": {{"as_tensor": {{"name": "{long}"}}}}}}], "outputs": [{{"as_tensor": {{"name": "z"}}}}]}}"#,
        inner.graph()
    );
    let program = Parts {
        inputs: &[&long],
        outputs: &["z"],
        tensors: &[(&long, "7[2]"), ("z", "7[2]")],
        nodes: &region,
        ..Parts::default()
    };
    let loaded = read(&program.json()).unwrap();
    assert_eq!(loaded.graph.node_count(), 5000);
    assert!(loaded.graph.values().all(|(id, _)| loaded.graph.value_name(id).len() < 300));
}

#[test]
fn many_guards_and_symbols_take_no_square_of_time() {
    let names: Vec<String> = (0..20_000).map(|index| format!("s{index:05}")).collect();
    let inputs: Vec<String> = (0..20_000).map(|index| format!("x{index:05}")).collect();
    let types: Vec<String> = names.iter().map(|name| format!("5[{name}]")).collect();
    let tensors: Vec<(&str, &str)> = inputs.iter().map(String::as_str).zip(types.iter().map(String::as_str)).collect();
    let guard = |pair: &[String]| format!("\"L['{}'].size()[0] == L['{}'].size()[0]\"", pair[1], pair[0]);
    let mut guards: Vec<String> = inputs.windows(2).map(guard).collect();
    guards.reverse();
    let input_names: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let more = format!(", \"guards_code\": [{}]", guards.join(", "));
    let program =
        Parts { inputs: &input_names, outputs: &["x00000"], tensors: &tensors, more: &more, ..Parts::default() };
    let loaded = read(&program.json()).unwrap();
    assert_eq!(loaded.graph.dims.len(), 1);
}
