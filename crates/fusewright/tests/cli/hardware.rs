//! `fusewright hw`: the list, one device, checks of files.

use fusewright::hardware::{file, ids};
use serde_json::Value;

use crate::run::{json, run, stdout};
use crate::scratch::Scratch;

#[test]
fn devices_are_listed_as_objects_with_names() {
    let list = json(&["hw", "list", "--format", "json"]);
    let rows = list.as_array().expect("a list");
    let names: Vec<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, ids().collect::<Vec<_>>());
    assert!(names.len() >= 36);
    let listed = stdout(&["hw", "list"]);
    for row in rows {
        for text in ["name", "title", "class", "family"] {
            assert!(row[text].is_string(), "{row}");
        }
        for number in ["units", "clock_ghz", "bandwidth_gb_s", "board_w", "floor_us"] {
            assert!(row[number].is_number(), "{row}");
        }
        for key in ["memory_gb", "last_level_mib"] {
            assert!(row.get(key).is_some(), "{row}");
        }
        assert!(listed.contains(row["name"].as_str().expect("a text")));
    }
    let h100 = rows.iter().find(|row| row["name"] == "h100-sxm").expect("it is built in");
    assert_eq!((&h100["peak"]["bf16"], &h100["peak"]["f32"]), (&Value::from(989.4), &Value::from(66.9)));
}

#[test]
fn every_page_fits_80_columns_and_has_every_number_with_its_source() {
    for id in ids() {
        let page = stdout(&["hw", "show", id]);
        let shown = json(&["hw", "show", id, "--format", "json"]);
        assert_eq!(shown["name"], id);
        let figures = shown["figures"].as_array().expect("a list");
        assert!(figures.len() >= 15, "{id}");
        for figure in figures {
            let field = figure["field"].as_str().expect("a text");
            let source = figure["source"].as_str().expect("a text");
            let line = page.lines().find(|line| line.split_whitespace().next() == Some(field));
            let line = line.unwrap_or_else(|| panic!("{id}: {field} is not on the page"));
            assert!(line.ends_with(source), "{id}: {line}");
        }
        assert!(page.lines().all(|line| line.chars().count() <= 80), "{id}:\n{page}");
        assert!(!page.contains('…'), "{id}:\n{page}");
    }
}

#[test]
fn a_file_is_shown_like_a_built_in_device() {
    let scratch = Scratch::new();
    let path = scratch.file("mine.toml", file("l4").expect("it is built in").as_bytes());
    assert_eq!(stdout(&["hw", "show", &path]), stdout(&["hw", "show", "l4"]));
    assert_eq!(stdout(&["hw", "check", &path]), format!("{path}: fine, gpu `l4`, 26 numbers\n"));
}

#[test]
fn unknown_names_end_in_code_2_with_a_suggestion() {
    for (name, suggestion) in [("h100", "`h100-sxm`"), ("rtx4090", "`rtx-4090`"), ("abacus", "hw list")] {
        let ran = run(&["hw", "show", name]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        assert!(ran.stderr.contains(name) && ran.stderr.contains(suggestion), "{}", ran.stderr);
    }
    assert_eq!(run(&["hw", "check"]).code, Some(2));
    assert_eq!(run(&["hw"]).code, Some(2));
}

#[test]
fn a_check_lists_all_problems_of_all_files() {
    let scratch = Scratch::new();
    let text = file("h100-pcie").expect("it is built in");
    let wrong = text.replace("value = 114", "value = 132").replace("f8 = { value = 1513", "f8 = { value = 3026");
    let wrong = scratch.file("wrong.toml", wrong.as_bytes());
    let fine = scratch.file("fine.toml", text.as_bytes());
    let cut = scratch.file("cut.toml", &text.as_bytes()[..300]);
    let missing = scratch.path("missing.toml");
    let ran = run(&["hw", "check", &wrong, &cut, &missing, &fine]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stdout.starts_with(&format!("{fine}: fine")), "{ran:?}");
    for says in [
        format!("error: {wrong}: peak.bf16: 756 is not"),
        format!("error: {wrong}: peak.f8: "),
        format!("error: {cut}: line "),
        format!("`{missing}`"),
        "error: 4 problems; 3 of 4 device files cannot be used".to_owned(),
        "docs/devices.md".to_owned(),
    ] {
        assert!(ran.stderr.contains(&says), "{says}: {}", ran.stderr);
    }
    let shown = run(&["hw", "show", &wrong]);
    assert_eq!((shown.code, shown.stdout.as_str()), (Some(3), ""));
    assert!(shown.stderr.contains("[peak-identity]") && shown.stderr.contains("[family-ratio]"), "{}", shown.stderr);
}

#[test]
fn what_is_no_device_file_ends_in_code_3() {
    let scratch = Scratch::new();
    let large = scratch.file("large.toml", &vec![b'#'; (1 << 20) + 1]);
    let binary = scratch.file("binary.toml", &[0xff; 64]);
    let folder = scratch.path("");
    for (path, says) in [(&large, "bytes"), (&binary, "UTF-8"), (&folder, "folder")] {
        let ran = run(&["hw", "show", path]);
        assert_eq!(ran.code, Some(3), "{ran:?}");
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
}

#[test]
fn the_documentation_has_the_list() {
    let documentation = include_str!("../../../../docs/devices.md");
    assert!(
        documentation.contains(stdout(&["hw", "list"]).trim_end()),
        "copy `fusewright hw list` into docs/devices.md"
    );
}
