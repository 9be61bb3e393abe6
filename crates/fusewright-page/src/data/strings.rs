//! Texts that occur many times, once each.

use std::collections::BTreeMap;

/// A table of texts.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    known: BTreeMap<String, u32>,
    texts: Vec<String>,
}

impl Strings {
    /// The place of a text in the table.
    pub(crate) fn place(&mut self, text: &str) -> u32 {
        if let Some(&place) = self.known.get(text) {
            return place;
        }
        let place = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.known.insert(text.to_owned(), place);
        self.texts.push(text.to_owned());
        place
    }

    /// All texts, in the order of their places.
    pub(crate) fn into_texts(self) -> Vec<String> {
        self.texts
    }
}
