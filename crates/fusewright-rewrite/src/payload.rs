//! Bytes that a rewrite makes of pieces of mapped files, put together only while they are written.

use std::io::{self, Write};

use bytes::Bytes;

/// Bytes of a tensor: rows of several tensors side by side.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    /// Each part with the bytes of one of its rows.
    parts: Vec<(Bytes, usize)>,
    rows: usize,
}

impl Payload {
    /// The bytes of one tensor.
    pub(crate) fn plain(bytes: Bytes) -> Self {
        let length = bytes.len();
        Self { parts: vec![(bytes, length)], rows: 1 }
    }

    /// Rows of several matrices side by side; `None` where they do not have as many.
    pub(crate) fn side_by_side(parts: Vec<Bytes>, rows: usize) -> Option<Self> {
        let fits = |part: &Bytes| rows > 0 && part.len().is_multiple_of(rows);
        let parts: Option<Vec<_>> =
            parts.into_iter().map(|part| fits(&part).then(|| (part.clone(), part.len() / rows))).collect();
        Some(Self { parts: parts?, rows })
    }

    /// The bytes where they lie together.
    pub(crate) fn single(&self) -> Option<Bytes> {
        if let [(bytes, _)] = &self.parts[..] { Some(bytes.clone()) } else { None }
    }

    /// Number of bytes.
    pub(crate) fn length(&self) -> u64 {
        self.parts.iter().fold(0, |sum: u64, (part, _)| sum.saturating_add(part.len() as u64))
    }

    /// Writes the bytes, one row of one part at a time where there are several parts.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if let [(part, _)] = &self.parts[..] {
            return out.write_all(part);
        }
        for row in 0..self.rows {
            for (part, width) in &self.parts {
                let start = row.saturating_mul(*width);
                out.write_all(part.get(start..start.saturating_add(*width)).unwrap_or_default())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Remembers the largest piece that was handed to it at once.
    #[derive(Default)]
    struct Watched {
        written: Vec<u8>,
        largest: usize,
    }

    impl Write for Watched {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.written.extend_from_slice(piece);
            self.largest = self.largest.max(piece.len());
            Ok(piece.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Takes this many bytes, then nothing more.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(piece.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(piece.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn packed_rows_are_those_of_the_parts_and_are_never_held_together(
            rows in 1_usize..6,
            widths in proptest::collection::vec(1_usize..9, 2..5),
        ) {
            let parts: Vec<Vec<u8>> = widths
                .iter()
                .enumerate()
                .map(|(part, width)| (0..rows * width).map(|at| u8::try_from(part * 60 + at).unwrap()).collect())
                .collect();
            let payload = Payload::side_by_side(parts.iter().cloned().map(Bytes::from).collect(), rows).unwrap();
            let expected: Vec<u8> = (0..rows)
                .flat_map(|row| {
                    let of_row = |(part, &width): (&Vec<u8>, &usize)| part[row * width..(row + 1) * width].to_vec();
                    parts.iter().zip(&widths).flat_map(of_row).collect::<Vec<u8>>()
                })
                .collect();
            let mut out = Watched::default();
            payload.write(&mut out).unwrap();
            prop_assert_eq!(payload.length(), out.written.len() as u64);
            prop_assert_eq!(&out.written, &expected);
            prop_assert!(out.largest <= *widths.iter().max().unwrap());
        }
    }

    #[test]
    fn parts_without_as_many_rows_are_no_payload() {
        let part = |length: usize| Bytes::from(vec![0_u8; length]);
        assert!(Payload::side_by_side(vec![part(6), part(9)], 3).is_some());
        assert!(Payload::side_by_side(vec![part(6), part(8)], 3).is_none());
        assert!(Payload::side_by_side(vec![part(6)], 0).is_none());
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let part = || Bytes::from(vec![1_u8; 12]);
        let payload = Payload::side_by_side(vec![part(), part()], 3).unwrap();
        assert_eq!(payload.write(&mut Full(10)).unwrap_err().kind(), io::ErrorKind::StorageFull);
        payload.write(&mut Full(24)).unwrap();
    }
}
