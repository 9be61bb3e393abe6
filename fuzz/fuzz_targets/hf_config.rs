//! Reads arbitrary bytes as a model's configuration, as a prompt and as a decode step, and the same bytes as the header
//! of a safetensors file. What is read passes the verifier: `read` sees to it.
#![no_main]

use fusewright_hf::{Options, Phase, probe, read, safetensors};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|config: &[u8]| {
    let _ = probe(config);
    for phase in [Phase::Prefill, Phase::Decode] {
        let bindings = [("seq".to_owned(), 3)].into_iter().collect();
        let _ = read(config, &Options { bindings, phase });
    }
    let _ = safetensors::index(config);
    if let Ok(header) = safetensors::header(config) {
        let _ = safetensors::compare(7, [&header]);
    }
});
