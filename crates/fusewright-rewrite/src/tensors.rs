//! Literal tensors: those of the model as they stand in its file, and new ones made of pieces of those.
//!
//! No weight is copied before it is written: a tensor says which slices of mapped files its bytes are.

use bytes::Bytes;
use prost::Message;

use crate::RewriteError;
use crate::beside::{Beside, Piece};
use crate::message::{Entry, TensorMessage};
use crate::payload::Payload;
use crate::wire;

/// Gives the content of a file beside the model by its relative name, mapped; `None` where there is none.
pub type Files<'a> = dyn Fn(&str) -> Option<Bytes> + 'a;

/// Data of at least this many bytes go to the file beside the model, where there is one.
const OUTSIDE: u64 = 1024;
/// Larger tensors are nothing to compute shapes from; an analysis sees only their types.
const SMALL: usize = 1 << 16;
/// Most bytes of a mask that an analysis looks at.
const MASK: usize = 1 << 25;
/// Code of truth values.
const BOOLEAN: i32 = 9;

/// A literal of the model.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dims: Vec<i64>,
    pub(crate) data_type: i32,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    /// As it stands in the model.
    Kept { message: Bytes, data: Data },
    /// Made by a rewrite.
    Made(Payload),
}

/// Where the elements of a tensor of the model are.
#[derive(Clone, Debug)]
enum Data {
    /// In typed fields, which are passed on as they are.
    Fields,
    /// In the message, as bytes.
    Raw(Bytes),
    /// In another file.
    Outside(Bytes),
}

/// Fields of a tensor message that hold data or say where data lie.
fn holds_data(number: u64) -> bool {
    matches!(number, 4 | 5 | 6 | 7 | 9 | 10 | 11 | 13 | 14)
}

impl Tensor {
    /// A tensor of the model. Data in another file are looked up there.
    pub(crate) fn read(message: Bytes, files: &Files<'_>) -> Result<Self, RewriteError> {
        let decoded = TensorMessage::decode(message.clone())?;
        let data = if decoded.location == 1 {
            Data::Outside(outside(&decoded, files)?)
        } else {
            decoded.raw.clone().filter(|raw| !raw.is_empty()).map_or(Data::Fields, Data::Raw)
        };
        let TensorMessage { name, dims, data_type, .. } = decoded;
        Ok(Self { name, dims, data_type, source: Source::Kept { message, data } })
    }

    /// A new tensor.
    pub(crate) fn made(name: String, dims: Vec<i64>, data_type: i32, payload: Payload) -> Self {
        Self { name, dims, data_type, source: Source::Made(payload) }
    }

    /// The bytes of its elements, row-major and little-endian, where they lie together.
    pub(crate) fn bytes(&self) -> Option<Bytes> {
        match &self.source {
            Source::Kept { data: Data::Raw(bytes) | Data::Outside(bytes), .. } => Some(bytes.clone()),
            Source::Made(payload) => payload.single(),
            Source::Kept { data: Data::Fields, .. } => None,
        }
    }

    /// The data lie in another file.
    pub(crate) fn is_outside(&self) -> bool {
        matches!(self.source, Source::Kept { data: Data::Outside(_), .. })
    }

    /// The whole message, for small tensors.
    pub(crate) fn message(&self) -> Option<TensorMessage> {
        let small = |length: usize| length <= SMALL;
        match &self.source {
            Source::Kept { message, data: Data::Fields | Data::Raw(_) } if small(message.len()) => {
                TensorMessage::decode(message.clone()).ok()
            }
            Source::Made(payload) if payload.length() <= SMALL as u64 => {
                let mut raw = Vec::new();
                payload.write(&mut raw).ok()?;
                Some(TensorMessage { raw: Some(raw.into()), ..self.described() })
            }
            Source::Kept { data: Data::Outside(bytes), .. } if small(bytes.len()) => {
                Some(TensorMessage { raw: Some(bytes.clone()), ..self.described() })
            }
            _ => None,
        }
    }

    fn described(&self) -> TensorMessage {
        TensorMessage {
            name: self.name.clone(),
            dims: self.dims.clone(),
            data_type: self.data_type,
            ..TensorMessage::default()
        }
    }

    /// Bytes of data that can lie in a file beside the model.
    fn movable(&self) -> Option<Payload> {
        match &self.source {
            Source::Kept { data: Data::Raw(bytes) | Data::Outside(bytes), .. } => Some(Payload::plain(bytes.clone())),
            Source::Kept { data: Data::Fields, .. } => None,
            Source::Made(payload) => Some(payload.clone()),
        }
    }

    /// Size in a file that holds everything.
    pub(crate) fn size(&self) -> u64 {
        match &self.source {
            Source::Kept { message, data: Data::Fields | Data::Raw(_) } => message.len() as u64,
            Source::Kept { data: Data::Outside(bytes), .. } => (bytes.len() as u64).saturating_add(256),
            Source::Made(payload) => payload.length().saturating_add(256),
        }
    }

    /// The message as an analysis reads it: without data where they are large, unless they are those of a mask.
    pub(crate) fn outline(&self) -> Vec<u8> {
        if let Some(message) = self.message() {
            return message.encode_to_vec();
        }
        let raw = self.bytes().filter(|bytes| self.is_plane() && bytes.len() <= MASK);
        TensorMessage { raw: Some(raw.unwrap_or_default()), ..self.described() }.encode_to_vec()
    }

    /// One plane with a row and a column for each position: what a mask is like, and no weight.
    fn is_plane(&self) -> bool {
        match self.dims[..] {
            [ref lead @ .., rows, columns] => {
                rows == columns
                    && lead.iter().all(|&extent| extent == 1)
                    && (!lead.is_empty() || self.data_type == BOOLEAN)
            }
            _ => false,
        }
    }

    /// The message as it is written; `place` is where in the file beside the model its data begin.
    pub(crate) fn piece(&self, beside: Option<&mut Beside<'_>>) -> Piece {
        let payload = match (self.movable(), &self.source) {
            (Some(payload), _) => payload,
            (None, Source::Kept { message, .. }) => return Piece::whole(message),
            (None, Source::Made(payload)) => payload.clone(),
        };
        let outside = beside.filter(|_| payload.length() >= OUTSIDE);
        if let (Source::Kept { message, data: Data::Raw(_) }, None) = (&self.source, &outside) {
            return Piece::whole(message);
        }
        let mut head = match &self.source {
            // Names, annotations and whatever else the message says stay as they are.
            Source::Kept { message, .. } => {
                let kept =
                    wire::fields(message).unwrap_or_default().into_iter().filter(|field| !holds_data(field.number));
                kept.flat_map(|field| field.whole.to_vec()).collect()
            }
            Source::Made(_) => self.described().encode_to_vec(),
        };
        let Some(beside) = outside else {
            head.extend(wire::header(9, payload.length()));
            return Piece::with(head, Some(payload));
        };
        let (offset, length) = beside.take(&payload);
        let entry = |key: &str, value: String| Entry { key: key.to_owned(), value };
        let external = vec![
            entry("location", beside.name.to_owned()),
            entry("offset", offset.to_string()),
            entry("length", length.to_string()),
        ];
        head.extend(TensorMessage { external, location: 1, ..TensorMessage::default() }.encode_to_vec());
        Piece::with(head, None)
    }
}

/// Where the data of an external tensor are.
fn outside(tensor: &TensorMessage, files: &Files<'_>) -> Result<Bytes, RewriteError> {
    let entry = |key: &str| tensor.external.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
    let file = entry("location").unwrap_or_default();
    let bad =
        |problem: &'static str| RewriteError::Weights { tensor: tensor.name.clone(), file: file.to_owned(), problem };
    let number = |key: &str| entry(key).map(|text| text.parse::<usize>().map_err(|_| bad("is placed by no number")));
    let content = files(file).ok_or_else(|| bad("is not there"))?;
    let offset = number("offset").transpose()?.unwrap_or(0);
    let rest = content.len().checked_sub(offset).ok_or_else(|| bad("begins after the end of the file"))?;
    let length = number("length").transpose()?.unwrap_or(rest);
    if length > rest {
        return Err(bad("ends after the end of the file"));
    }
    Ok(content.slice(offset..offset.saturating_add(length)))
}
