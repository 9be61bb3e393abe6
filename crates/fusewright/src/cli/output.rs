//! Where the result goes: standard output, or a file that appears whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anstream::{AutoStream, ColorChoice};

use super::args::OutputArguments;
use super::diagnostics::Failure;

/// Whether a text has escape sequences that may have to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// None: write it as it is.
    Plain,
    /// Some: the terminal, the environment and `--color` decide.
    Coloured,
}

/// Refuses an output file that must not be written, before any work is done.
pub(crate) fn check(output: &OutputArguments) -> Result<(), Failure> {
    file_of(output).map_or(Ok(()), |path| check_target(path, output.force))
}

/// Writes the result.
pub(crate) fn write(output: &OutputArguments, text: &str, style: Style) -> Result<(), Failure> {
    match file_of(output) {
        None => to_stdout(text, style),
        Some(path) => {
            check_target(path, output.force)?;
            let forced = anstream::ColorChoice::global() == ColorChoice::Always;
            let plain = if style == Style::Coloured && !forced {
                anstream::adapter::strip_str(text).to_string()
            } else {
                text.to_owned()
            };
            to_file(path, plain.as_bytes()).map_err(|problem| cannot_write(path, &problem))
        }
    }
}

/// Writes bytes to a file, whole or not at all.
pub(crate) fn write_bytes(path: &Path, content: &[u8], force: bool) -> Result<(), Failure> {
    check_target(path, force)?;
    to_file(path, content).map_err(|problem| cannot_write(path, &problem))
}

fn file_of(output: &OutputArguments) -> Option<&Path> {
    output.output.as_deref().filter(|path| *path != Path::new("-"))
}

fn to_stdout(text: &str, style: Style) -> Result<(), Failure> {
    let stdout = io::stdout().lock();
    let written = match style {
        Style::Plain => {
            let mut stdout = stdout;
            stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
        }
        Style::Coloured => {
            let choice = AutoStream::choice(&stdout);
            let mut stream = AutoStream::new(stdout, choice);
            stream.write_all(text.as_bytes()).and_then(|()| stream.flush())
        }
    };
    written.map_err(|problem| match problem.kind() {
        io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
        _ => Failure::usage(format!("cannot write to standard output: {problem}")),
    })
}

fn check_target(path: &Path, force: bool) -> Result<(), Failure> {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(target) if target.is_dir() => {
            Err(Failure::usage(format!("the output `{shown}` is a folder, expected a file")))
        }
        Ok(target) if target.is_file() && !force => {
            Err(Failure::usage(format!("the output `{shown}` exists already")).with_help("--force replaces it"))
        }
        _ => Ok(()),
    }
}

fn cannot_write(path: &Path, problem: &io::Error) -> Failure {
    Failure::usage(format!("cannot write `{}`: {problem}", path.display()))
}

/// Writes a temporary file beside the target and renames it. Devices and pipes are written as they are.
fn to_file(path: &Path, content: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|target| !target.is_file()) {
        let mut device = OpenOptions::new().write(true).open(path)?;
        return device.write_all(content);
    }
    // Through a link the file behind it is replaced, not the link.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let temporary = beside(&target)?;
    let written = OpenOptions::new().write(true).create_new(true).open(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        fs::rename(&temporary, &target)
    });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn beside(target: &Path) -> io::Result<PathBuf> {
    let name = target.file_name().ok_or_else(|| io::Error::other("the path has no file name"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.tmp", std::process::id()));
    Ok(target.with_file_name(hidden))
}
