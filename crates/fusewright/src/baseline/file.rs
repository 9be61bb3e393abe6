//! The lock file on disk.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use fusewright_report::{Lock, LockEntry, LockError};

use crate::Error;

/// Most bytes of a lock file that are read: a thousand models take a tenth of it.
const LIMIT: u64 = 64 << 20;

/// A lock file: where it is and what it holds.
#[derive(Clone, Debug)]
pub struct Baseline {
    path: PathBuf,
    /// The file as it was read; `None` where there is none.
    text: Option<String>,
    lock: Lock,
}

impl Baseline {
    /// Reads a lock file; one that is not there has no models.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let shown = path.display().to_string();
        let unreadable = |problem| Error::Unreadable { path: shown.clone(), problem };
        let file = match File::open(path) {
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(Self::empty(path)),
            opened => opened.map_err(unreadable)?,
        };
        if file.metadata().map_err(unreadable)?.is_dir() {
            return Err(Error::Folder { path: shown, expected: "a lock file" });
        }
        let mut text = String::new();
        file.take(LIMIT + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > LIMIT {
            return Err(Error::TooLarge { path: shown, limit: LIMIT });
        }
        let lock = Lock::read(&text).map_err(|problem| Error::Lock { path: shown, problem })?;
        Ok(Self { path: path.to_owned(), text: Some(text), lock })
    }

    /// A lock file without models, to be written to a path.
    pub fn empty(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned(), text: None, lock: Lock::default() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file as it was read, `None` where there is none: annotations point to its lines.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// What it holds.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Takes in an entry, in place of the one with its name.
    pub fn put(&mut self, entry: LockEntry) {
        self.lock.models.insert(entry.settings.command(), entry);
    }

    /// What to say where an entry is missing.
    pub(super) fn missing(&self) -> String {
        let shown = self.path.display();
        match (&self.text, self.lock.models.len()) {
            (None, _) => format!("there is no lock file `{shown}`"),
            (Some(_), 0) => format!("`{shown}` has no models"),
            (Some(_), _) => {
                let names: Vec<String> = self.lock.models.keys().take(3).map(|name| format!("`{name}`")).collect();
                let more = self.lock.models.len().saturating_sub(3);
                let more = if more == 0 { String::new() } else { format!(" and {more} more") };
                format!("`{shown}` has entries for {}{more} only", names.join(", "))
            }
        }
    }

    /// An entry asks for an option that does not exist.
    pub(super) fn bad_setting(&self, model: &str, problem: String) -> Error {
        let problem = LockError::Setting { model: model.to_owned(), problem };
        Error::Lock { path: self.path.display().to_string(), problem }
    }
}
