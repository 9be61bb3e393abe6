//! Reads arbitrary bytes as an archive, with and without bound dims. What is read passes the verifier: `read` sees to it.
//!
//! The first byte chooses what the others are: an archive as it is, or the JSON of a program, which is put into an
//! archive with a checksum that is right, for damage to packed bytes never gets past that.
#![no_main]

use std::io::{Cursor, Write};

use fusewright_ir::Bindings;
use fusewright_torch::pt2::{probe, read};
use libfuzzer_sys::fuzz_target;

/// An archive with this program and a table of weights.
fn archive(program: &[u8], table: &[u8]) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
    for (name, data) in [("m/models/model.json", program), ("m/data/weights/model_weights_config.json", table)] {
        let (mut entry, config) = archive.new_file(name).start().expect("the name is short");
        let mut writer = config.wrap(&mut entry);
        writer.write_all(data).expect("memory takes all bytes");
        let (_, descriptor) = writer.finish().expect("memory takes all bytes");
        entry.finish(descriptor).expect("memory takes all bytes");
    }
    archive.finish().expect("memory takes all bytes");
    bytes.into_inner()
}

fuzz_target!(|input: &[u8]| {
    let Some((&mode, rest)) = input.split_first() else { return };
    let packed;
    let bytes = if mode == b'P' {
        rest
    } else {
        // A line of its own is the table of weights.
        let mut parts = rest.splitn(2, |&byte| byte == b'\n');
        packed = archive(parts.next().unwrap_or_default(), parts.next().unwrap_or(b"{}"));
        &packed
    };
    let _ = probe(bytes);
    let _ = read(bytes, &Bindings::default());
    if rest.windows(7).any(|window| window == b"Symbol(") {
        let _ = read(bytes, &[("batch".to_owned(), 3), ("seq".to_owned(), 5)].into_iter().collect());
    }
});
