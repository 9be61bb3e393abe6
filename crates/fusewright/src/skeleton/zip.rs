//! An archive with only the entries that describe its program.

use std::io;

use rawzip::{Error, ErrorKind, ReaderAt, ZipArchive};

use super::{LIMIT, Ranges};

/// Most entries that are looked at.
const MOST_ENTRIES: usize = 1 << 20;
/// Bytes of an entry that is taken whatever it is called.
const SMALL: u64 = 1 << 10;
/// Bytes behind which the list of entries may begin, counted from the end.
const SEARCHED: u64 = 1 << 16;

/// Ranges as the archive's reader asks for them.
struct Source<'a, R: Ranges + ?Sized>(&'a R);

impl<R: Ranges + ?Sized> ReaderAt for Source<'_, R> {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = self.0.length().saturating_sub(offset);
        let length = usize::try_from(left).map_or(into.len(), |left| left.min(into.len()));
        self.0.read_at(offset, &mut into[..length])?;
        Ok(length)
    }
}

/// An entry that is taken.
struct Entry {
    name: Vec<u8>,
    method: u16,
    crc: u32,
    packed: u32,
    unpacked: u32,
    at: u32,
}

/// The archive without weights; `None` where the bytes are no archive that can be read.
pub(super) fn without_weights<R: Ranges + ?Sized>(source: &R) -> io::Result<Option<Vec<u8>>> {
    match copy(source) {
        Ok(archive) => Ok(archive),
        Err(error) => match error.kind() {
            ErrorKind::IO(problem) if problem.kind() != io::ErrorKind::UnexpectedEof => {
                Err(io::Error::new(problem.kind(), problem.to_string()))
            }
            _ => Ok(None),
        },
    }
}

fn copy<R: Ranges + ?Sized>(source: &R) -> Result<Option<Vec<u8>>, Error> {
    let reader = Source(source);
    let mut buffer = vec![0; rawzip::RECOMMENDED_BUFFER_SIZE];
    let locator = ZipArchive::with_max_search_space(SEARCHED + 22);
    let located = locator.locate_in_reader(reader, &mut buffer, source.length());
    let archive = located.map_err(|(_, error)| error)?;
    let mut taken = Vec::new();
    let mut entries = archive.entries(&mut buffer);
    let mut seen = 0_usize;
    while let Some(entry) = entries.next_entry()? {
        seen += 1;
        if seen > MOST_ENTRIES {
            return Ok(None);
        }
        let name = entry.file_path().as_ref().to_vec();
        let describes = name.ends_with(b".json") || entry.uncompressed_size_hint() <= SMALL;
        if describes {
            taken.push((name, entry.compression_method().as_u16(), entry.crc32(), entry.wayfinder()));
        }
    }
    let mut out = Vec::new();
    let mut list = Vec::new();
    for (name, method, crc, place) in taken {
        let (start, end) = archive.get_entry(place)?.compressed_data_range();
        let packed = end.saturating_sub(start);
        let sizes = (u32::try_from(packed), u32::try_from(place.uncompressed_size_hint()), u32::try_from(out.len()));
        let (Ok(packed_size), Ok(unpacked), Ok(at)) = sizes else { return Ok(None) };
        if name.len() > usize::from(u16::MAX) || packed.saturating_add(out.len() as u64) > LIMIT {
            return Ok(None);
        }
        let entry = Entry { name, method, crc, packed: packed_size, unpacked, at };
        entry.push_local(&mut out);
        let before = out.len();
        out.resize(before + packed_size as usize, 0);
        source.read_at(start, &mut out[before..])?;
        list.push(entry);
    }
    Ok(push_list(&mut out, &list).map(|()| out))
}

impl Entry {
    /// Method, checksum and sizes, which both headers hold.
    fn push_facts(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.method.to_le_bytes());
        // No time and no day.
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.crc.to_le_bytes());
        out.extend_from_slice(&self.packed.to_le_bytes());
        out.extend_from_slice(&self.unpacked.to_le_bytes());
        out.extend_from_slice(&u16::try_from(self.name.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(&[0; 2]);
    }

    fn push_local(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"PK\x03\x04\x14\0\0\0");
        self.push_facts(out);
        out.extend_from_slice(&self.name);
    }

    fn push_listed(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"PK\x01\x02\x14\0\x14\0\0\0");
        self.push_facts(out);
        out.extend_from_slice(&[0; 10]);
        out.extend_from_slice(&self.at.to_le_bytes());
        out.extend_from_slice(&self.name);
    }
}

/// The list of entries and the end of the archive; `None` for more than its plain form holds.
fn push_list(out: &mut Vec<u8>, list: &[Entry]) -> Option<()> {
    let count = u16::try_from(list.len()).ok()?.to_le_bytes();
    let start = out.len();
    for entry in list {
        entry.push_listed(out);
    }
    let length = u32::try_from(out.len() - start).ok()?;
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&count);
    out.extend_from_slice(&count);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&u32::try_from(start).ok()?.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of stored entries.
    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut out, mut list) = (Vec::new(), Vec::new());
        for (name, content) in entries {
            let size = u32::try_from(content.len()).unwrap();
            let at = u32::try_from(out.len()).unwrap();
            let entry = Entry { name: name.as_bytes().to_vec(), method: 0, crc: 0, packed: size, unpacked: size, at };
            entry.push_local(&mut out);
            out.extend_from_slice(content);
            list.push(entry);
        }
        push_list(&mut out, &list).unwrap();
        out
    }

    #[test]
    fn weights_are_left_behind() {
        let weights = vec![7_u8; 5000];
        let described = [("m/models/model.json", b"{}".as_slice()), ("m/version", b"0")];
        let all = [described[0], ("m/data/weights/w", &weights), described[1]];
        assert_eq!(without_weights(&archive(&all)[..]).unwrap().unwrap(), archive(&described));
    }

    #[test]
    fn what_is_no_archive_is_none() {
        let whole = archive(&[("m/models/model.json", b"{}")]);
        for end in 0..whole.len() {
            assert!(without_weights(&whole[..end]).unwrap().is_none(), "{end} bytes");
        }
    }
}
