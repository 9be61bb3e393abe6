//! Writing JSON: keys in the order of the fields, a newline at the end.

use serde::Serialize;

/// Why writing cannot fail: only types of this crate come here.
const WRITABLE: &str = "documents hold strings, numbers, lists and string keys only";

/// Indented, for people and diffs.
pub(crate) fn indented(document: &impl Serialize) -> String {
    serde_json::to_string_pretty(document).expect(WRITABLE) + "\n"
}

/// On one line, for large documents.
pub(crate) fn compact(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect(WRITABLE) + "\n"
}
