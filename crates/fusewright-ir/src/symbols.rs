//! Interned strings: names, module paths and source op names repeat, so a graph stores each text once.

use std::collections::HashMap;

use crate::Symbol;

/// A two-way table between strings and [`Symbol`]s.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    texts: Vec<Box<str>>,
    /// Names come from files, so the hasher is one that nobody can aim at; nothing iterates over the map.
    lookup: HashMap<Box<str>, Symbol>,
}

impl Symbols {
    /// The symbol of `text`, made now if it is new.
    pub fn intern(&mut self, text: &str) -> Symbol {
        if let Some(&symbol) = self.lookup.get(text) {
            return symbol;
        }
        let symbol = Symbol::new(self.texts.len());
        self.texts.push(text.into());
        self.lookup.insert(text.into(), symbol);
        symbol
    }

    /// The symbol of `text` if it has one.
    pub fn find(&self, text: &str) -> Option<Symbol> {
        self.lookup.get(text).copied()
    }

    /// The text behind a symbol of this table.
    pub fn text(&self, symbol: Symbol) -> &str {
        &self.texts[symbol.index()]
    }
}
