//! An ONNX file without the payloads of its tensors.
//!
//! The wire form is walked by ranges: lengths are read, payloads of weights are passed over. What shapes, scales and
//! masks depend on stays: integers, and numbers of which there are few different ones.

use std::io;

use super::{LIMIT, Ranges};

/// Longest payload that may stay: 4096 numbers of eight bytes.
const LONGEST: u64 = 32 << 10;
/// Longest payload of floating-point numbers that stays whatever it holds.
const SHORT: u64 = 64;
/// Different words in a longer one that stays: a mask has two.
const WORDS: usize = 16;
/// Most messages inside each other.
const DEPTH: usize = 60;
/// Bytes that are read at once.
const WINDOW: usize = 64 << 10;

/// The messages that hold tensors, and tensors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Function,
    Sparse,
    Tensor,
}

impl Kind {
    fn field(self, number: u64) -> Option<Kind> {
        Some(match (self, number) {
            (Kind::Model, 7) | (Kind::Attribute, 6 | 11) => Kind::Graph,
            (Kind::Model, 25) => Kind::Function,
            (Kind::Graph, 1) | (Kind::Function, 7) => Kind::Node,
            (Kind::Graph, 5) | (Kind::Attribute, 5 | 10) | (Kind::Sparse, 1) => Kind::Tensor,
            (Kind::Graph, 15) => Kind::Sparse,
            (Kind::Node, 5) | (Kind::Function, 11) => Kind::Attribute,
            _ => return None,
        })
    }
}

/// The file without payloads; `None` where the bytes are no messages of this form.
pub(super) fn without_weights<R: Ranges + ?Sized>(source: &R) -> io::Result<Option<Vec<u8>>> {
    let mut reader = Reader { source, window: Vec::new(), start: 0 };
    let mut out = Vec::new();
    let end = source.length();
    Ok(copy(&mut reader, Kind::Model, 0, end, 0, &mut out)?.map(|()| out))
}

/// Copies the message between two offsets; `None` where it is malformed.
fn copy<R: Ranges + ?Sized>(
    reader: &mut Reader<R>,
    kind: Kind,
    mut at: u64,
    end: u64,
    depth: usize,
    out: &mut Vec<u8>,
) -> io::Result<Option<()>> {
    if depth > DEPTH {
        return Ok(None);
    }
    while at < end {
        let Some((key, after_key)) = reader.varint(at, end)? else { return Ok(None) };
        let (number, wire) = (key >> 3, key & 7);
        let stop = match wire {
            0 => match reader.varint(after_key, end)? {
                Some((_, after)) => after,
                None => return Ok(None),
            },
            1 => after_key.saturating_add(8),
            5 => after_key.saturating_add(4),
            2 => {
                let Some((length, payload)) = reader.varint(after_key, end)? else { return Ok(None) };
                let stop = payload.saturating_add(length);
                if stop > end {
                    return Ok(None);
                }
                match kind.field(number) {
                    Some(inner) => {
                        let mut message = Vec::new();
                        if copy(reader, inner, payload, stop, depth + 1, &mut message)?.is_none() {
                            return Ok(None);
                        }
                        push_varint(out, key);
                        push_varint(out, message.len() as u64);
                        out.extend_from_slice(&message);
                        at = stop;
                        continue;
                    }
                    // A field that is there but empty is how weights are left out.
                    None if kind == Kind::Tensor && !stays(reader, number, payload, length)? => {
                        if number == 9 {
                            push_varint(out, key);
                            push_varint(out, 0);
                        }
                        at = stop;
                        continue;
                    }
                    None => stop,
                }
            }
            _ => return Ok(None),
        };
        if stop > end || (stop - at).saturating_add(out.len() as u64) > LIMIT {
            return Ok(None);
        }
        reader.append(at, stop, out)?;
        at = stop;
    }
    Ok(Some(()))
}

/// The payload of a field of a tensor is needed, or is none.
fn stays<R: Ranges + ?Sized>(reader: &mut Reader<R>, number: u64, payload: u64, length: u64) -> io::Result<bool> {
    // Floats, integers of 32 and 64 bits, raw data, doubles, unsigned integers.
    if !matches!(number, 4 | 5 | 7 | 9 | 10 | 11) || length <= SHORT {
        return Ok(true);
    }
    if length > LONGEST {
        return Ok(false);
    }
    let mut bytes = Vec::new();
    reader.append(payload, payload + length, &mut bytes)?;
    if matches!(number, 5 | 7 | 11) {
        return Ok(true);
    }
    // Raw data do not say here what they are. Small integers and masks have few different words or short ones.
    let mut words: Vec<[u8; 4]> = Vec::new();
    for word in bytes.as_chunks::<4>().0 {
        let small_integer = word[2..] == [0, 0] || word[2..] == [0xff, 0xff];
        if !small_integer && !words.contains(word) {
            words.push(*word);
            if words.len() > WORDS {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

/// A source that is read a window at a time.
struct Reader<'a, R: Ranges + ?Sized> {
    source: &'a R,
    window: Vec<u8>,
    start: u64,
}

impl<R: Ranges + ?Sized> Reader<'_, R> {
    fn byte(&mut self, at: u64) -> io::Result<u8> {
        let inside = |reader: &Self| at.checked_sub(reader.start).filter(|&index| index < reader.window.len() as u64);
        if inside(self).is_none() {
            let left = self.source.length().saturating_sub(at);
            let length = usize::try_from(left).map_or(WINDOW, |left| left.min(WINDOW));
            self.window.resize(length, 0);
            self.source.read_at(at, &mut self.window)?;
            self.start = at;
        }
        let index = inside(self).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.window.get(index)).copied().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// A number and the offset after it; `None` where it is cut off or too long.
    fn varint(&mut self, mut at: u64, end: u64) -> io::Result<Option<(u64, u64)>> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            if at >= end {
                return Ok(None);
            }
            let byte = self.byte(at)?;
            at += 1;
            value |= u64::from(byte & 0x7f).wrapping_shl(shift);
            if byte < 0x80 {
                return Ok(Some((value, at)));
            }
        }
        Ok(None)
    }

    fn append(&mut self, from: u64, to: u64, out: &mut Vec<u8>) -> io::Result<()> {
        let length = usize::try_from(to - from).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let inside = from.checked_sub(self.start).and_then(|index| usize::try_from(index).ok());
        let held = inside.and_then(|index| self.window.get(index..index.checked_add(length)?));
        if let Some(held) = held {
            out.extend_from_slice(held);
            return Ok(());
        }
        let before = out.len();
        out.resize(before + length, 0);
        self.source.read_at(from, &mut out[before..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u64, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        push_varint(&mut out, number << 3 | 2);
        push_varint(&mut out, payload.len() as u64);
        out.extend_from_slice(payload);
        out
    }

    fn model(raw: &[u8]) -> Vec<u8> {
        let tensor = [field(8, b"w"), field(9, raw)].concat();
        [vec![8, 9], field(7, &field(5, &tensor))].concat()
    }

    #[test]
    fn weights_go_and_masks_stay() {
        let weights: Vec<u8> = (0..4000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes()).collect();
        let found = without_weights(&model(&weights)[..]).unwrap().unwrap();
        assert_eq!(found, model(&[]));
        let mask: Vec<u8> = (0..900_u32).flat_map(|n| if n % 3 == 0 { f32::MIN } else { 0.0 }.to_le_bytes()).collect();
        assert_eq!(without_weights(&model(&mask)[..]).unwrap().unwrap(), model(&mask));
        let sizes: Vec<u8> = (0..100_u64).flat_map(u64::to_le_bytes).collect();
        assert_eq!(without_weights(&model(&sizes)[..]).unwrap().unwrap(), model(&sizes));
    }

    #[test]
    fn what_is_cut_off_is_none() {
        let whole = model(&[7; 300]);
        for end in 1..whole.len() {
            let cut = &whole[..end];
            if let Some(found) = without_weights(cut).unwrap() {
                assert!(found.len() <= cut.len());
            }
        }
        assert!(without_weights(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f][..]).unwrap().is_none());
    }
}
