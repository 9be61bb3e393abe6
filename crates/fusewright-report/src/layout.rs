//! Laying out text in columns of a terminal: widths, cutting, wrapping, tables.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A text from a model made safe for a terminal: control characters, which could move the cursor or hide text, become
/// `�`.
pub fn printable(text: &str) -> String {
    let steers = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// Columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text in at most `most` columns, with `…` in its middle if it must be cut. Two thirds go to the end: of a module
/// path it tells most.
pub(crate) fn cut_middle(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    if most == 0 {
        return String::new();
    }
    let room = most - 1;
    let head = take_columns(text.chars(), room / 3);
    let tail: String = take_columns(text.chars().rev(), room - room / 3).chars().rev().collect();
    format!("{head}…{tail}")
}

fn take_columns(chars: impl Iterator<Item = char>, most: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= most
        })
        .collect()
}

/// Breaks a text at spaces into lines of at most `most` columns; a longer word is cut in its middle. Lines after the
/// first start with `indent` spaces. A no-break space keeps a figure with its unit.
pub(crate) fn wrap(text: &str, most: usize, indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let word = cut_middle(word, most.saturating_sub(indent));
        let starts_line = line.trim().is_empty();
        if !starts_line && width(&line) + 1 + width(&word) > most {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
        } else if !starts_line {
            line.push(' ');
        }
        line.push_str(&word);
    }
    lines.push(line);
    for line in &mut lines {
        *line = line.replace('\u{a0}', " ");
    }
    lines
}

/// Which side a column's cells stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Rows of cells in aligned columns.
pub(crate) struct Table {
    sides: Vec<Side>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(sides: impl IntoIterator<Item = Side>) -> Self {
        Self { sides: sides.into_iter().collect(), rows: Vec::new() }
    }

    pub(crate) fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The lines, at most `most` columns wide. Flexible columns give way in turn, each down to its least width; their
    /// cells are cut in the middle.
    pub(crate) fn lines(&self, most: usize, flexible: &[(usize, usize)]) -> Vec<String> {
        const GAP: usize = 2;
        let widest = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..self.sides.len()).map(widest).collect();
        let total: usize = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        let mut excess = total.saturating_sub(most);
        for &(column, least) in flexible {
            let given = widths[column].saturating_sub(least).min(excess);
            widths[column] -= given;
            excess -= given;
        }
        let line = |row: &Vec<String>| {
            let mut line = String::new();
            for (position, ((cell, &columns), side)) in row.iter().zip(&widths).zip(&self.sides).enumerate() {
                if position > 0 {
                    line.push_str(&" ".repeat(GAP));
                }
                let cell = cut_middle(cell, columns);
                let space = " ".repeat(columns - width(&cell));
                match side {
                    Side::Left => line.extend([cell, space]),
                    Side::Right => line.extend([space, cell]),
                }
            }
            line.truncate(line.trim_end().len());
            line
        };
        self.rows.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_in_the_middle() {
        assert_eq!(cut_middle("encoder.layers.3", 16), "encoder.layers.3");
        assert_eq!(cut_middle("encoder.layers.3", 9), "en…yers.3");
        assert_eq!(cut_middle("層層層層", 7), "層…層層");
        assert_eq!(cut_middle("abc", 1), "…");
        assert_eq!(cut_middle("abc", 0), "");
    }

    #[test]
    fn lines_wrap_at_spaces() {
        assert_eq!(wrap("one two three", 7, 2), ["one two", "  three"]);
        assert_eq!(wrap("1\u{a0}MB of", 5, 0), ["1 MB", "of"]);
        assert_eq!(wrap("", 5, 0), [""]);
    }

    #[test]
    fn the_flexible_column_gives_way() {
        let mut table = Table::new([Side::Left, Side::Right]);
        table.row(["a.very.long.name", "1"]);
        table.row(["b", "100"]);
        assert_eq!(table.lines(12, &[(0, 1)]), ["a.…name    1", "b        100"]);
    }

    #[test]
    fn names_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\n\u{202e}"), "a�[2Jb��");
    }
}
