//! The project's chores: `cargo xtask test [--heavy]`, `python`, `wheel`, `web`, `web-test`, `web-pictures`.
//!
//! `test` runs every test there is, the Python ones included, and installs what those need into `target/python`. With
//! `--heavy` the property tests run 10,000 cases each instead of 500, and the Python tests that take minutes run too.
//! `python` builds the native module into the source tree, `wheel` the package into `target/wheels`. `web` builds what
//! the page is made of into `web/dist`, `web-test` tests pages in a browser, `web-pictures` takes those of the
//! documentation.

mod python;
mod sources;
mod web;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "usage: cargo xtask test [--heavy] | python | wheel | web | web-test | web-pictures";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["test"] => test("500", false),
        ["test", "--heavy"] => test("10000", true),
        ["python"] => native_module(&root()),
        ["wheel"] => python::wheel(&root()),
        ["web"] => web::build(&root()),
        ["web-test"] => web::test(&root()),
        ["web-pictures"] => web::pictures(&root()),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            report(&problem);
            ExitCode::FAILURE
        }
    }
}

/// All tests: Rust first, then Python and the page against the binary that was just built.
fn test(cases: &str, heavy: bool) -> Result<(), String> {
    let root = root();
    run(cargo().current_dir(&root).args(["test", "--workspace"]).env("FUSEWRIGHT_CASES", cases))?;
    run(cargo().current_dir(&root).args(["build", "--package", "fusewright"]))?;
    native_module(&root)?;
    python::test(&root, heavy)?;
    web::test(&root)
}

/// Builds the native module of the Python package and puts it where Python looks for it in the source tree.
fn native_module(root: &Path) -> Result<(), String> {
    run(cargo().current_dir(root).args(["build", "--package", "fusewright-py"]))?;
    python::place_module(root)
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Where cargo builds.
fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// The workspace's folder.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Runs a command to its end; an error names it and says how it ended.
fn run(command: &mut Command) -> Result<(), String> {
    let words: Vec<&OsStr> = [command.get_program()].into_iter().chain(command.get_args()).collect();
    let line = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    report(&format!("running {line}"));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}` failed: {status}")),
        Err(error) => Err(format!("`{line}` could not start: {error}")),
    }
}

#[allow(clippy::print_stderr, reason = "a chore tells what it does")]
fn report(text: &str) {
    eprintln!("xtask: {text}");
}
