//! Writing optimized models.

use std::fs;
use std::io::Read;

use crate::run::{json, run, stdout};
use crate::scratch::Scratch;

/// Bytes of the weights that the model has in a file beside it.
const WEIGHTS: usize = 6_004_736;

/// BERT with a padding mask, two layers, as an exporter wrote it, with weights of zeros.
fn bert(scratch: &Scratch) -> String {
    let packed = include_bytes!("../data/bert_masked.onnx.gz").as_slice();
    let mut model = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut model).expect("the file is whole");
    scratch.file("weights.bin", &vec![0; WEIGHTS]);
    scratch.file("bert.onnx", &model)
}

#[test]
fn attention_becomes_one_node_and_the_file_is_one_that_can_be_planned() {
    let scratch = Scratch::new();
    let (model, output) = (bert(&scratch), scratch.path("fast.onnx"));
    let report = json(&["optimize", &model, "-o", &output, "--target", "ort", "--format", "json"]);
    let attention = &report["attention"];
    assert_eq!(attention["found"], attention["fused"]);
    assert!(attention["found"].as_u64() > Some(0), "{attention}");
    let plan = json(&["plan", &output, "--format", "json", "-q"]);
    assert_eq!(plan["attention"]["found"], attention["found"]);
    let names = ["bert.onnx", "fast.onnx", "fast.onnx.data", "weights.bin"];
    assert_eq!(scratch.names(), names, "nothing temporary is left");
    let page = stdout(&["optimize", &model, "--dry-run", "--diff", "--target", "ort"]);
    assert!(page.contains("com.microsoft.MultiHeadAttention"), "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
}

#[test]
fn an_existing_file_is_kept_unless_forced() {
    let scratch = Scratch::new();
    let (model, output) = (bert(&scratch), scratch.file("mine.onnx", b"mine"));
    let ran = run(&["optimize", &model, "-o", &output]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("exists already") && ran.stderr.contains("--force"), "{}", ran.stderr);
    assert_eq!(fs::read(&output).expect("it is there"), b"mine");
    assert_eq!(run(&["optimize", &model, "-o", &output, "--force", "-q"]).code, Some(0));
    assert_ne!(fs::read(&output).expect("it is there"), b"mine");
    // In its own place, from the file that is being replaced.
    assert_eq!(run(&["optimize", &output, "-o", &output, "--force", "-q"]).code, Some(0));
    assert_eq!(run(&["plan", &output, "-q"]).code, Some(0));
}

#[test]
fn a_dry_run_writes_nothing() {
    let scratch = Scratch::new();
    let (model, output) = (bert(&scratch), scratch.path("no.onnx"));
    assert!(stdout(&["optimize", &model, "-o", &output, "--dry-run"]).contains("nothing written"));
    assert_eq!(scratch.names(), ["bert.onnx", "weights.bin"]);
}

#[test]
fn what_is_no_onnx_file_is_told_what_to_use() {
    let scratch = Scratch::new();
    let output = scratch.path("out.onnx");
    for model in ["vit_b_16", "bert-base"] {
        let ran = run(&["optimize", model, "-o", &output]);
        assert_eq!(ran.code, Some(2));
        assert!(ran.stderr.contains("fusewright.torch.optimize"), "{}", ran.stderr);
    }
    let broken = scratch.file("broken.onnx", b"\x08\x08");
    assert_eq!(run(&["optimize", &broken, "-o", &output]).code, Some(3));
    let ran = run(&["optimize", &bert(&scratch), "-o", &scratch.path("no/such/folder.onnx")]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("cannot write"), "{}", ran.stderr);
    assert!(!scratch.names().contains(&"out.onnx".to_owned()));
}

/// A process that is ended while it writes, here by a limit on the size of files, leaves no half model.
#[cfg(target_os = "linux")]
#[test]
fn a_process_that_is_ended_leaves_nothing_under_the_name() {
    let scratch = Scratch::new();
    let (model, output) = (bert(&scratch), scratch.path("half.onnx"));
    let size = fs::metadata(&model).expect("it is there").len();
    assert!(size > 16_384, "the limit is reached");
    let script = "ulimit -f 8; exec \"$0\" optimize \"$1\" -o \"$2\" -q";
    let binary = env!("CARGO_BIN_EXE_fusewright");
    let ended = std::process::Command::new("sh").args(["-c", script, binary, &model, &output]).output();
    assert!(!ended.expect("a shell is there").status.success());
    assert!(!scratch.names().contains(&"half.onnx".to_owned()));
}
