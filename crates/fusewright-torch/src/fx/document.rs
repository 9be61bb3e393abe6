//! From bytes to a [`Document`], with errors that say what the bytes are instead.

use serde::Deserialize;
use serde_json::Value;
use serde_json::error::Category;

use super::FxError;
use super::schema::Document;

/// The tag in the field `format`.
const FORMAT: &str = "fx-graph";

/// The version that this reader understands.
const VERSION: u64 = 1;

/// How deep the JSON parser lets brackets nest.
const MAX_DEPTH: usize = 128;

/// How far into a file the tag is looked for.
const PROBE_BYTES: usize = 4096;

/// True when the bytes look like FX JSON: an object with `"format": "fx-graph"` near its start.
pub fn probe(json: &[u8]) -> bool {
    let head = json.get(..PROBE_BYTES).unwrap_or(json);
    if head.trim_ascii_start().first() != Some(&b'{') {
        return false;
    }
    let key = br#""format""#;
    (0..head.len()).filter_map(|start| head.get(start..)?.strip_prefix(key)).any(|rest| {
        let value = rest.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        let text = value.and_then(|value| value.strip_prefix(b"\""));
        let after = text.and_then(|text| text.strip_prefix(FORMAT.as_bytes()));
        after.is_some_and(|after| after.first() == Some(&b'"'))
    })
}

/// The fields that say how to read the others.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Header {
    #[serde(default)]
    format: Value,
    #[serde(default)]
    version: Value,
}

/// Parses a document of our format and version. Nesting is bounded by the JSON parser's own limit.
pub(super) fn parse(json: &[u8]) -> Result<Document, FxError> {
    // The header comes first, so that another format or version is named and not taken for a broken document.
    let header: Header = read(json)?;
    if header.format.as_str() != Some(FORMAT) {
        return Err(FxError::WrongFormat { found: brief(&header.format) });
    }
    if header.version.as_u64() != Some(VERSION) {
        return Err(FxError::WrongVersion { found: brief(&header.version), supported: VERSION });
    }
    read(json)
}

fn read<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T, FxError> {
    // Following the path costs time, so only a document that fails is read with it.
    let error = match serde_json::from_slice(json) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let mut parser = serde_json::Deserializer::from_slice(json);
    match serde_path_to_error::deserialize::<_, T>(&mut parser) {
        Ok(_) => Err(failure(".", &error)),
        Err(located) => Err(failure(&located.path().to_string(), located.inner())),
    }
}

fn failure(path: &str, error: &serde_json::Error) -> FxError {
    let (line, column) = (error.line(), error.column());
    let position = format!(" at line {line} column {column}");
    let text = error.to_string();
    let problem = text.strip_suffix(&position).unwrap_or(&text).to_owned();
    match error.classify() {
        Category::Eof => FxError::Truncated { line, column },
        Category::Data if path == "." => FxError::Schema { path: "document".to_owned(), problem, line, column },
        Category::Data => FxError::Schema { path: path.to_owned(), problem, line, column },
        Category::Syntax if problem.starts_with("recursion limit") => {
            FxError::TooDeep { limit: MAX_DEPTH, line, column }
        }
        Category::Syntax | Category::Io => FxError::NotJson { problem, line, column },
    }
}

/// A value as short text for a message.
fn brief(value: &Value) -> String {
    match value {
        Value::Null => "absent".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => format!("\"{}\"", text.chars().take(40).collect::<String>()),
        scalar => scalar.to_string(),
    }
}
