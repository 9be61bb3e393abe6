//! The bytes of a model. Files are mapped, so that only what a reader looks at is read: weights never are.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::Error;
use crate::models::{BuiltIn, BuiltInGraph, built_in, similar};

/// Most bytes of text that are read, compressed or not. A graph of a million nodes takes a quarter of it.
const LIMIT: u64 = 2 << 30;

/// How gzip begins.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// The file that describes a model in a folder as the Hugging Face hub lays it out.
const CONFIG: &str = "config.json";

/// The bytes of a model, decompressed, and where they come from.
pub(crate) struct Content {
    /// What to call it in messages.
    pub(crate) source: String,
    /// The file; `None` for standard input, bytes in memory and built-in models.
    pub(crate) path: Option<PathBuf>,
    /// The path is a name only: nothing lies beside it.
    pub(crate) alone: bool,
    pub(crate) bytes: Bytes,
    pub(crate) built_in: Option<&'static BuiltIn>,
}

impl Content {
    /// Bytes from a user, compressed or not.
    pub(crate) fn unpacked(bytes: Vec<u8>, source: String) -> Result<Self, Error> {
        let bytes = if bytes.starts_with(GZIP) { unpack(&bytes, &source, LIMIT)? } else { bytes };
        Ok(Self { source, path: None, alone: false, bytes: bytes.into(), built_in: None })
    }

    /// Bytes that came with the name of their file, compressed or not.
    pub(crate) fn named(bytes: Vec<u8>, file: &str, source: String) -> Result<Self, Error> {
        Ok(Self { path: Some(PathBuf::from(file)), alone: true, ..Self::unpacked(bytes, source)? })
    }

    fn of_built_in(row: &'static BuiltIn) -> Result<Self, Error> {
        let bytes = match row.graph {
            BuiltInGraph::Capture { packed, .. } => unpack(packed, row.name, LIMIT)?.into(),
            BuiltInGraph::Config(text) => Bytes::from_static(text.as_bytes()),
        };
        Ok(Self { source: row.name.to_owned(), path: None, alone: false, bytes, built_in: Some(row) })
    }

    /// What to call the model: the file's name without extensions, or that of its folder where all files are called
    /// the same.
    pub(crate) fn model_name(&self) -> Option<String> {
        if let Some(row) = self.built_in {
            return Some(row.name.to_owned());
        }
        let path = self.path.as_deref()?;
        let named = if path.file_name() == Some(OsStr::new(CONFIG)) {
            if self.alone {
                return None;
            }
            let folder = path.parent().filter(|folder| folder.file_name().is_some());
            folder.map(Path::to_path_buf).or_else(|| std::path::absolute(path).ok()?.parent().map(Path::to_path_buf))?
        } else {
            path.to_path_buf()
        };
        let name = named.file_name()?.to_string_lossy();
        let stem = [".onnx", ".pt2", ".json"].iter().find_map(|extension| name.strip_suffix(extension));
        Some(stem.unwrap_or(&name).to_owned())
    }
}

/// The bytes behind a built-in name, a path, or `-` for standard input. A file that has the name of a built-in model is
/// reached as `./NAME`.
pub(crate) fn find(model: &OsStr) -> Result<Content, Error> {
    if let Some(row) = model.to_str().and_then(built_in) {
        return Content::of_built_in(row);
    }
    let path = Path::new(model);
    let source = path.display().to_string();
    if model == "-" {
        return Content::unpacked(read_at_most(io::stdin().lock(), &source, LIMIT, unreadable)?, source);
    }
    let (path, source) = if path.join(CONFIG).is_file() {
        (path.join(CONFIG), path.join(CONFIG).display().to_string())
    } else {
        (path.to_path_buf(), source)
    };
    let file = open(&path, &source)?;
    let mapped = map(&file, &source)?;
    let bytes = if mapped.starts_with(GZIP) { unpack(&mapped, &source, LIMIT)?.into() } else { mapped };
    Ok(Content { source, path: Some(path), alone: false, bytes, built_in: None })
}

fn open(path: &Path, source: &str) -> Result<File, Error> {
    let file = File::open(path).map_err(|problem| match problem.kind() {
        io::ErrorKind::NotFound => {
            Error::UnknownModel { name: source.to_owned(), similar: similar(&path.to_string_lossy()) }
        }
        _ => unreadable(source, problem),
    })?;
    let about = file.metadata().map_err(|problem| unreadable(source, problem))?;
    if about.is_dir() { Err(Error::Folder { path: source.to_owned(), expected: "a model file" }) } else { Ok(file) }
}

/// The content of a regular file without reading it; of anything else, such as a pipe, what comes out of it.
pub(super) fn map(mut file: &File, source: &str) -> Result<Bytes, Error> {
    let about = file.metadata().map_err(|problem| unreadable(source, problem))?;
    if !about.is_file() {
        return Ok(read_at_most(&mut file, source, LIMIT, unreadable)?.into());
    }
    if about.len() == 0 {
        return Ok(Bytes::new());
    }
    #[expect(unsafe_code, reason = "a map of a file is the only way to plan a model without reading its weights")]
    // SAFETY: the map is read-only and private to this process. Whoever cuts the file short while it is planned ends the
    // process with a signal, as with every mapped file; no other state can be damaged.
    let mapped = unsafe { memmap2::Mmap::map(file) };
    Ok(Bytes::from_owner(mapped.map_err(|problem| unreadable(source, problem))?))
}

fn unreadable(source: &str, problem: io::Error) -> Error {
    Error::Unreadable { path: source.to_owned(), problem }
}

fn bad_gzip(source: &str, problem: io::Error) -> Error {
    Error::BadGzip { path: source.to_owned(), problem }
}

fn read_at_most(
    reader: impl Read,
    source: &str,
    limit: u64,
    failed: fn(&str, io::Error) -> Error,
) -> Result<Vec<u8>, Error> {
    let mut content = Vec::new();
    reader.take(limit + 1).read_to_end(&mut content).map_err(|problem| failed(source, problem))?;
    if content.len() as u64 > limit {
        return Err(Error::TooLarge { path: source.to_owned(), limit });
    }
    Ok(content)
}

fn unpack(packed: &[u8], source: &str, limit: u64) -> Result<Vec<u8>, Error> {
    read_at_most(flate2::read::MultiGzDecoder::new(packed), source, limit, bad_gzip)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn unpacking_stops_at_the_limit() {
        let bomb = packed(" ".repeat(100_000).as_bytes());
        assert!(bomb.len() < 1000);
        assert!(matches!(unpack(&bomb, "bomb", 99_999), Err(Error::TooLarge { limit: 99_999, .. })));
        assert_eq!(unpack(&bomb, "bomb", 100_000).unwrap().len(), 100_000);
    }

    #[test]
    fn cut_and_damaged_archives_are_named() {
        let whole = packed(b"{\"format\": \"fx-graph\"}");
        assert!(matches!(unpack(&whole[..whole.len() - 9], "cut", LIMIT), Err(Error::BadGzip { .. })));
        let mut damaged = whole.clone();
        damaged[12] ^= 0xff;
        assert!(matches!(unpack(&damaged, "damaged", LIMIT), Err(Error::BadGzip { .. })));
    }

    #[test]
    fn a_model_is_called_after_its_file_or_its_folder() {
        for (path, name) in [
            ("models/bert.onnx", "bert"),
            ("bert-base-uncased/config.json", "bert-base-uncased"),
            ("tiny.pt2", "tiny"),
            ("llama.v2.json", "llama.v2"),
        ] {
            let content = Content {
                source: path.into(),
                path: Some(path.into()),
                alone: false,
                bytes: Bytes::new(),
                built_in: None,
            };
            assert_eq!(content.model_name().as_deref(), Some(name), "{path}");
        }
    }
}
