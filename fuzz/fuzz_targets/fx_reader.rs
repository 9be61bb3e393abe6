//! Reads arbitrary bytes as FX JSON, with and without a bound dim. What is read passes the verifier: `read` sees to it.
#![no_main]

use fusewright_ir::Bindings;
use fusewright_torch::fx::{probe, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    let _ = probe(json);
    let _ = read(json, &Bindings::default());
    if json.windows(4).any(|window| window == b"\"s0\"") {
        let _ = read(json, &[("s0".to_owned(), 3)].into_iter().collect());
    }
});
