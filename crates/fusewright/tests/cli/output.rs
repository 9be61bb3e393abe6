//! Streams, files and colour.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use crate::run::{Ran, command, run, stdout};
use crate::scratch::Scratch;

#[test]
fn a_closed_pipe_is_no_failure() {
    let long: [&[&str]; 4] = [
        &["plan", "vit_l_16", "--groups", "--format", "json"],
        &["plan", "vit_l_16", "--groups", "--wide", "--color", "always"],
        &["dump", "vit_l_16", "--decompose"],
        &["schema"],
    ];
    for arguments in long {
        let mut child =
            command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
        let mut first = [0; 1];
        let mut pipe = child.stdout.take().expect("output is piped");
        pipe.read_exact(&mut first).expect("there is output");
        drop(pipe);
        let ran = Ran::from(child.wait_with_output().expect("the command ends"));
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("the device is there");
    let ran = Ran::from(command(&["plan", "vit_b_16"]).stdout(full).output().expect("the command starts"));
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("cannot write to standard output"), "{}", ran.stderr);
}

#[test]
fn an_output_file_is_kept_unless_forced() {
    let scratch = Scratch::new();
    let path = scratch.file("plan.csv", b"mine");
    let arguments = ["plan", "vit_b_16", "--format", "csv", "-o", &path];
    let ran = run(&arguments);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains(&path) && ran.stderr.contains("--force"), "{}", ran.stderr);
    assert_eq!(fs::read(&path).expect("the file is there"), b"mine");

    assert_eq!(stdout(&[arguments.as_slice(), &["--force"]].concat()), "");
    let written = fs::read_to_string(&path).expect("the file is there");
    assert_eq!(written, stdout(&["plan", "vit_b_16", "--format", "csv"]));
    assert_eq!(scratch.names(), ["plan.csv"], "nothing temporary is left");
}

#[test]
fn a_new_output_file_has_what_would_be_printed() {
    let scratch = Scratch::new();
    for (name, format) in [("plan.txt", "text"), ("plan.json", "json"), ("plan.dot", "dot")] {
        let path = scratch.path(name);
        assert_eq!(stdout(&["plan", "vit_b_16", "--format", format, "-o", &path]), "");
        let written = fs::read_to_string(&path).expect("the file is there");
        assert_eq!(written, stdout(&["plan", "vit_b_16", "--format", format, "-o", "-"]));
    }
}

#[test]
fn outputs_that_cannot_be_are_refused() {
    let scratch = Scratch::new();
    let nowhere = scratch.path("no-such-folder/plan.txt");
    let folder = scratch.path("");
    for path in [nowhere.as_str(), folder.as_str()] {
        let ran = run(&["plan", "vit_b_16", "-o", path, "--force"]);
        assert_eq!(ran.code, Some(2), "{path}: {ran:?}");
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    }
    assert_eq!(scratch.names(), [""; 0]);
}

#[cfg(unix)]
#[test]
fn devices_are_written_and_not_replaced() {
    assert_eq!(stdout(&["plan", "vit_b_16", "-o", "/dev/null"]), "");
    let about = fs::metadata("/dev/null").expect("the device is there");
    assert!(!about.is_file());
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link() {
    let scratch = Scratch::new();
    let (target, link) = (scratch.file("target.txt", b"old"), scratch.path("link.txt"));
    std::os::unix::fs::symlink(&target, &link).expect("links can be made");
    stdout(&["plan", "vit_b_16", "-o", &link, "--force"]);
    assert!(fs::symlink_metadata(&link).expect("the link is there").is_symlink());
    assert!(fs::read_to_string(&target).expect("the file is there").starts_with("vit_b_16: "));
}

/// Flags, environment, and whether the page is coloured with them.
type ColourCase = (&'static [&'static str], &'static [(&'static str, &'static str)], bool);

#[test]
fn colour_is_decided_by_flag_then_environment() {
    let cases: [ColourCase; 8] = [
        (&[], &[], false),
        (&["--color", "always"], &[], true),
        (&["--color", "always"], &[("NO_COLOR", "1")], true),
        (&["--color", "never"], &[("CLICOLOR_FORCE", "1")], false),
        (&[], &[("CLICOLOR_FORCE", "1")], true),
        (&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        (&[], &[("NO_COLOR", "1")], false),
        (&[], &[("TERM", "dumb")], false),
    ];
    let plain = stdout(&["plan", "vit_b_16"]);
    for (flags, environment, coloured) in cases {
        let arguments = [&["plan", "vit_b_16"], flags].concat();
        let output = command(&arguments).envs(environment.iter().copied()).output().expect("the command starts");
        let ran = Ran::from(output);
        assert_eq!(ran.stdout.contains('\u{1b}'), coloured, "{flags:?} {environment:?}");
        assert_eq!(ran.stdout == plain, !coloured, "{flags:?} {environment:?}");
    }
    let ran = run(&["plan", "no-such-model", "--color", "always"]);
    assert!(ran.stderr.contains('\u{1b}'));
    assert!(!run(&["plan", "no-such-model"]).stderr.contains('\u{1b}'));
}

#[test]
fn other_formats_are_never_coloured() {
    for format in ["json", "markdown", "csv", "dot"] {
        assert!(!stdout(&["plan", "vit_b_16", "--color", "always", "--format", format]).contains('\u{1b}'), "{format}");
    }
}

#[test]
fn help_is_short_or_long_and_version_is_said() {
    let (short, long) = (stdout(&["plan", "-h"]), stdout(&["plan", "--help"]));
    assert!(short.lines().count() < long.lines().count());
    assert!(long.contains("Examples:") && !short.contains("Examples:"));
    assert!(stdout(&["--help"]).contains("Exit codes:"));
    assert_eq!(stdout(&["--version"]), format!("fusewright {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn what_was_done_is_said_on_standard_error() {
    let ran = run(&["plan", "vit_b_16", "-v", "--verify-each"]);
    assert_eq!((ran.code, ran.stdout), (Some(0), stdout(&["plan", "vit_b_16"])));
    assert!(ran.stderr.contains("232 nodes, 472 with attention opened"), "{}", ran.stderr);
    assert!(ran.stderr.contains("certified the attention plan"), "{}", ran.stderr);
}
