//! Which rows are left out of the fit: chosen by a hash of the shape, so that no size or speed is favoured and the same
//! shape is on the same side on every device.

/// Left out of the fit: about half of all shapes. `shape` is the sizes with commas between them.
pub(crate) fn held_out(shape: &str) -> bool {
    (fnv1a(shape.as_bytes()) >> 32) & 1 == 1
}

/// FNV-1a, 64 bits: short enough to be repeated in any language.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn about_half_is_held_out() {
        let count = (0..1000).filter(|m| held_out(&format!("{m},4096,4096"))).count();
        assert!((450..550).contains(&count), "{count} of 1000");
    }
}
