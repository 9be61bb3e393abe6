//! ONNX files with the plan in them.

use std::fs;
use std::io::Read;

use crate::run::{json, run, stdout};
use crate::scratch::Scratch;

/// BERT with a padding mask, two layers, as an exporter wrote it, with weights of zeros in a file beside it.
fn bert(scratch: &Scratch) -> String {
    let packed = include_bytes!("../data/bert_masked.onnx.gz").as_slice();
    let mut model = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut model).expect("the file is whole");
    scratch.file("weights.bin", &vec![0; 6_004_736]);
    scratch.file("bert.onnx", &model)
}

#[test]
fn the_annotated_model_has_the_same_plan_and_says_so() {
    let scratch = Scratch::new();
    let (model, output) = (bert(&scratch), scratch.path("planned.onnx"));
    let words = ["--hw", "a100-sxm-80", "--strategy", "attention", "--groups", "--format", "json", "-q"];
    let plan = json(&[&["plan", &model, "--annotate", &output], &words[..]].concat());
    assert_eq!(scratch.names(), ["bert.onnx", "planned.onnx", "planned.onnx.data", "weights.bin"]);
    let mut again = json(&[&["plan", &output], &words[..]].concat());
    for field in ["name", "source"] {
        again["model"][field] = plan["model"][field].clone();
    }
    assert_eq!(again, plan);
    let written = fs::read(&output).expect("it is there");
    let holds = |text: &str| written.windows(text.len()).any(|part| part == text.as_bytes());
    let groups = plan["groups"].as_array().expect("groups");
    let patterns = groups.iter().filter(|group| group["kind"] == "fused").filter_map(|group| group["pattern"].as_str());
    for text in ["fusewright.group", "fusewright.us", "a100-sxm-80"].into_iter().chain(patterns) {
        assert!(holds(text), "{text} is in the file");
    }
    // Another plan takes the place of the first.
    let before = written.len();
    stdout(&[
        "plan",
        &output,
        "--annotate",
        &output,
        "--force",
        "--strategy",
        "attention",
        "--hw",
        "a100-sxm-80",
        "-q",
    ]);
    assert_eq!(fs::read(&output).expect("it is there").len(), before);
}

#[test]
fn what_cannot_be_annotated_is_refused() {
    let scratch = Scratch::new();
    let output = scratch.path("planned.onnx");
    let ran = run(&["plan", "bert-base", "--annotate", &output, "-q"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("--annotate reads and writes ONNX files"), "{ran:?}");
    let taken = scratch.file("taken.onnx", b"mine");
    let ran = run(&["plan", &bert(&scratch), "--annotate", &taken, "-q"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
    assert_eq!(fs::read(&taken).expect("it is there"), b"mine");
    for name in ["-", "no/such/folder/planned.onnx"] {
        let ran = run(&["plan", &bert(&scratch), "--annotate", name, "-q"]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
    }
}
