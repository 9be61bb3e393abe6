//! Bytes as text that no HTML can be made of.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends bytes in base64, padded (RFC 4648).
pub(crate) fn push_base64(out: &mut String, bytes: &[u8]) {
    out.reserve(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let part = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let word = part(0) << 16 | part(1) << 8 | part(2);
        for digit in 0..4_usize {
            let index = (word >> (18 - 6 * digit) & 63) as usize;
            out.push(if digit <= chunk.len() { char::from(ALPHABET[index]) } else { '=' });
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn known_values() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            let mut out = String::new();
            super::push_base64(&mut out, bytes.as_bytes());
            assert_eq!(out, text);
        }
        let mut out = String::new();
        super::push_base64(&mut out, &[0xff, 0xfe, 0xfd]);
        assert_eq!(out, "//79");
    }
}
