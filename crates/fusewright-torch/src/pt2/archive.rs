//! The zip container: entries by name, and the bytes of the few that are read.
//!
//! Nothing is extracted, so names are only compared. Entries that are read are bounded by their packed size, and their
//! checksum is verified.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;

use rawzip::{CompressionMethod, ZipArchive, ZipArchiveEntryWayfinder, ZipSliceArchive};

use super::Pt2Error;

/// Most entries of an archive.
const MAX_ENTRIES: usize = 1 << 20;

/// Most bytes of an entry that is read.
const MAX_BYTES: u64 = 1 << 28;

/// How many bytes a packed byte may become; compressed programs stay below a third of this.
const MAX_RATIO: u64 = 256;

/// Bytes that any entry may have, however well it is packed.
const SMALL: u64 = 1 << 16;

/// How a zip file that has an entry starts.
const START: &[u8] = b"PK\x03\x04";

/// An archive and the list of what is in it.
pub(super) struct Archive<'a> {
    zip: ZipSliceArchive<&'a [u8]>,
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    method: CompressionMethod,
    place: ZipArchiveEntryWayfinder,
}

impl<'a> Archive<'a> {
    /// Reads the list of entries. Of two with one name the later counts, as in other readers.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, Pt2Error> {
        let not_zip = |problem: String| Pt2Error::NotZip { problem };
        if !bytes.starts_with(START) {
            return Err(not_zip("it does not start with the mark of an archive".to_owned()));
        }
        let zip = ZipArchive::from_slice(bytes).map_err(|error| not_zip(error.to_string()))?;
        let mut entries = BTreeMap::new();
        let mut count = 0_usize;
        for record in zip.entries() {
            let record = record.map_err(|error| not_zip(error.to_string()))?;
            count = count.saturating_add(1);
            if count > MAX_ENTRIES {
                return Err(Pt2Error::TooManyEntries { limit: MAX_ENTRIES });
            }
            let name = String::from_utf8_lossy(record.file_path().as_ref()).into_owned();
            entries.insert(name, Entry { method: record.compression_method(), place: record.wayfinder() });
        }
        // A list that is shorter than announced was cut off, or is not a list of entries.
        if count as u64 != zip.entries_hint() {
            return Err(not_zip(format!("it announces {} entries and lists {count}", zip.entries_hint())));
        }
        Ok(Self { zip, entries })
    }

    /// The names of all entries, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The size of an entry once unpacked, as the archive states it.
    pub(super) fn size(&self, name: &str) -> Option<u64> {
        self.entries.get(name).map(|entry| entry.place.uncompressed_size_hint())
    }

    /// Where the bytes of an entry lie in the file, if they are not compressed: first byte and length.
    pub(super) fn place(&self, name: &str) -> Option<(u64, u64)> {
        let entry = self.entries.get(name).filter(|entry| entry.method == CompressionMethod::STORE)?;
        let (start, end) = self.zip.get_entry(entry.place).ok()?.compressed_data_range();
        Some((start, end.checked_sub(start)?))
    }

    /// The bytes of an entry that is not compressed, unverified.
    pub(super) fn stored(&self, name: &str) -> Option<&'a [u8]> {
        let (start, length) = self.place(name)?;
        let end = start.checked_add(length)?;
        let whole: &'a [u8] = self.zip.get_ref();
        whole.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }

    /// The bytes of an entry: those of the file itself where they are not compressed.
    pub(super) fn read(&self, name: &str) -> Result<Cow<'a, [u8]>, Pt2Error> {
        let damaged = |problem: String| Pt2Error::Entry { entry: name.to_owned(), problem };
        let entry = self.entries.get(name).ok_or_else(|| damaged("it is not in the archive".to_owned()))?;
        let packed = entry.place.compressed_size_hint();
        let limit = packed.saturating_mul(MAX_RATIO).saturating_add(SMALL).min(MAX_BYTES);
        if entry.place.uncompressed_size_hint() > limit {
            return Err(Pt2Error::EntryTooLarge { entry: name.to_owned(), limit });
        }
        let slice = self.zip.get_entry(entry.place).map_err(|error| damaged(error.to_string()))?;
        let (start, end) = slice.compressed_data_range();
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        let whole: &'a [u8] = self.zip.get_ref();
        let data = range.and_then(|(start, end)| whole.get(start..end));
        let data = data.ok_or_else(|| damaged("it reaches past the end of the file".to_owned()))?;
        match entry.method {
            CompressionMethod::STORE => {
                let mut verified = slice.verifying_reader(data);
                std::io::copy(&mut verified, &mut std::io::sink()).map_err(|error| damaged(error.to_string()))?;
                Ok(Cow::Borrowed(data))
            }
            CompressionMethod::DEFLATE => {
                let mut unpacked = Vec::new();
                let verified = slice.verifying_reader(flate2::bufread::DeflateDecoder::new(data));
                let read = verified.take(limit.saturating_add(1)).read_to_end(&mut unpacked);
                read.map_err(|error| damaged(error.to_string()))?;
                if unpacked.len() as u64 > limit {
                    return Err(Pt2Error::EntryTooLarge { entry: name.to_owned(), limit });
                }
                Ok(Cow::Owned(unpacked))
            }
            other => Err(damaged(format!("it is compressed by {other}, expected stored or deflated bytes"))),
        }
    }
}
