//! From the bytes of an entry to typed structs, with errors that name the entry and the place in it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::error::Category;

use super::Pt2Error;
use super::schema::{Program, Version};

/// The schemas that this reader understands: one major version, and the minor ones of torch 2.6 to 2.15.
const MAJOR: i64 = 8;
const OLDEST: i64 = 2;
const NEWEST: i64 = 20;

/// How deep the JSON parser lets brackets nest.
const MAX_DEPTH: usize = 128;

/// The field that says how to read the others.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Header {
    #[serde(default)]
    schema_version: Option<Version>,
}

/// Parses a program of a known schema.
pub(super) fn program(entry: &str, json: &[u8]) -> Result<Program, Pt2Error> {
    let result = strict_program(entry, json);
    if matches!(result, Err(Pt2Error::NotJson { .. }))
        && let Cow::Owned(quoted) = finite(json)
    {
        return strict_program(entry, &quoted);
    }
    result
}

fn strict_program(entry: &str, json: &[u8]) -> Result<Program, Pt2Error> {
    // The version comes first, so that another schema is named and not taken for a broken program.
    let header: Header = parse(entry, json)?;
    match header.schema_version {
        Some(Version { major: MAJOR, minor: OLDEST..=NEWEST }) => parse(entry, json),
        found => {
            let found =
                found.map_or_else(|| "no version".to_owned(), |found| format!("{}.{}", found.major, found.minor));
            let (oldest, newest) = (format!("{MAJOR}.{OLDEST}"), format!("{MAJOR}.{NEWEST}"));
            Err(Pt2Error::WrongVersion { found, oldest, newest })
        }
    }
}

/// The text with quotes around floats that are not finite: torch 2.6 writes them bare, which JSON does not have.
fn finite(json: &[u8]) -> Cow<'_, [u8]> {
    const BARE: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
    let mut quoted: Option<Vec<u8>> = None;
    let (mut rest, mut in_text) = (json, false);
    while let Some((&byte, after)) = rest.split_first() {
        let bare = BARE.iter().find(|bare| !in_text && matches!(byte, b'-' | b'I' | b'N') && rest.starts_with(bare));
        let (token, next) = match bare {
            Some(bare) => rest.split_at(bare.len()),
            // An escaped character, which may be a quote, belongs to the text.
            None if in_text && byte == b'\\' => rest.split_at(rest.len().min(2)),
            None => (rest.get(..1).unwrap_or_default(), after),
        };
        in_text ^= byte == b'"';
        if let Some(bare) = bare {
            let start = json.len().saturating_sub(rest.len());
            let quoted = quoted.get_or_insert_with(|| json.get(..start).unwrap_or_default().to_vec());
            quoted.push(b'"');
            quoted.extend_from_slice(bare);
            quoted.push(b'"');
        } else if let Some(quoted) = &mut quoted {
            quoted.extend_from_slice(token);
        }
        rest = next;
    }
    quoted.map_or(Cow::Borrowed(json), Cow::Owned)
}

/// Parses an entry.
pub(super) fn parse<'de, T: Deserialize<'de>>(entry: &str, json: &'de [u8]) -> Result<T, Pt2Error> {
    // Following the path costs time, so only an entry that fails is read with it.
    let error = match serde_json::from_slice(json) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let mut parser = serde_json::Deserializer::from_slice(json);
    let path = match serde_path_to_error::deserialize::<_, T>(&mut parser) {
        Err(located) => located.path().to_string(),
        Ok(_) => ".".to_owned(),
    };
    Err(failure(entry, path, &error))
}

fn failure(entry: &str, path: String, error: &serde_json::Error) -> Pt2Error {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let problem = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text).to_owned();
    let entry = entry.to_owned();
    match error.classify() {
        Category::Data => Pt2Error::Schema { entry, path, problem, line, column },
        Category::Syntax if problem.starts_with("recursion limit") => {
            Pt2Error::TooDeep { entry, limit: MAX_DEPTH, line, column }
        }
        Category::Eof | Category::Syntax | Category::Io => Pt2Error::NotJson { entry, problem, line, column },
    }
}

#[cfg(test)]
mod tests {
    use super::finite;

    #[test]
    fn bare_floats_are_quoted_outside_of_texts() {
        let cases = [
            (r#"{"a": -Infinity, "b": [NaN, Infinity]}"#, r#"{"a": "-Infinity", "b": ["NaN", "Infinity"]}"#),
            (r#"{"NaN \" NaN": "-Infinity", "b": -1}"#, r#"{"NaN \" NaN": "-Infinity", "b": -1}"#),
            (r#"["\\", NaN"#, r#"["\\", "NaN""#),
            ("\"\\", "\"\\"),
        ];
        for (text, expected) in cases {
            assert_eq!(finite(text.as_bytes()), expected.as_bytes(), "{text}");
        }
    }
}
