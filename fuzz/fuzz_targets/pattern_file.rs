//! Reads arbitrary bytes as a pattern file. What is read is searched for in its own examples; what is refused says on which
//! line.
#![no_main]

use fusewright_ir::{Consumers, Storage, text};
use fusewright_pattern::{Library, Surroundings, find, find_attentions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = std::str::from_utf8(bytes) else { return };
    let mut library = Library::default();
    match library.add("fuzz.toml", file) {
        Ok(id) => {
            for example in library.rule(id).examples.clone() {
                let graph = text::parse(&example.graph).expect("examples are read with their file");
                let (storage, consumers) = (Storage::of(&graph), Consumers::of(&graph));
                let attentions = find_attentions(&graph, &storage, &consumers);
                find(&Surroundings::new(&graph, &storage, &consumers, &attentions), &library);
            }
        }
        Err(problem) => assert!((1..=file.lines().count() + 1).contains(&problem.line)),
    }
});
