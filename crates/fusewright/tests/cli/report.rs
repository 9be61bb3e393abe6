//! `fusewright report`

use std::fs;

use crate::run::{run, stdout};
use crate::scratch::Scratch;

#[test]
fn a_page_holds_everything_and_names_no_other_place() {
    let page = stdout(&["report", "vit_b_16", "--hw", "a100-sxm-80", "-q"]);
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(page.contains("connect-src 'none'"));
    for part in ["id=\"data\"", "id=\"model\"", "id=\"planner\""] {
        assert_eq!(page.matches(part).count(), 1, "{part}");
    }
    // Names of namespaces are no addresses that are fetched.
    let markup: Vec<&str> = page.split("<script").collect();
    assert!(!markup[0].contains("http:") && !markup[0].contains("https:"), "{}", markup[0]);
    assert_eq!(page, stdout(&["report", "vit_b_16", "--hw", "a100-sxm-80", "-q"]), "the same bytes for the same model");
}

#[test]
fn the_planner_can_be_left_out_and_the_app_needs_no_model() {
    let small = stdout(&["report", "resnet50", "--no-planner"]);
    assert!(!small.contains("id=\"planner\"") && !small.contains("id=\"model\""));
    let app = stdout(&["report", "--app"]);
    assert!(app.contains("id=\"planner\"") && !app.contains("id=\"data\""));
    let ran = run(&["report"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    let ran = run(&["report", "--app", "--hw", "t4"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
}

#[test]
fn a_page_is_written_once_unless_forced() {
    let scratch = Scratch::new();
    let path = scratch.path("page.html");
    let write = |more: &[&str]| run(&[&["report", "gpt2", "-o", &path][..], more].concat());
    assert_eq!(write(&[]).code, Some(0));
    let ran = write(&[]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("exists already"), "{}", ran.stderr);
    assert_eq!(write(&["--force"]).code, Some(0));
    assert!(fs::read_to_string(&path).expect("it was written").contains("gpt2"));
}

#[test]
fn readers_without_scripts_find_the_figures() {
    let page = stdout(&["report", "bert-base", "--no-planner", "--hw", "t4"]);
    let text = page.split("<noscript>").nth(1).and_then(|rest| rest.split("</noscript>").next()).expect("a summary");
    for part in ["bert-base: optimal launches 88 kernels", "<th>kernels</th>", "<th>time, µs</th>"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn what_cannot_be_read_is_an_error_and_no_page() {
    let scratch = Scratch::new();
    let cut = scratch.file("cut.json", b"{\"format\": ");
    let ran = run(&["report", &cut]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{}", ran.stderr);
    let ran = run(&["report", "gpt2", &cut]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{}", ran.stderr);
}
