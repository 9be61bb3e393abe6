//! A look over the wire form before anything is decoded: two bytes can stand for an empty message that takes hundreds
//! in memory, so the entries are counted first.

use super::OnnxError;

/// Most bytes that the decoded messages may take, weights not included.
const BUDGET: u64 = 1 << 30;
/// Most messages inside each other.
const DEPTH: usize = 60;

/// The messages that hold messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Sparse,
    Function,
    Info,
    Type,
    TensorType,
    Shape,
    Leaf,
}

impl Kind {
    /// What a field of this message holds, when that is a message or text that is decoded.
    fn field(self, number: u64) -> Option<Kind> {
        Some(match (self, number) {
            (Kind::Model, 7) | (Kind::Attribute, 6 | 11) => Kind::Graph,
            (Kind::Model, 25) => Kind::Function,
            (Kind::Graph, 1) | (Kind::Function, 7) => Kind::Node,
            (Kind::Graph | Kind::Attribute, 5) | (Kind::Sparse, 1) => Kind::Tensor,
            (Kind::Graph, 15) => Kind::Sparse,
            (Kind::Node, 5) | (Kind::Function, 11) => Kind::Attribute,
            (Kind::Graph, 11..=13) => Kind::Info,
            (Kind::Info, 2) => Kind::Type,
            (Kind::Type, 1) => Kind::TensorType,
            (Kind::TensorType, 2) => Kind::Shape,
            (Kind::Model, 8)
            | (Kind::Node, 1 | 2 | 9)
            | (Kind::Function, 4 | 5 | 9)
            | (Kind::Attribute, 9)
            | (Kind::Tensor, 1 | 4 | 5 | 7 | 10 | 11 | 13)
            | (Kind::Sparse, 3)
            | (Kind::Shape, 1) => Kind::Leaf,
            _ => return None,
        })
    }

    /// Bytes that one of them takes at least when decoded, rounded up.
    fn size(self) -> u64 {
        match self {
            Kind::Model | Kind::Leaf => 64,
            Kind::Info | Kind::Type | Kind::TensorType | Kind::Shape => 128,
            _ => 384,
        }
    }
}

/// True for bytes whose first fields are those of a model.
pub(crate) fn looks_like_a_model(bytes: &[u8]) -> bool {
    let mut fields = Fields(bytes);
    let mut seen = 0;
    while let Some(Ok(field)) = fields.next() {
        let fits = match (field.number, &field.payload) {
            (1, Payload::Number(version)) => (1..=64).contains(version),
            (2 | 3 | 4 | 6, Payload::Bytes(text)) => std::str::from_utf8(text).is_ok(),
            (7, Payload::Bytes(_)) => return seen > 0,
            (5, Payload::Number(_)) | (8 | 14 | 20 | 25, Payload::Bytes(_)) => true,
            _ => false,
        };
        if !fits {
            return false;
        }
        seen = 1;
    }
    false
}

/// Refuses what would take too much memory or nest too deep once decoded.
pub(crate) fn check(model: &[u8]) -> Result<(), OnnxError> {
    let mut budget = BUDGET;
    let mut open = vec![(Kind::Model, Fields(model))];
    while let Some((kind, fields)) = open.last_mut() {
        let kind = *kind;
        let Some(field) = fields.next() else {
            open.pop();
            continue;
        };
        let Field { number, payload } = field?;
        let Some(inner) = kind.field(number) else { continue };
        budget = budget
            .checked_sub(inner.size())
            .ok_or(OnnxError::TooLarge { what: "bytes of nodes and names", limit: BUDGET })?;
        if let (Payload::Bytes(bytes), false) = (payload, inner == Kind::Leaf) {
            if open.len() >= DEPTH {
                return Err(OnnxError::TooLarge { what: "messages inside each other", limit: DEPTH as u64 });
            }
            open.push((inner, Fields(bytes)));
        }
    }
    Ok(())
}

struct Field<'a> {
    number: u64,
    payload: Payload<'a>,
}

enum Payload<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// The fields of one message.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Result<u64, OnnxError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let Some((&byte, rest)) = self.0.split_first() else { break };
            self.0 = rest;
            value |= u64::from(byte & 0x7f).wrapping_shl(shift);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(OnnxError::Malformed("a number is cut off or too long"))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], OnnxError> {
        let taken = usize::try_from(length).ok().and_then(|length| self.0.split_at_checked(length));
        let (taken, rest) = taken.ok_or(OnnxError::Malformed("a field reaches past the end of its message"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn field(&mut self) -> Result<Field<'a>, OnnxError> {
        let key = self.varint()?;
        let payload = match key & 7 {
            0 => Payload::Number(self.varint()?),
            1 => self.take(8).map(|_| Payload::Fixed)?,
            2 => {
                let length = self.varint()?;
                Payload::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Payload::Fixed)?,
            _ => return Err(OnnxError::Malformed("a field has a form that ONNX does not use")),
        };
        Ok(Field { number: key >> 3, payload })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, OnnxError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}
