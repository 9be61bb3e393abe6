//! Packing for the page: LZMA, whose window reaches over all plans of a page, which repeat each other. The program that
//! unpacks is a few kilobytes and part of the page.

use std::io::Write as _;

use lzma_rust2::{LzmaOptions, LzmaWriter};

/// Widest and narrowest window, bytes. What unpacks takes as much memory.
const WINDOW: std::ops::RangeInclusive<usize> = (64 << 10)..=(16 << 20);

/// Bytes in the form of a `.lzma` file that states their number.
pub(crate) fn pack(bytes: &[u8]) -> Vec<u8> {
    let window = bytes.len().clamp(*WINDOW.start(), *WINDOW.end()).next_power_of_two();
    let mut options = LzmaOptions::with_preset(6);
    options.dict_size = u32::try_from(window).unwrap_or(u32::MAX);
    let written = LzmaWriter::new_use_header(Vec::new(), &options, Some(bytes.len() as u64));
    let written = written.and_then(|mut writer| writer.write_all(bytes).and_then(|()| writer.finish()));
    // Writing to memory cannot fail.
    debug_assert!(written.is_ok());
    written.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use lzma_rust2::LzmaReader;

    #[test]
    fn what_is_unpacked_is_what_was_packed() {
        let long: Vec<u8> = (0..300_000_u32).flat_map(|n| (n % 70_001).to_le_bytes()).collect();
        for bytes in [&b""[..], b"a", b"some text, some text", &long] {
            let packed = super::pack(bytes);
            let mut found = Vec::new();
            LzmaReader::new_mem_limit(&packed[..], u32::MAX, None).unwrap().read_to_end(&mut found).unwrap();
            assert_eq!(found, bytes);
        }
        assert!(super::pack(&long).len() < long.len() / 10);
    }
}
