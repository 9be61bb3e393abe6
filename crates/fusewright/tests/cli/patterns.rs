//! `fusewright patterns`: the list, one rule, rules of a user, and what is wrong with them.

use crate::run::{json, run, stdout};
use crate::scratch::Scratch;

/// What feed-forward layers of ViT are, and what they nearly are.
const RULE: &str = r#"id = "my-mlp"
title = "Two projections with an activation between"
family = "mine"
exactness = "reassociated"
documentation = "A whole feed-forward layer."

[[form]]
pattern = """
activation %x
output linear(gelu(linear(%x, ...)), ...)
"""

[[example]]
title = "a layer"
fires = 1
graph = """
graph "mlp" {
  input %x: f32[4, 8]
  parameter %a: f32[16, 8]
  parameter %b: f32[8, 16]
  %h: f32[4, 16] = linear(%x, %a)
  %g: f32[4, 16] = gelu(%h)
  %y: f32[4, 8] = linear(%g, %b)
  output %y
}
"""
"#;

#[test]
fn rules_are_listed_as_objects_with_names() {
    let list = json(&["patterns", "list", "--format", "json"]);
    let rows = list.as_array().expect("a list");
    assert!(rows.len() >= 45);
    let listed = stdout(&["patterns", "list"]);
    for row in rows {
        for key in ["name", "title", "family", "exactness", "file"] {
            assert!(row[key].is_string(), "{row}");
        }
        let id = row["name"].as_str().expect("a text");
        assert!(listed.contains(&format!("  {id} ")), "{id}");
        let shown = json(&["patterns", "show", id, "--format", "json"]);
        assert_eq!(shown["name"], row["name"]);
        assert!(shown["documentation"].as_str().is_some_and(|text| text.len() > 80), "{id}");
        assert!(shown["examples"].as_array().is_some_and(|examples| examples.len() >= 2), "{id}");
        let page = stdout(&["patterns", "show", id]);
        assert!(page.starts_with(&format!("{id}: ")), "{page}");
    }
}

#[test]
fn a_rule_that_does_not_exist_is_a_usage_error_with_a_suggestion() {
    let ran = run(&["patterns", "show", "gelu-erv"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("no pattern is called `gelu-erv`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("did you mean `gelu-erf`"), "{}", ran.stderr);
    let reason = stdout(&["patterns", "show", "second-reader"]);
    assert!(reason.starts_with("second-reader: a value between the steps is also read outside them\n"), "{reason}");
    assert!(reason.contains("linear-activation"), "{reason}");
}

#[test]
fn a_file_of_a_user_is_used_like_a_built_in_rule() {
    let scratch = Scratch::new();
    let path = scratch.file("my-mlp.toml", RULE.as_bytes());
    assert_eq!(stdout(&["patterns", "check", &path]), format!("{path}: fine, `my-mlp`, 1 examples\n"));
    assert!(stdout(&["patterns", "list", "--patterns", &path]).contains("mine\n  my-mlp "));
    let found = json(&["patterns", "find", "vit_b_16", "--patterns", &path, "--format", "json"]);
    let mine = |list: &str| {
        let rows = found[list].as_array().expect("a list").clone();
        rows.into_iter().filter(|row| row["rule"] == "my-mlp").collect::<Vec<_>>()
    };
    assert_eq!((mine("candidates").len(), mine("misses").len()), (12, 0));
    // Three kernels become one; the tensor between gelu and each projection, 1×197×3072, is neither written nor read.
    assert_eq!(mine("candidates")[0]["saving"]["kernels"], 2);
    assert_eq!(mine("candidates")[0]["saving"]["bytes"], 4 * 197 * 3072 * 4);
}

#[test]
fn a_miss_says_which_rule_why_where_and_what_it_would_save() {
    let scratch = Scratch::new();
    let pattern = "%first = linear(%x, ...)\nanchor %first\noutput linear(relu(%first), ...)";
    let other = RULE.replace("output linear(gelu(linear(%x, ...)), ...)", pattern);
    let path = scratch.file("my-mlp.toml", other.as_bytes());
    let found = json(&["patterns", "find", "vit_b_16", "--patterns", &path, "--format", "json"]);
    let misses = found["misses"].as_array().expect("a list");
    assert_eq!(misses.len(), 12);
    let first = &misses[0];
    assert_eq!((first["rule"].as_str(), first["reason"].as_str()), (Some("my-mlp"), Some("other-op")));
    let evidence = &first["evidence"];
    assert_eq!((evidence["found"].as_str(), evidence["expected"].as_str()), (Some("gelu"), Some("relu")));
    assert_eq!(evidence["value_type"], "f32[1, 197, 3072]");
    assert_eq!(first["saving"]["kernels"], 2);
    let page = stdout(&["patterns", "find", "vit_b_16", "--patterns", &path]);
    assert!(page.contains("my-mlp: other-op, 12 times, would save 24 kernels and 116 MB"), "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_line() {
    let scratch = Scratch::new();
    let cases = [
        ("output linear", "output lineer", 10, "`lineer` is not an op"),
        ("activation %x", "activation x", 9, "expected `%`, found `x`"),
        ("%x, ...)), ...)", "%z, ...)), ...)", 10, "`%z` is not defined above"),
        ("\"reassociated\"", "\"exact\"", 4, "expected bit-identical, reassociated or approximate"),
        ("title = \"Two", "titel = \"Two", 2, "unknown field `titel`"),
        ("id = \"my-mlp\"", "id = \"My MLP\"", 1, "expected lower case letters and digits joined by `-`"),
        ("id = \"my-mlp\"", "id = \"silu\"", 1, "the rule `silu` is known already"),
        ("%h: f32[4, 16] = linear(%x", "%h: f32[4, 16] = linear(%q", 21, "`%q` is not defined above"),
        ("output linear(gelu(linear(%x, ...)), ...)", "output mul(%x, 2.0)", 10, "needs an op besides arithmetic"),
    ];
    for (from, to, line, problem) in cases {
        let text = RULE.replacen(from, to, 1);
        assert_ne!(text, RULE, "{from}");
        let path = scratch.file("mine.toml", text.as_bytes());
        for command in [&["patterns", "check", &path][..], &["patterns", "list", "--patterns", &path]] {
            let ran = run(command);
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{to}: {ran:?}");
            assert!(ran.stderr.contains(&format!("{path}:{line}: ")), "{to}: {}", ran.stderr);
            assert!(ran.stderr.contains(problem), "{to}: {}", ran.stderr);
        }
    }
}

#[test]
fn an_example_that_is_not_as_it_says_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.file("mine.toml", RULE.replace("= gelu(%h)", "= relu(%h)").as_bytes());
    let ran = run(&["patterns", "check", &path]);
    assert_eq!(ran.code, Some(3));
    assert!(
        ran.stderr
            .contains("example \"a layer\": expected fires 1 times, misses none, found fires 0 times, misses none")
    );
    let missing = run(&["patterns", "check", &scratch.path("nothing.toml")]);
    assert_eq!(missing.code, Some(3));
    assert!(missing.stderr.contains("cannot read"), "{}", missing.stderr);
}
