//! Headers of safetensors files, to compare the parameters of a checkpoint with those of a configuration.
//!
//! A file is the length of a header (8 bytes, little-endian), the header (JSON) and the data. Only the beginning is
//! needed here; nothing reads the data.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::fmt;

use serde::Deserialize;
use serde::de::{Error as _, MapAccess, Visitor};

/// Longest header that is read, as in the format's own reader.
pub const MAX_HEADER: u64 = 100_000_000;

/// Why a header cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SafetensorsError {
    /// Fewer bytes than the header has.
    #[error(
        "{found} bytes, but the header ends at byte {expected}; the file is cut off, or this is no safetensors file"
    )]
    Truncated {
        /// How many bytes there are.
        found: usize,
        /// Where the header ends.
        expected: u64,
    },
    /// A header longer than any.
    #[error("a header of {length} bytes, expected at most {MAX_HEADER}; this is no safetensors file")]
    TooLong {
        /// What the first eight bytes say.
        length: u64,
    },
    /// A header that is not what the format says.
    #[error("the header is not valid: {0}")]
    BadHeader(String),
    /// A tensor that is not where or what it should be.
    #[error("tensor `{name}`: {problem}")]
    BadTensor {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: String,
    },
}

/// What a header says about a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Element type in the format's own spelling, e.g. `BF16`.
    pub dtype: String,
    /// Extents.
    pub shape: Vec<u64>,
    /// First byte, counted from the end of the header.
    pub start: u64,
    /// The byte after the last.
    pub end: u64,
}

impl Tensor {
    /// Number of elements.
    pub fn elements(&self) -> u64 {
        self.shape.iter().fold(1, |product, &extent| product.saturating_mul(extent))
    }
}

/// A header: every tensor of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Tensors by name.
    pub tensors: BTreeMap<String, Tensor>,
    /// Where the header ends and the data begins, from the beginning of the file.
    pub data_start: u64,
    /// Bytes of data that the tensors need.
    pub data_bytes: u64,
}

impl Header {
    /// Number of trained elements: state such as masks, position tables and frequencies is left out.
    pub fn parameters(&self) -> u64 {
        let trained = self.tensors.iter().filter(|(name, tensor)| !is_state(name, tensor));
        trained.fold(0, |sum: u64, (_, tensor)| sum.saturating_add(tensor.elements()))
    }
}

/// Tensors that checkpoints hold and classes do not train.
fn is_state(name: &str, tensor: &Tensor) -> bool {
    match name.rsplit('.').next().unwrap_or(name) {
        "inv_freq" | "masked_bias" | "position_ids" | "e_score_correction_bias" => true,
        // Causal masks of old decoders; a trained bias has one axis.
        "bias" => tensor.shape.len() > 2,
        _ => false,
    }
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// The entries of a header; a name that comes twice is an error.
struct Entries(BTreeMap<String, Entry>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with an entry for each tensor")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<serde::de::IgnoredAny>()?;
                        continue;
                    }
                    match entries.entry(name) {
                        Slot::Vacant(slot) => slot.insert(map.next_value::<Entry>()?),
                        Slot::Occupied(slot) => {
                            return Err(A::Error::custom(format!("tensor `{}` is listed twice", slot.key())));
                        }
                    };
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// Bits of an element.
fn bits(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" => 8,
        "U16" | "I16" | "F16" | "BF16" => 16,
        "U32" | "I32" | "F32" => 32,
        "U64" | "I64" | "F64" | "C64" => 64,
        _ => return None,
    })
}

/// Reads the header at the beginning of a file; bytes after it are not looked at. Tensors must be as long as their
/// shapes say, and must not overlap.
pub fn header(file: &[u8]) -> Result<Header, SafetensorsError> {
    let truncated = |expected| SafetensorsError::Truncated { found: file.len(), expected };
    let (length, rest) = file.split_first_chunk::<8>().ok_or_else(|| truncated(8))?;
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER {
        return Err(SafetensorsError::TooLong { length });
    }
    let end = usize::try_from(length).map_err(|_| truncated(length + 8))?;
    let text = rest.get(..end).ok_or_else(|| truncated(length + 8))?;
    let entries: Entries =
        serde_json::from_slice(text).map_err(|problem| SafetensorsError::BadHeader(problem.to_string()))?;
    let mut tensors = BTreeMap::new();
    for (name, entry) in entries.0 {
        let [start, end] = entry.data_offsets;
        let tensor = Tensor { dtype: entry.dtype, shape: entry.shape, start, end };
        check(&name, &tensor)?;
        tensors.insert(name, tensor);
    }
    let mut order: Vec<(&String, &Tensor)> = tensors.iter().collect();
    order.sort_by_key(|(_, tensor)| (tensor.start, tensor.end));
    let mut reached = 0;
    for (name, tensor) in order {
        if tensor.start < reached {
            let problem = format!("it starts at byte {} of the data, inside the tensor before it", tensor.start);
            return Err(SafetensorsError::BadTensor { name: name.clone(), problem });
        }
        reached = tensor.end;
    }
    Ok(Header { tensors, data_start: length + 8, data_bytes: reached })
}

fn check(name: &str, tensor: &Tensor) -> Result<(), SafetensorsError> {
    let bad = |problem: String| Err(SafetensorsError::BadTensor { name: name.to_owned(), problem });
    let Some(bits) = bits(&tensor.dtype) else {
        return bad(format!("dtype `{}` is not known", tensor.dtype));
    };
    let Some(elements) = fusewright_ir::checked_elements(&tensor.shape) else {
        return bad(format!("shape {:?} has more than 2^48 elements", tensor.shape));
    };
    let bytes = elements.saturating_mul(bits).div_ceil(8);
    if tensor.end.checked_sub(tensor.start) != Some(bytes) {
        let (start, end) = (tensor.start, tensor.end);
        return bad(format!("bytes {start} to {end} for {bytes} bytes of {:?} {}", tensor.shape, tensor.dtype));
    }
    Ok(())
}

/// What the index of a checkpoint in several files says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// Bytes of all tensors, where it is stated.
    pub total_bytes: Option<u64>,
    /// The file of each tensor, by the tensor's name.
    pub files: BTreeMap<String, String>,
}

/// Reads `model.safetensors.index.json`. File names are checked to have no folders in them.
pub fn index(text: &[u8]) -> Result<Index, SafetensorsError> {
    #[derive(Deserialize)]
    struct Document {
        #[serde(default)]
        metadata: BTreeMap<String, serde_json::Value>,
        weight_map: BTreeMap<String, String>,
    }

    let document: Document =
        serde_json::from_slice(text).map_err(|problem| SafetensorsError::BadHeader(problem.to_string()))?;
    for (name, file) in &document.weight_map {
        if file.contains(['/', '\\', '\0']) || file.starts_with('.') || file.is_empty() {
            let problem = format!("file name {file:?}, expected a name without a folder");
            return Err(SafetensorsError::BadTensor { name: name.clone(), problem });
        }
    }
    let total_bytes = document.metadata.get("total_size").and_then(|size| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and small")]
        size.as_u64().or_else(|| size.as_f64().filter(|size| (0.0..9e15).contains(size)).map(|size| size as u64))
    });
    Ok(Index { total_bytes, files: document.weight_map })
}

/// A note for the user when a checkpoint holds another number of parameters than the configuration gives.
pub fn compare<'h>(parameters: u64, headers: impl IntoIterator<Item = &'h Header>) -> Option<String> {
    let held = headers.into_iter().fold(0_u64, |sum, header| sum.saturating_add(header.parameters()));
    if held == parameters {
        return None;
    }
    let (difference, way) = if held > parameters { (held - parameters, "more") } else { (parameters - held, "fewer") };
    Some(format!(
        "the checkpoint holds {held} parameters, {difference} {way} than the {parameters} of the configuration: tied \
         tensors may be stored twice, weights may be quantised, or the files belong to another model"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes
    }

    #[test]
    fn a_header_gives_names_shapes_and_sizes() {
        let text = r#"{"__metadata__": {"format": "pt"},
            "wte.weight": {"dtype": "BF16", "shape": [10, 4], "data_offsets": [0, 80]},
            "h.0.attn.bias": {"dtype": "F32", "shape": [1, 1, 2, 2], "data_offsets": [80, 96]},
            "ln.bias": {"dtype": "F32", "shape": [4], "data_offsets": [96, 112]}}"#;
        let header = header(&file(text)).unwrap();
        assert_eq!(header.tensors["wte.weight"].shape, [10, 4]);
        assert_eq!((header.data_bytes, header.data_start), (112, text.len() as u64 + 8));
        assert_eq!(header.parameters(), 44);
        assert_eq!(compare(44, [&header]), None);
        assert!(compare(50, [&header]).unwrap().contains("6 fewer"));
    }

    #[test]
    fn hostile_headers_are_refused() {
        let one = |entry: &str| header(&file(&format!("{{\"w\": {entry}}}")));
        let cases = [
            (header(&[1, 2]), "cut off"),
            (header(&200_u64.to_le_bytes()), "cut off"),
            (header(&u64::MAX.to_le_bytes()), "at most"),
            (header(&file("[]")), "entry for each tensor"),
            (header(&file(&"[".repeat(100_000))), "not valid"),
            (one(r#"{"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}"#), "8 bytes"),
            (one(r#"{"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}"#), "8 bytes"),
            (one(r#"{"dtype": "X", "shape": [2], "data_offsets": [0, 4]}"#), "not known"),
            (one(r#"{"dtype": "F32", "shape": [9999999999, 9999999999], "data_offsets": [0, 4]}"#), "2^48"),
            (one(r#"{"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}"#), "not valid"),
        ];
        for (found, expected) in cases {
            let message = found.unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        let twice = r#"{"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
            "b": {"dtype": "U8", "shape": [4], "data_offsets": [2, 6]}}"#;
        assert!(header(&file(twice)).unwrap_err().to_string().contains("inside"));
        let same = r#"{"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
            "a": {"dtype": "U8", "shape": [4], "data_offsets": [4, 8]}}"#;
        assert!(header(&file(same)).unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn an_index_names_files_of_its_own_folder_only() {
        let good = br#"{"metadata": {"total_size": 12}, "weight_map": {"a": "model-00001-of-00002.safetensors"}}"#;
        assert_eq!(index(good).unwrap().total_bytes, Some(12));
        let bad = br#"{"weight_map": {"a": "../other"}}"#;
        assert!(index(bad).unwrap_err().to_string().contains("without a folder"));
    }
}
