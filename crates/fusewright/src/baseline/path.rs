//! Paths in a lock file are told from its folder, with `/`, so that the file means the same on every machine.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, MAIN_SEPARATOR, Path, PathBuf};

use fusewright_device::find;

use super::Baseline;
use crate::built_in;

impl Baseline {
    /// A model as the lock file calls it.
    pub(super) fn name_of_model(&self, model: &OsStr) -> String {
        let is_name = model == "-" || model.to_str().is_some_and(|name| built_in(name).is_some());
        if is_name { model.to_string_lossy().into_owned() } else { self.name_of_path(Path::new(model)) }
    }

    /// A device as the lock file calls it.
    pub(super) fn name_of_device(&self, device: &OsStr) -> String {
        let shown = device.to_string_lossy();
        let is_path = shown.contains(['/', MAIN_SEPARATOR]) || Path::new(device).extension().is_some();
        if find(&shown).is_some() || !is_path { shown.into_owned() } else { self.name_of_path(Path::new(device)) }
    }

    /// What opens a model of the lock file.
    pub(super) fn path_of_model(&self, name: &str) -> OsString {
        if name == "-" || built_in(name).is_some() { name.into() } else { self.folder().join(name).into_os_string() }
    }

    /// What opens a device of the lock file.
    pub(super) fn path_of_device(&self, name: &str) -> OsString {
        let is_path = name.contains('/') || Path::new(name).extension().is_some();
        if find(name).is_some() || !is_path { name.into() } else { self.folder().join(name).into_os_string() }
    }

    fn folder(&self) -> &Path {
        self.path().parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(""))
    }

    fn name_of_path(&self, path: &Path) -> String {
        let folder = if self.folder().as_os_str().is_empty() { Path::new(".") } else { self.folder() };
        let name = relative(&whole(folder), &whole(path)).unwrap_or_else(|| path.to_string_lossy().into_owned());
        // A file with the name of a built-in model or device is reached as `./NAME`.
        let is_name = built_in(&name).is_some() || find(&name).is_some();
        if is_name || (!name.contains('/') && Path::new(&name).extension().is_none()) {
            format!("./{name}")
        } else {
            name
        }
    }
}

/// The path from the root, links followed where it is there.
fn whole(path: &Path) -> PathBuf {
    fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

/// The way from a folder to a path, `None` where there is none: on another drive.
fn relative(folder: &Path, path: &Path) -> Option<String> {
    let (mut from, mut to) = (folder.components().peekable(), path.components().peekable());
    if from.peek() != to.peek() {
        return None;
    }
    while from.peek().is_some() && from.peek() == to.peek() {
        from.next();
        to.next();
    }
    let up = from.map(|_| "..".to_owned());
    let down = to.map(|part| match part {
        Component::Normal(name) => name.to_string_lossy().into_owned(),
        other => other.as_os_str().to_string_lossy().into_owned(),
    });
    let parts: Vec<String> = up.chain(down).collect();
    Some(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_the_folder_of_the_lock_file() {
        let root = Path::new("/home/me/project");
        for (path, expected) in [
            ("/home/me/project/models/bert.onnx", "models/bert.onnx"),
            ("/home/me/shared/bert.onnx", "../shared/bert.onnx"),
            ("/home/me/project", "."),
        ] {
            assert_eq!(relative(root, Path::new(path)).as_deref(), Some(expected));
        }
    }

    #[test]
    fn names_are_no_paths() {
        let baseline = Baseline::empty("/nowhere/fusewright.lock.json");
        assert_eq!(baseline.name_of_model("vit_b_16".as_ref()), "vit_b_16");
        assert_eq!(baseline.name_of_model("-".as_ref()), "-");
        assert_eq!(baseline.name_of_model("/nowhere/sub/a.onnx".as_ref()), "sub/a.onnx");
        assert_eq!(baseline.name_of_model("/nowhere/vit_b_16".as_ref()), "./vit_b_16");
        assert_eq!(baseline.name_of_device("h100-sxm".as_ref()), "h100-sxm");
        assert_eq!(baseline.name_of_device("/nowhere/mine.toml".as_ref()), "mine.toml");
        assert_eq!(baseline.path_of_device("mine.toml"), OsString::from("/nowhere/mine.toml"));
        assert_eq!(baseline.path_of_model("sub/a.onnx"), OsString::from("/nowhere/sub/a.onnx"));
    }
}
