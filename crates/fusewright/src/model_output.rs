//! Writing a model so that it appears whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use fusewright_rewrite::Rewritten;

use crate::Error;

/// Whether a file of this name, or the file of its data, is there already.
pub(crate) fn check(rewritten: &Rewritten, path: &Path, force: bool) -> Result<(), Error> {
    let mut files = vec![path.to_owned()];
    if rewritten.needs_data_file() {
        files.push(data_file(path));
    }
    for file in files {
        let path = file.display().to_string();
        match fs::metadata(&file) {
            Ok(about) if about.is_dir() => return Err(Error::Folder { path, expected: "a file to write" }),
            Ok(about) if about.is_file() && !force => return Err(Error::Exists { path }),
            Ok(about) if !about.is_file() => {
                let problem = io::Error::other("it is no regular file, and a model is written as a whole");
                return Err(Error::Unwritable { path, problem });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Writes the model, and beside it `NAME.data` where its weights need a file of their own. Both are written under
/// other names in the same folder and get their own when they are whole; a failure leaves nothing behind.
pub(crate) fn write(rewritten: &Rewritten, path: &Path, force: bool) -> Result<(), Error> {
    check(rewritten, path, force)?;
    let failed = |problem: io::Error| Error::Unwritable { path: path.display().to_string(), problem };
    // Through a link the file behind it is replaced, not the link.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut model = Temporary::beside(&target).map_err(failed)?;
    if !rewritten.needs_data_file() {
        rewritten.write(&mut model.file, None).and_then(|()| model.keep()).map_err(failed)?;
        return Ok(());
    }
    let data_path = data_file(&target);
    let name = data_path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut data = Temporary::beside(&data_path).map_err(failed)?;
    let written = rewritten.write(&mut model.file, Some((&name, &mut data.file)));
    // A model is never there without its data.
    written.and_then(|()| model.file.flush()).and_then(|()| data.keep()).and_then(|()| model.keep()).map_err(failed)
}

/// Takes away what was written under this name.
pub(crate) fn remove(rewritten: &Rewritten, path: &Path) {
    let _ = fs::remove_file(path);
    if rewritten.needs_data_file() {
        let _ = fs::remove_file(data_file(path));
    }
}

/// The file that weights go to.
fn data_file(model: &Path) -> PathBuf {
    let mut name = OsString::from(model.as_os_str());
    name.push(".data");
    name.into()
}

/// A file under a hidden name, which gets its own when it is whole and goes away when it does not become so.
struct Temporary {
    file: BufWriter<File>,
    path: PathBuf,
    target: PathBuf,
    kept: bool,
}

impl Temporary {
    fn beside(target: &Path) -> io::Result<Self> {
        let name = target.file_name().ok_or_else(|| io::Error::other("the path has no file name"))?;
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.tmp", std::process::id()));
        let path = target.with_file_name(hidden);
        let file = BufWriter::with_capacity(1 << 20, OpenOptions::new().write(true).create_new(true).open(&path)?);
        Ok(Self { file, path, target: target.to_owned(), kept: false })
    }

    fn keep(&mut self) -> io::Result<()> {
        self.file.flush()?;
        fs::rename(&self.path, &self.target)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}
