//! What the library finds in real models: what exporters wrote out is found, and healthy models have no misses.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use fusewright::pattern::{Findings, Library};
use fusewright::{Analysis, BUILT_IN, Session, find_patterns};

fn findings(library: &Library, model: &std::ffi::OsStr) -> Findings {
    let model = Session::new().load(model).unwrap();
    find_patterns(&Analysis::of(model.decomposed()), library)
}

fn fixtures() -> Vec<PathBuf> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in ["fusewright-onnx/tests/models", "fusewright-torch/tests/pt2/models"] {
        let entries = std::fs::read_dir(crates.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        files.extend(entries.filter(|path| path.extension().is_some_and(|end| end == "gz" || end == "pt2")));
    }
    files.sort();
    files
}

#[test]
fn what_exporters_wrote_out_is_found() {
    let library = Library::built_in();
    let expected: [(&str, &[(&str, usize)]); 9] = [
        ("bert_base-ts17.onnx.gz", &[("gelu-erf", 12), ("linear-activation", 13), ("qkv-projections", 12)]),
        ("gpt2-dynamo20.onnx.gz", &[("gelu-tanh", 12), ("embedding-norm", 1)]),
        ("llama_mha-ts17.onnx.gz", &[("rope-rotate-half", 4), ("swiglu", 2), ("gate-up-projections", 2)]),
        ("clip-ts17.onnx.gz", &[("quick-gelu", 4), ("l2-normalise", 2)]),
        ("whisper-ts17.onnx.gz", &[("cross-attention", 2), ("kv-projections", 1)]),
        ("swin_t-ts17.onnx.gz", &[("gelu-erf", 12), ("relative-bias-attention", 12)]),
        ("t5_small.pt2", &[("skip-norm", 30), ("rms-norm", 2)]),
        ("llama_tiny.pt2", &[("rope-rotate-half", 4), ("grouped-query-attention", 2)]),
        ("resnet50.pt2", &[("conv-residual", 16), ("conv-norm-activation", 37)]),
    ];
    for path in fixtures() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some((_, rows)) = expected.iter().find(|(known, _)| *known == name) else { continue };
        let found = findings(&library, path.as_os_str());
        for (rule, count) in *rows {
            let id = library.find(rule).unwrap();
            let times = found.candidates.iter().filter(|c| c.rule == id || c.also.contains(&id)).count();
            assert_eq!(times, *count, "{name}: {rule}");
        }
    }
}

#[test]
fn healthy_models_have_no_misses() {
    let library = Library::built_in();
    let mut told = Vec::new();
    let built_in = BUILT_IN.iter().map(|model| model.name.into());
    let files = fixtures().into_iter().map(PathBuf::into_os_string);
    for model in built_in.chain(files) {
        for miss in findings(&library, &model).misses {
            told.push(format!("{}: {} {}", model.display(), library.rule(miss.rule).id, miss.reason));
        }
    }
    assert!(told.is_empty(), "{told:#?}");
}
