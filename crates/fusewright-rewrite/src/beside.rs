//! How tensors are written: messages with their data, or with a place in a file beside the model.

use std::io::{self, Write};

use bytes::Bytes;

use crate::payload::Payload;
use crate::tensors::Tensor;

/// Data in the file beside the model begin at multiples of this.
const ALIGNMENT: u64 = 64;

/// The file beside a model, filled in the order of the tensors.
pub(crate) struct Beside<'a> {
    /// How the model calls it.
    pub(crate) name: &'a str,
    /// Where the next data begin, and what was taken: gaps before data, and the data.
    end: u64,
    taken: Vec<(u64, Payload)>,
}

impl<'a> Beside<'a> {
    pub(crate) fn new(name: &'a str) -> Self {
        Self { name, end: 0, taken: Vec::new() }
    }

    /// Takes data in; gives their offset and length.
    pub(crate) fn take(&mut self, payload: &Payload) -> (u64, u64) {
        let offset = self.end.next_multiple_of(ALIGNMENT);
        self.taken.push((offset.saturating_sub(self.end), payload.clone()));
        self.end = offset.saturating_add(payload.length());
        (offset, payload.length())
    }

    /// Writes everything that was taken.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        const GAP: [u8; 64] = [0; 64];
        for (gap, payload) in &self.taken {
            let gap = usize::try_from(*gap).unwrap_or(0).min(GAP.len());
            out.write_all(GAP.get(..gap).unwrap_or_default())?;
            payload.write(out)?;
        }
        Ok(())
    }
}

/// The message of a tensor as it is written.
pub(crate) struct Piece {
    head: Vec<u8>,
    payload: Option<Payload>,
}

impl Piece {
    pub(crate) fn of(tensor: &Tensor, beside: Option<&mut Beside<'_>>) -> Self {
        tensor.piece(beside)
    }

    /// A message that begins so, and the data that end it where they are not in another file.
    pub(crate) fn with(head: Vec<u8>, payload: Option<Payload>) -> Self {
        Self { head, payload }
    }

    /// A message as it stands in the mapped file.
    pub(crate) fn whole(message: &Bytes) -> Self {
        Self { head: Vec::new(), payload: Some(Payload::plain(message.clone())) }
    }

    /// Length of the message.
    pub(crate) fn length(&self) -> u64 {
        (self.head.len() as u64).saturating_add(self.payload.as_ref().map_or(0, Payload::length))
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.head)?;
        self.payload.as_ref().map_or(Ok(()), |payload| payload.write(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_begin_at_multiples_of_the_alignment_and_are_where_they_were_said_to_be() {
        let part = |byte: u8, length: usize| Payload::plain(Bytes::from(vec![byte; length]));
        let packed = Payload::side_by_side(vec![Bytes::from(vec![3; 6]), Bytes::from(vec![4; 4])], 2).unwrap();
        let mut beside = Beside::new("model.onnx.data");
        let places: Vec<(u64, u64)> =
            [part(1, 100), part(2, 64), packed, part(5, 1)].iter().map(|payload| beside.take(payload)).collect();
        assert_eq!(places, [(0, 100), (128, 64), (192, 10), (256, 1)]);
        let mut out = Vec::new();
        beside.write(&mut out).unwrap();
        assert_eq!(out.len(), 257);
        assert_eq!((out[99], out[100], out[128], out[256]), (1, 0, 2, 5));
        assert_eq!(out[192..202], [3, 3, 3, 4, 4, 3, 3, 3, 4, 4]);
    }
}
