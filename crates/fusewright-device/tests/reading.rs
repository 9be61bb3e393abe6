//! Files that are no device files, and what is said of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_device::{Device, DeviceError, file};

fn refusal(text: &str) -> (usize, String) {
    match Device::from_toml(text, "mine.toml").unwrap_err() {
        error @ DeviceError::Unreadable { line, .. } => (line, error.to_string()),
        error => panic!("{error}"),
    }
}

#[test]
fn what_cannot_be_read_is_named_with_file_line_and_field() {
    let text = file("h100-sxm").unwrap();
    let line = |part: &str| text.lines().position(|line| line.contains(part)).unwrap() + 1;
    for (from, to, at, says) in [
        ("id = ", "id ", line("id = "), "expected"),
        ("revision = 1", "revision = \"one\"", line("revision"), "string"),
        ("class = \"gpu\"", "class = \"gpv\"", line("class"), "`systolic`"),
        ("fma_dtype = ", "fma_type = ", line("fma_dtype"), "`fma_dtype`"),
        ("source = \"datasheet\" }\nclock", "origin = \"me\" }\nclock", line("count = "), "`source`"),
        ("source = \"measured\"", "source = \"rumour\"", line("floor_us"), "`estimated`"),
        ("capacity_gb = { value = 80", "capacity_gb = { value = \"80\"", line("capacity_gb"), "string"),
        ("warp = { value = 32", "warp = { value = -32", line("warp"), "u32"),
    ] {
        assert!(text.contains(from), "{from}");
        let (found, message) = refusal(&text.replacen(from, to, 1));
        assert_eq!(found, at, "{message}");
        assert!(message.starts_with(&format!("mine.toml, line {at}, column ")), "{message}");
        assert!(message.contains(says), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn a_missing_field_is_named() {
    let text = file("h100-sxm").unwrap();
    for field in ["bandwidth_gb_s", "idle_w", "floor_us", "streaming_attention", "family"] {
        let without: Vec<&str> = text.lines().filter(|line| !line.starts_with(field)).collect();
        let (_, message) = refusal(&without.join("\n"));
        assert!(message.contains("missing field") && message.contains(field), "{message}");
    }
}

#[test]
fn anything_else_is_refused_without_a_panic() {
    let deep = format!("id = {}", "[".repeat(100_000));
    for text in ["", "\u{0}", "[[[[", "{\"id\": 1}", deep.as_str(), "id = \"é", "= 3\n", "\u{feff}"] {
        refusal(text);
    }
}
