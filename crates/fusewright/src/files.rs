//! The files of a model while it is run: mapped when a weight in them is asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use fusewright_exec::Files;

use crate::load::{Content, map_beside, map_linked};

/// The file that a model was read from, and those beside it.
#[derive(Clone, Debug)]
pub struct ModelFiles {
    own: Bytes,
    folder: Option<PathBuf>,
    /// Links out of the folder are followed.
    links: bool,
    mapped: Arc<Mutex<BTreeMap<String, Bytes>>>,
}

impl ModelFiles {
    /// A model that was not read from a file.
    pub(crate) fn none() -> Self {
        Self { own: Bytes::new(), folder: None, links: false, mapped: Arc::default() }
    }

    pub(crate) fn of(content: &Content) -> Self {
        let folder = content.path.as_deref().filter(|_| !content.alone).and_then(Path::parent).map(Path::to_path_buf);
        Self { own: content.bytes.clone(), folder, links: false, mapped: Arc::default() }
    }

    /// The same for a checkpoint as the cache of the hub keeps it: its files, whose names hold no folder, are links to
    /// where their content is.
    pub(crate) fn of_checkpoint(content: &Content) -> Self {
        Self { links: true, ..Self::of(content) }
    }
}

impl Files for ModelFiles {
    fn bytes(&self, name: Option<&str>) -> Result<Bytes, String> {
        let Some(name) = name else { return Ok(self.own.clone()) };
        let mut mapped = self.mapped.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(bytes) = mapped.get(name) {
            return Ok(bytes.clone());
        }
        let folder = self.folder.as_deref().ok_or_else(|| format!("it lies in `{name}`, which has no folder"))?;
        let map = if self.links { map_linked } else { map_beside };
        let bytes = map(folder, name)
            .ok_or_else(|| format!("it lies in `{name}`, which is not in `{}` or leads out of it", folder.display()))?;
        mapped.insert(name.to_owned(), bytes.clone());
        Ok(bytes)
    }
}
