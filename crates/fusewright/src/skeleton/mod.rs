//! A model's file without its weights: small enough to travel in a page, and all that planning needs.
//!
//! The source is asked for ranges of bytes, so that a file of many gigabytes is not read: an ONNX file is walked field
//! by field and payloads are left out, of an archive only the entries that describe the program are taken. Everything
//! else is text and is taken whole.

mod onnx;
mod zip;

use std::io;

use fusewright_page::Reader;

use crate::Error;
use crate::load::{self, Content};

/// Most bytes of a file that is taken whole, and of all that is taken of one.
pub(crate) const LIMIT: u64 = 1 << 30;

/// Bytes that are asked for in ranges.
pub trait Ranges {
    /// How many there are.
    fn length(&self) -> u64;

    /// Fills `into` with the bytes from `offset` on.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
}

impl Ranges for [u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let range = usize::try_from(offset).ok().and_then(|start| self.get(start..start.checked_add(into.len())?));
        into.copy_from_slice(range.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// What describes the model in a file of this name. Bytes that are no model come back as they are, so that whoever reads
/// them says what is wrong.
pub fn skeleton<R: Ranges + ?Sized>(source: &R, name: &str) -> Result<Vec<u8>, Error> {
    let failed = |problem| Error::Unreadable { path: name.to_owned(), problem };
    let taken = match layout(source, name).map_err(failed)? {
        Layout::Archive if cfg!(feature = "torch") => zip::without_weights(source),
        Layout::Messages if cfg!(feature = "onnx") => onnx::without_weights(source),
        _ => Ok(None),
    };
    if let Some(taken) = taken.map_err(failed)? {
        return Ok(taken);
    }
    let length = source.length();
    if length > LIMIT {
        return Err(Error::TooLarge { path: name.to_owned(), limit: LIMIT });
    }
    let mut whole = vec![0; usize::try_from(length).unwrap_or(0)];
    source.read_at(0, &mut whole).map_err(failed)?;
    Ok(whole)
}

/// The reader that takes a file of this name, where its first bytes and its name tell; text is told apart by
/// [`reader_of`].
pub fn likely_reader<R: Ranges + ?Sized>(source: &R, name: &str) -> Result<Option<Reader>, Error> {
    let layout = layout(source, name).map_err(|problem| Error::Unreadable { path: name.to_owned(), problem })?;
    Ok(match layout {
        Layout::Archive => Some(Reader::Torch),
        Layout::Messages => Some(Reader::Onnx),
        Layout::Other => None,
    })
}

/// The reader that takes these bytes of a file of this name; `None` for what every reader refuses in the same words.
pub fn reader_of(bytes: Vec<u8>, name: &str) -> Result<Option<Reader>, Error> {
    Ok(load::reader_of(&Content::named(bytes, name, name.to_owned())?))
}

/// How a file is laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// A zip archive.
    Archive,
    /// Messages of ONNX.
    Messages,
    /// Anything else.
    Other,
}

fn layout<R: Ranges + ?Sized>(source: &R, name: &str) -> io::Result<Layout> {
    let mut start = [0; 64];
    let seen = usize::try_from(source.length()).map_or(start.len(), |length| length.min(start.len()));
    source.read_at(0, &mut start[..seen])?;
    let start = &start[..seen];
    let named_onnx = name.rsplit_once('.').is_some_and(|(_, found)| found.eq_ignore_ascii_case("onnx"));
    Ok(if start.starts_with(b"PK\x03\x04") {
        Layout::Archive
    } else if !looks_like_text(start) && (named_onnx || start.first() == Some(&8)) {
        Layout::Messages
    } else {
        Layout::Other
    })
}

fn looks_like_text(start: &[u8]) -> bool {
    start.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| matches!(byte, b'{' | b'['))
}
