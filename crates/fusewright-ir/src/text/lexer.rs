//! Splitting the text form into tokens.

use super::ParseError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A bare word or number: `linear`, `f32`, `-3`, `1e-5`, `inf`.
    Word(String),
    /// A quoted text.
    Text(String),
    /// One of `{}[]():=,;%@`.
    Mark(char),
    /// The end of the input.
    End,
}

#[derive(Debug)]
pub(super) struct Lexer<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    pub(super) line: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.chars().peekable(), line: 1 }
    }

    pub(super) fn next(&mut self) -> Result<Token, ParseError> {
        loop {
            match self.rest.peek().copied() {
                None => return Ok(Token::End),
                Some('#') => {
                    while self.rest.peek().is_some_and(|&c| c != '\n') {
                        self.rest.next();
                    }
                }
                Some(c) if c.is_whitespace() => {
                    self.rest.next();
                    self.line += usize::from(c == '\n');
                }
                Some('"') => return self.text(),
                Some(c) if "{}[]():=,;%@".contains(c) => {
                    self.rest.next();
                    return Ok(Token::Mark(c));
                }
                Some(c) if is_word(c) => {
                    let mut word = String::new();
                    while let Some(c) = self.rest.next_if(|&c| is_word(c)) {
                        word.push(c);
                    }
                    return Ok(Token::Word(word));
                }
                Some(c) => return Err(ParseError { line: self.line, problem: format!("unexpected character `{c}`") }),
            }
        }
    }

    fn text(&mut self) -> Result<Token, ParseError> {
        self.rest.next();
        let mut text = String::new();
        loop {
            match self.rest.next() {
                None => return Err(ParseError { line: self.line, problem: "a quoted text has no end".to_owned() }),
                Some('"') => return Ok(Token::Text(text)),
                Some('\\') => match self.rest.next() {
                    Some('n') => text.push('\n'),
                    Some(c) => text.push(c),
                    None => {}
                },
                Some(c) => {
                    self.line += usize::from(c == '\n');
                    text.push(c);
                }
            }
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '+')
}
