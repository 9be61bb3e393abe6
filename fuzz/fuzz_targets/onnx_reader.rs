//! Reads arbitrary bytes as an ONNX model, with and without a bound dim, with weights beside it and without. What is
//! read passes the verifier: `read` sees to it.
#![no_main]

use bytes::Bytes;
use fusewright_ir::Bindings;
use fusewright_onnx::{probe, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|model: &[u8]| {
    let _ = probe(model);
    let model = Bytes::copy_from_slice(model);
    let _ = read(model.clone(), &|_| None, &Bindings::default());
    if model.windows(5).any(|window| window == b"batch") {
        let _ = read(model, &|_| Some(4096), &[("batch".to_owned(), 3)].into_iter().collect());
    }
});
