//! From what a user names to bytes, and from bytes to a graph.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use fusewright_ir::{Bindings, Loaded};
use fusewright_torch::fx;

use crate::Error;
use crate::models::{BuiltIn, built_in, similar};

/// Most bytes of text that are read, compressed or not. A graph of a million nodes takes a quarter of it.
const LIMIT: u64 = 2 << 30;

/// How gzip begins.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Bytes at the beginning of a file that show what it is.
const SNIFFED: u64 = 1 << 16;

/// The bytes of a model, decompressed, and what to call it in messages.
pub(crate) struct Bytes {
    pub(crate) source: String,
    pub(crate) content: Vec<u8>,
    pub(crate) built_in: Option<&'static BuiltIn>,
}

impl Bytes {
    /// Bytes from a user, compressed or not.
    pub(crate) fn unpacked(content: Vec<u8>, source: String) -> Result<Self, Error> {
        let content = if content.starts_with(GZIP) { unpack(&content, &source, LIMIT)? } else { content };
        Ok(Self { source, content, built_in: None })
    }
}

/// The bytes behind a built-in name, a path, or `-` for standard input. A file that has the name of a built-in model is
/// reached as `./NAME`.
pub(crate) fn find(model: &OsStr) -> Result<Bytes, Error> {
    if let Some(row) = model.to_str().and_then(built_in) {
        let content = unpack(row.capture, row.name, LIMIT)?;
        return Ok(Bytes { content, source: row.name.to_owned(), built_in: Some(row) });
    }
    let source = Path::new(model).display().to_string();
    let content =
        if model == "-" { read_all(io::stdin().lock(), &source)? } else { read_all(open(model, &source)?, &source)? };
    Bytes::unpacked(content, source)
}

fn open(model: &OsStr, source: &str) -> Result<File, Error> {
    let path = Path::new(model);
    let file = File::open(path).map_err(|problem| match problem.kind() {
        io::ErrorKind::NotFound => {
            Error::UnknownModel { name: source.to_owned(), similar: similar(&path.to_string_lossy()) }
        }
        _ => unreadable(source, problem),
    })?;
    let about = file.metadata().map_err(|problem| unreadable(source, problem))?;
    if about.is_dir() {
        return Err(Error::Folder { path: source.to_owned() });
    }
    if let Some(format) = format_by_name(path) {
        return Err(Error::UnsupportedFormat { path: source.to_owned(), format });
    }
    if about.len() > LIMIT {
        return Err(Error::TooLarge { path: source.to_owned(), limit: LIMIT });
    }
    Ok(file)
}

/// Reads to the end, unless the beginning shows that this is something else: files of weights are large.
fn read_all(mut reader: impl Read, source: &str) -> Result<Vec<u8>, Error> {
    let mut beginning = Vec::new();
    reader.by_ref().take(SNIFFED).read_to_end(&mut beginning).map_err(|problem| unreadable(source, problem))?;
    if let Some(format) = format_by_content(&beginning) {
        return Err(Error::UnsupportedFormat { path: source.to_owned(), format });
    }
    read_at_most(beginning.as_slice().chain(reader), source, LIMIT, unreadable)
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

/// Reads a graph in whatever format it is; gives the name of the format too.
pub(crate) fn read(bytes: &Bytes, dims: &Bindings) -> Result<(Loaded, &'static str), Error> {
    if !fx::probe(&bytes.content)
        && let Some(format) = format_by_content(&bytes.content)
    {
        return Err(Error::UnsupportedFormat { path: bytes.source.clone(), format });
    }
    match fx::read(&bytes.content, dims) {
        Ok(loaded) => Ok((loaded, "fx-json")),
        Err(problem) => {
            let exporter = bytes.built_in.map(|row| row.source);
            Err(Error::Fx { path: bytes.source.clone(), problem, exporter })
        }
    }
}

/// Formats that are known but not read, by the name of the file.
fn format_by_name(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    Some(match extension.as_str() {
        "onnx" => "an ONNX model",
        "pt2" => "a torch.export archive (.pt2)",
        "pt" | "pth" | "ckpt" => "a PyTorch checkpoint, which holds weights and no graph",
        "safetensors" => "a safetensors file, which holds weights and no graph",
        "gguf" => "a GGUF file, which holds weights and no graph",
        _ => return None,
    })
}

/// The same by what is in the file.
fn format_by_content(content: &[u8]) -> Option<&'static str> {
    if content.starts_with(b"PK\x03\x04") {
        return Some("a zip archive, such as .pt2 and PyTorch checkpoints are");
    }
    if content.starts_with(b"GGUF") {
        return Some("a GGUF file, which holds weights and no graph");
    }
    if content.starts_with(b"\x80\x02") {
        return Some("a pickle, such as old PyTorch checkpoints are");
    }
    // Eight bytes of header length, then JSON.
    if content.get(8) == Some(&b'{') && content.get(4..8) == Some(&[0; 4]) {
        return Some("a safetensors file, which holds weights and no graph");
    }
    let beginning = String::from_utf8_lossy(&content[..content.len().min(1 << 16)]);
    let is_config = ["\"model_type\"", "\"architectures\""].iter().any(|key| beginning.contains(key));
    (beginning.trim_start().starts_with('{') && is_config && !beginning.contains("\"fx-graph\""))
        .then_some("a Hugging Face config.json")
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
    fn other_formats_are_recognised() {
        let cases: [(&[u8], Option<&str>); 6] = [
            (b"PK\x03\x04....", Some("zip")),
            (b"\x10\0\0\0\0\0\0\0{\"w\":1}", Some("safetensors")),
            (b"GGUF\x03", Some("GGUF")),
            (b"{\"architectures\": [\"BertModel\"], \"model_type\": \"bert\"}", Some("config.json")),
            (b"{\"format\": \"fx-graph\", \"name\": \"\\\"model_type\\\"\"}", None),
            (b"hello", None),
        ];
        for (content, expected) in cases {
            let found = format_by_content(content);
            assert_eq!(found.is_some(), expected.is_some(), "{content:?}");
            assert!(found.unwrap_or("").contains(expected.unwrap_or("")), "{found:?}");
        }
    }
}
