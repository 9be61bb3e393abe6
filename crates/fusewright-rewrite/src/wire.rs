//! The wire form of protobuf: fields as slices of the file, so that what is not changed is written back byte for byte.

use bytes::{Buf, Bytes};
use prost::DecodeError;
use prost::encoding::{decode_varint, encode_varint, encoded_len_varint};

/// One field of a message.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) number: u64,
    /// The content where the field has a length: text, bytes, a message.
    pub(crate) content: Option<Bytes>,
    /// The field as it stands, key included.
    pub(crate) whole: Bytes,
}

/// The fields of a message in their order.
pub(crate) fn fields(message: &Bytes) -> Result<Vec<Field>, DecodeError> {
    let mut fields = Vec::new();
    let mut rest = message.clone();
    while !rest.is_empty() {
        let before = rest.clone();
        let key = decode_varint(&mut rest)?;
        let content = match key & 7 {
            0 => {
                decode_varint(&mut rest)?;
                None
            }
            1 => cut(&mut rest, 8).map(|_| None)?,
            2 => {
                let length = decode_varint(&mut rest)?;
                Some(cut(&mut rest, length)?)
            }
            5 => cut(&mut rest, 4).map(|_| None)?,
            _ => return Err(broken()),
        };
        let whole = before.slice(..before.len() - rest.len());
        fields.push(Field { number: key >> 3, content, whole });
    }
    Ok(fields)
}

fn cut(rest: &mut Bytes, length: u64) -> Result<Bytes, DecodeError> {
    let length = usize::try_from(length).ok().filter(|&length| length <= rest.remaining()).ok_or_else(broken)?;
    Ok(rest.split_to(length))
}

/// The decoder's own word for a message that is cut off.
fn broken() -> DecodeError {
    decode_varint(&mut [0x80_u8].as_slice())
        .err()
        .unwrap_or_else(|| unreachable!("a lone continuation byte is no number"))
}

/// The key and length before content of this many bytes.
pub(crate) fn header(number: u64, length: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(12);
    encode_varint(number << 3 | 2, &mut bytes);
    encode_varint(length, &mut bytes);
    bytes
}

/// Bytes that a field with content of this length takes.
pub(crate) fn field_length(number: u64, length: u64) -> u64 {
    let head = encoded_len_varint(number << 3 | 2) + encoded_len_varint(length);
    length.saturating_add(head as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_slices_that_join_to_the_message() {
        let mut bytes = vec![0x08, 0x05, 0x25, 1, 2, 3, 4];
        bytes.extend(header(7, 3));
        bytes.extend(b"abc");
        bytes.extend([0x09, 1, 2, 3, 4, 5, 6, 7, 8]);
        let message = Bytes::from(bytes.clone());
        let found = fields(&message).unwrap();
        assert_eq!(found.iter().map(|field| field.number).collect::<Vec<_>>(), [1, 4, 7, 1]);
        assert_eq!(found[2].content.as_deref(), Some(b"abc".as_slice()));
        assert_eq!(found.iter().flat_map(|field| field.whole.to_vec()).collect::<Vec<_>>(), bytes);
        assert_eq!(field_length(7, 3), 5);
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        for bytes in
            [[0x3a, 9].as_slice(), &[0x80], &[0x09, 1], &[0x0b], &[0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]
        {
            assert!(fields(&Bytes::copy_from_slice(bytes)).is_err(), "{bytes:?}");
        }
    }
}
