//! Unpacking of what a page holds packed.

use std::io::Read;

use lzma_rust2::LzmaReader;

/// Bytes of a `.lzma` file that states how many they are; `None` for anything else.
///
/// ```
/// assert_eq!(fusewright_wasm::unpack(b"no packed bytes"), None);
/// ```
pub fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let length = packed.get(5..13)?.try_into().ok().map(u64::from_le_bytes)?;
    let mut bytes = Vec::new();
    // What is damaged may state any number.
    bytes.try_reserve_exact(usize::try_from(length).ok()?).ok()?;
    let mut reader = LzmaReader::new_mem_limit(packed, u32::MAX, None).ok()?;
    reader.read_to_end(&mut bytes).ok().filter(|&read| read as u64 == length)?;
    Some(bytes)
}
