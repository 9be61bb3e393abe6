//! The gate: a lock file is written, agreed with, and disagreed with for a named reason.

use std::fs;

use serde_json::Value;

use crate::contract::assert_agrees;
use crate::run::{Ran, command, run};
use crate::scratch::Scratch;
use crate::stack::{Break, encoder};

/// Runs in the folder, where the lock file is the default one.
fn check(scratch: &Scratch, arguments: &[&str]) -> Ran {
    let arguments = [&["check"], arguments].concat();
    command(&arguments).current_dir(scratch.path("")).output().expect("the command starts").into()
}

/// A folder with an encoder of four layers and its lock file.
fn locked(flags: &[&str]) -> Scratch {
    let scratch = Scratch::new();
    scratch.file("encoder.json", &encoder(4, None));
    let ran = check(&scratch, &[&["encoder.json", "--update"], flags].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    scratch
}

fn lines(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_model_without_baseline_is_code_4() {
    let scratch = Scratch::new();
    scratch.file("encoder.json", &encoder(2, None));
    let ran = check(&scratch, &["encoder.json"]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stdout.contains("there is no lock file `fusewright.lock.json`"), "{}", ran.stdout);
    assert!(ran.stdout.contains("--update"), "{}", ran.stdout);
    assert_eq!(scratch.names(), ["encoder.json"], "nothing is written without --update");
    assert_eq!(check(&scratch, &["encoder.json", "--lenient"]).code, Some(0));
    assert_eq!(check(&scratch, &[]).code, Some(4));

    check(&scratch, &["vit_b_16", "--update"]);
    let ran = check(&scratch, &["encoder.json"]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(lines(&ran.stdout).contains("has entries for `vit_b_16` only"), "{}", ran.stdout);
    let ran = check(&scratch, &["vit_b_16", "--strategy", "compiled"]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
}

#[test]
fn what_was_locked_passes_and_lock_files_are_reproducible() {
    let scratch = locked(&["--hw", "a100-sxm-80"]);
    let lock = fs::read(scratch.path("fusewright.lock.json")).expect("the lock file is there");
    assert_agrees("lock", &serde_json::from_slice(&lock).expect("JSON"));
    let ran = check(&scratch, &["encoder.json", "--hw", "a100-sxm-80"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.starts_with("encoder.json --hw a100-sxm-80: as locked"), "{}", ran.stdout);
    // A model without options stands for its entries, where it has none without.
    let ran = check(&scratch, &["encoder.json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.starts_with("encoder.json --hw a100-sxm-80: as locked"), "{}", ran.stdout);
    assert_eq!(check(&scratch, &["encoder.json", "--hw", "h100-sxm"]).code, Some(4));
    check(&scratch, &["encoder.json", "--hw", "a100-sxm-80", "--update"]);
    assert_eq!(fs::read(scratch.path("fusewright.lock.json")).expect("the lock file is there"), lock);
    // Without MODEL all entries are checked, each with its own options, from whatever folder.
    check(&scratch, &["encoder.json", "--update"]);
    let ran = run(&["check", "--lock", &scratch.path("fusewright.lock.json"), "--format", "json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let names: Vec<&Value> = report["models"].as_array().expect("a list").iter().map(|model| &model["name"]).collect();
    assert_eq!(names, ["encoder.json", "encoder.json --hw a100-sxm-80"]);
    assert_eq!(scratch.names(), ["encoder.json", "fusewright.lock.json"], "nothing temporary is left");
}

#[test]
fn a_second_reader_breaks_an_attention_and_is_named() {
    let scratch = locked(&[]);
    scratch.file("encoder.json", &encoder(4, Some((2, Break::SecondReader))));
    let ran = check(&scratch, &["encoder.json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let page = lines(&ran.stdout);
    for says in [
        "encoder.json: regressed",
        "1 × matmul_mul_softmax_matmul_copy_linear vanished from the attention plan",
        "in encoder.layers.2",
        "now matmul_mul_softmax | matmul",
        "several-readers: `encoder_layers_2_weights`",
        "`encoder_layers_2_context` and `encoder_layers_2_seen`",
        "attention attention chains 4 3",
        "the model is another one than when it was locked",
    ] {
        assert!(page.contains(says), "`{says}` is not in:\n{}", ran.stdout);
    }
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 80), "{}", ran.stdout);
    let accepted = check(&scratch, &["encoder.json", "--update"]);
    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    assert!(lines(&accepted.stdout).contains("vanished from the attention plan"), "{}", accepted.stdout);
    assert_eq!(check(&scratch, &["encoder.json"]).code, Some(0));
}

#[test]
fn an_activation_without_rule_breaks_an_epilogue_in_both_plans() {
    let scratch = locked(&[]);
    scratch.file("encoder.json", &encoder(4, Some((0, Break::OtherActivation))));
    let ran = check(&scratch, &["encoder.json", "--format", "json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_agrees("check", &report);
    assert_eq!((&report["verdict"], &report["models"][0]["verdict"]), (&"regressed".into(), &"regressed".into()));
    for strategy in report["models"][0]["strategies"].as_array().expect("a list") {
        let vanished = &strategy["vanished"][0];
        assert_eq!(vanished["pattern"], "linear_gelu_linear", "{strategy:#}");
        assert_eq!(vanished["places"]["encoder.layers.0"], 1);
        assert_eq!(vanished["reason"]["rule"], "no-rule");
        assert_eq!(vanished["reason"]["reader_ops"][0], "tanh");
    }
}

#[test]
fn an_improvement_is_one() {
    let scratch = Scratch::new();
    scratch.file("encoder.json", &encoder(4, Some((1, Break::SecondReader))));
    check(&scratch, &["encoder.json", "--update"]);
    scratch.file("encoder.json", &encoder(4, None));
    let ran = check(&scratch, &["encoder.json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.starts_with("encoder.json: improved"), "{}", ran.stdout);
    assert!(lines(&ran.stdout).contains("appeared in the attention plan in encoder.layers.1"), "{}", ran.stdout);
    let ran = check(&scratch, &["encoder.json", "--exact"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
}

#[test]
fn predictions_have_a_tolerance_and_a_model_of_time() {
    let scratch = locked(&["--hw", "a100-sxm-80"]);
    let path = scratch.path("fusewright.lock.json");
    let lock = fs::read_to_string(&path).expect("the lock file is there");
    let mut document: Value = serde_json::from_str(&lock).expect("JSON");
    let entry = &mut document["models"]["encoder.json --hw a100-sxm-80"];
    let slower = entry["strategies"]["attention"]["latency_us"].as_f64().expect("a time") / 1.05;
    entry["strategies"]["attention"]["latency_us"] = slower.into();
    fs::write(&path, document.to_string()).expect("it can be written");
    let arguments = ["encoder.json", "--hw", "a100-sxm-80"];
    let ran = check(&scratch, &arguments);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("predicted time") && ran.stdout.contains("+5.00 %"), "{}", ran.stdout);
    assert_eq!(check(&scratch, &[arguments.as_slice(), &["--tolerance", "6"]].concat()).code, Some(0));
    // Another description of the device is no fault of the model.
    document["models"]["encoder.json --hw a100-sxm-80"]["device"]["revision"] = 77.into();
    fs::write(&path, document.to_string()).expect("it can be written");
    let ran = check(&scratch, &arguments);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(lines(&ran.stdout).contains("predicted times are not compared"), "{}", ran.stdout);
}

#[test]
fn lock_files_that_cannot_be_read_are_code_3() {
    let scratch = locked(&[]);
    let whole = fs::read_to_string(scratch.path("fusewright.lock.json")).expect("the lock file is there");
    for (content, says) in [
        ("{", "line 1"),
        ("{\"schema_version\": 9}", "schema_version is 9"),
        (&whole.replace("\"profile\": \"default\"", "\"profile\": \"best\""), "`best` is no profile"),
        (&whole.replace("{0-3}", "{0-4000000000}"), "is no place"),
        (&whole.replace("\"kernels\"", "\"kernel\""), "kernel"),
    ] {
        scratch.file("fusewright.lock.json", content.as_bytes());
        let ran = check(&scratch, &[]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{says}: {ran:?}");
        assert!(ran.stderr.contains(says) && ran.stderr.contains("fusewright.lock.json"), "{}", ran.stderr);
    }
    assert_eq!(check(&scratch, &["--lock", "."]).code, Some(3));
    assert_eq!(check(&scratch, &["no-such-model.onnx", "--lock", "other.json"]).code, Some(3));
    assert_eq!(check(&scratch, &["vit_b_16", "--tolerance", "-1"]).code, Some(2));
}

#[test]
fn findings_are_annotations() {
    let scratch = locked(&[]);
    scratch.file("encoder.json", &encoder(4, Some((2, Break::SecondReader))));
    let lock = fs::read_to_string(scratch.path("fusewright.lock.json")).expect("the lock file is there");
    let at = lock.lines().position(|line| line.contains("\"matmul_mul_softmax")).expect("it is locked") + 1;

    let ran = check(&scratch, &["encoder.json", "--format", "github", "--summary", "summary.md"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let first = ran.stdout.lines().next().expect("a line");
    let expected = format!(
        "::error file=fusewright.lock.json,line={at},title=fusewright%3A fusion-vanished::encoder.json: 1 × matmul_mul"
    );
    assert!(first.starts_with(&expected), "{first}");
    assert!(first.contains("%0Ain encoder.layers.2%0A"), "{first}");
    let summary = fs::read_to_string(scratch.path("summary.md")).expect("the summary is there");
    assert!(summary.contains("1 regressed") && summary.contains("| attention | kernels |"), "{summary}");

    let ran = check(&scratch, &["encoder.json", "--format", "sarif"]);
    let sarif: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!((&result["ruleId"], &result["level"]), (&"fusion-vanished".into(), &"error".into()));
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], at);
    let known: Vec<&Value> = sarif["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|rule| &rule["id"])
        .collect();
    for result in sarif["runs"][0]["results"].as_array().expect("a list") {
        assert!(known.contains(&&result["ruleId"]), "{result}");
    }

    let ran = check(&scratch, &["encoder.json", "--format", "junit"]);
    assert!(ran.stdout.contains("tests=\"2\" failures=\"2\""), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("<testcase name=\"standard\" classname=\"fusewright.encoder.json\">"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("<failure type=\"regressed\""), "{}", ran.stdout);
}
