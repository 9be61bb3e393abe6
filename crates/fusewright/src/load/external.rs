//! Files beside a model: the weights of ONNX models, of which only the size is asked, and headers of safetensors files.

use std::cell::RefCell;
use std::fs::{self, File};
use std::path::Path;

use bytes::Bytes;

use super::Content;
use super::content::map;

/// The files beside a model. Names come from the model, so a link that leads out of its folder is refused.
pub(super) struct Neighbours<'a> {
    folder: Option<&'a Path>,
    outside: RefCell<Option<String>>,
}

impl<'a> Neighbours<'a> {
    /// The neighbours of a model; a model without a file has none.
    pub(super) fn of(content: &'a Content) -> Self {
        let folder = content.path.as_deref().filter(|_| !content.alone).and_then(Path::parent);
        let folder = folder.map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        Self { folder, outside: RefCell::new(None) }
    }

    /// The size of a file that the model names, if it is there. The reader has checked that the name stays below the
    /// folder.
    pub(super) fn size(&self, name: &str) -> Option<u64> {
        let folder = self.folder?;
        let path = folder.join(name).canonicalize().ok()?;
        if !path.starts_with(folder.canonicalize().ok()?) {
            *self.outside.borrow_mut() = Some(name.to_owned());
            return None;
        }
        fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|about| about.len())
    }

    /// The name of a file that turned out to lie elsewhere.
    pub(super) fn outside(&self) -> Option<String> {
        self.outside.take()
    }

    /// The content of a file beside the model, mapped.
    pub(super) fn map(&self, name: &str) -> Option<Bytes> {
        let path = self.folder?.join(name);
        map(&File::open(&path).ok()?, &path.display().to_string()).ok()
    }
}

/// The content of a file in a model's folder, mapped, wherever it leads; the name has been checked to hold no folder.
pub(crate) fn map_linked(folder: &Path, name: &str) -> Option<Bytes> {
    let path = folder.join(name);
    map(&File::open(&path).ok()?, &path.display().to_string()).ok()
}

/// The content of a file in a model's folder, mapped; `None` where it is not there or a link leads out of the folder.
pub(crate) fn map_beside(folder: &Path, name: &str) -> Option<Bytes> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let path = folder.join(name).canonicalize().ok()?;
    if !path.starts_with(folder.canonicalize().ok()?) {
        return None;
    }
    map(&File::open(&path).ok()?, &path.display().to_string()).ok()
}
