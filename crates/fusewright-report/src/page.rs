//! A page of text: lines in a style, paragraphs, tables.

use std::fmt::Write;

use anstyle::Style;

use crate::TextOptions;
use crate::layout::{Table, wrap};

/// Columns that running text takes at most, however wide the terminal.
const MEASURE: usize = 80;

/// A page under construction.
pub(crate) struct Page {
    out: String,
    pub(crate) options: TextOptions,
}

impl Page {
    pub(crate) fn new(options: TextOptions) -> Self {
        Self { out: String::new(), options }
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }

    pub(crate) fn line(&mut self, style: Style, line: &str) {
        let _ = if self.options.styled && style != Style::new() {
            writeln!(self.out, "{style}{line}{style:#}")
        } else {
            writeln!(self.out, "{line}")
        };
    }

    pub(crate) fn blank(&mut self) {
        self.out.push('\n');
    }

    /// Text broken into lines; those after the first start with `indent` spaces.
    pub(crate) fn paragraph(&mut self, style: Style, text: &str, indent: usize) {
        for line in wrap(text, self.options.width.min(MEASURE), indent) {
            self.line(style, &line);
        }
    }

    /// Text that stands `indent` spaces to the right, its further lines two more.
    pub(crate) fn indented(&mut self, style: Style, text: &str, indent: usize) {
        let most = self.options.width.min(MEASURE).saturating_sub(indent);
        for line in wrap(text, most, 2) {
            self.line(style, &format!("{}{line}", " ".repeat(indent)));
        }
    }

    /// A table with its first line underlined; see [`Table::lines`] for `flexible`.
    pub(crate) fn table(&mut self, table: &Table, flexible: &[(usize, usize)]) {
        for (position, line) in table.lines(self.options.width, flexible).iter().enumerate() {
            let style = if position == 0 { Style::new().underline() } else { Style::new() };
            self.line(style, line);
        }
    }

    /// How many of some rows are shown.
    pub(crate) fn shown(&self, rows: usize) -> usize {
        if self.options.top == 0 { rows } else { rows.min(self.options.top) }
    }
}
