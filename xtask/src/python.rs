//! The Python tests, in a virtual environment of their own that is made on first use.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{run, target};

/// What builds wheels.
const MATURIN: &str = "maturin==1.16.0";

/// Runs the Python tests and checks that the committed captures are what the exporter writes today.
pub(crate) fn test(root: &Path, heavy: bool) -> Result<(), String> {
    let python = environment(root)?;
    let binary = target(root).join("debug/fusewright").with_extension(std::env::consts::EXE_EXTENSION);
    let python_path = root.join("python");
    run(Command::new(&python)
        .current_dir(root)
        .env("FUSEWRIGHT_BIN", &binary)
        .env("PYTHONPATH", &python_path)
        .args(["-m", "pytest", "--quiet", "python/tests"])
        .args(heavy.then_some("--heavy")))?;
    run(Command::new(&python)
        .current_dir(root)
        .env("PYTHONPATH", &python_path)
        .args(["crates/fusewright/models/make.py", "--check"]))
}

/// Copies the built module beside the package's sources, under the name that Python imports.
pub(crate) fn place_module(root: &Path) -> Result<(), String> {
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let built = target(root).join("debug").join(format!("{prefix}fusewright_py{suffix}"));
    let name = if cfg!(windows) { "_native.pyd" } else { "_native.abi3.so" };
    let place = root.join("python/fusewright").join(name);
    // A module that some process has loaded is replaced, not written over.
    let fresh = place.with_extension("new");
    let moved = std::fs::copy(&built, &fresh).and_then(|_| std::fs::rename(&fresh, &place));
    moved.map_err(|error| format!("{} → {}: {error}", built.display(), place.display()))
}

/// Builds the wheel with maturin, which the environment gets on first use.
pub(crate) fn wheel(root: &Path) -> Result<(), String> {
    let python = environment(root)?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", MATURIN]))?;
    let wheels = target(root).join("wheels");
    run(Command::new(&python)
        .current_dir(root.join("python"))
        .args(["-m", "maturin", "build", "--release", "--out"])
        .arg(wheels))
}

/// The interpreter of an environment that holds what `python/requirements-test.txt` asks for.
fn environment(root: &Path) -> Result<PathBuf, String> {
    let requirements_file = root.join("python/requirements-test.txt");
    let requirements = std::fs::read_to_string(&requirements_file)
        .map_err(|error| format!("{}: {error}", requirements_file.display()))?;
    let folder = root.join("target/python");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    // Written last, so that an installation that was cut off is begun again.
    let stamp = folder.join("installed-requirements.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == requirements) {
        return Ok(python);
    }
    let host = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    run(Command::new(&host).args(["-m", "venv", "--clear"]).arg(&folder)).map_err(|problem| {
        format!("{problem}\nThe tests need Python 3.10 or newer with its venv module (Debian: python3-venv); set PYTHON to choose an interpreter.")
    })?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--no-cache-dir", "--disable-pip-version-check", "--requirement"])
        .arg(&requirements_file))?;
    std::fs::write(&stamp, requirements).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(python)
}
