//! Whether the planner and readers in `web/dist` were built of the sources that are there: a digest of each crate that is
//! linked into them, written beside them. Comments and tests do not count, since no byte of the programs depends on them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The file of digests, a line a crate.
const FILE: &str = "web/dist/sources.txt";
/// What is linked. The interpreter and the rewriter are dependencies of the facade, and no function of theirs is reached.
const CRATES: [&str; 12] = [
    "fusewright",
    "fusewright-cost",
    "fusewright-device",
    "fusewright-hf",
    "fusewright-ir",
    "fusewright-onnx",
    "fusewright-page",
    "fusewright-pattern",
    "fusewright-plan",
    "fusewright-report",
    "fusewright-torch",
    "fusewright-wasm",
];
/// Folders of a crate that are not linked.
const LEFT_OUT: [&str; 5] = ["tests", "benches", "examples", "target", "cli"];
/// Kinds of files that are.
const KINDS: [&str; 5] = ["rs", "toml", "json", "gz", "fir"];

/// Writes the digests of the sources that are there.
pub(crate) fn write(root: &Path) -> Result<(), String> {
    fs::write(root.join(FILE), digests(root)?).map_err(|error| format!("{FILE}: {error}"))
}

/// Refuses programs that were built of other sources; the message names the crates.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    let built = fs::read_to_string(root.join(FILE)).map_err(|error| format!("{FILE}: {error}"))?;
    let found = digests(root)?;
    let changed: Vec<&str> = found
        .lines()
        .filter(|line| !built.lines().any(|built| built == *line))
        .filter_map(|line| line.split(' ').next())
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the planner of the page in web/dist was built before {} changed; `cargo xtask web` builds it",
        changed.join(", ")
    ))
}

fn digests(root: &Path) -> Result<String, String> {
    let mut text = String::new();
    for name in CRATES {
        let folder = root.join("crates").join(name);
        let mut files = Vec::new();
        collect(&folder, &mut files).map_err(|error| format!("{}: {error}", folder.display()))?;
        files.sort();
        let mut digest = Digest::new();
        for file in files {
            let bytes = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            let inside = file.strip_prefix(&folder).unwrap_or(&file);
            digest.add(inside.to_string_lossy().replace('\\', "/").as_bytes());
            match std::str::from_utf8(&bytes) {
                Ok(text) if file.extension().is_some_and(|end| end == "rs") => {
                    code(text).for_each(|line| digest.add(line.as_bytes()));
                }
                _ => digest.add(&bytes),
            }
        }
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{name} {:016x}", digest.0);
    }
    Ok(text)
}

/// The lines of a source without comments of their own, up to the module of its tests.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let end = text.find("\nmod tests {").unwrap_or(text.len());
    let lines = text[..end].lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with("//") && *line != "#[cfg(test)]")
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !LEFT_OUT.contains(&name.as_str()) {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|end| KINDS.iter().any(|kind| end == *kind)) {
            files.push(path);
        }
    }
    Ok(())
}

/// FNV-1a: it tells changes from none, and nobody makes collisions on purpose.
struct Digest(u64);

impl Digest {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds bytes and an end, so that what moves from one line to the next is seen.
    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_built_of_these_sources() {
        if let Err(problem) = check(&crate::root()) {
            panic!("{problem}");
        }
    }

    #[test]
    fn comments_and_tests_do_not_count_and_code_does() {
        let of = |text: &str| code(text).collect::<Vec<_>>().join("|");
        let plain = of("fn a() {\n    1\n}\n");
        assert_eq!(of("//! Why.\n\nfn a() {\n    // Because.\n    1\n}\n\n#[cfg(test)]\nmod tests {}\n"), plain);
        assert_ne!(of("fn a() {\n    2\n}\n"), plain);
    }

    #[test]
    fn every_crate_has_files() {
        let digests = digests(&crate::root()).unwrap();
        let empty = format!("{:016x}", Digest::new().0);
        assert!(digests.lines().count() == CRATES.len() && !digests.contains(&empty), "{digests}");
    }
}
