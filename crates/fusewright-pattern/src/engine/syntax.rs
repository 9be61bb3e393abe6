//! Reading the text of a pattern.
//!
//! ```text
//! input %x
//! parameter %w
//! %mean = mean(square(%x)) {axes = [-1]}
//! where $epsilon < 0.1
//! output mul(%x, rsqrt(add(%mean, $epsilon)), %w?)
//! ```
//! A text is a list of statements; `docs/patterns.md` has the reference. This file turns it into calls as written,
//! `terms` into products, sums and ops.

use super::condition::{Comparison, Relation, Side};
use super::form::{LeafKind, Number, Setting};

/// What is wrong with a text, and on which of its lines, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) problem: String,
}

/// An expression as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Value(String),
    Number(Number),
    Call(Call),
    Rule { id: String, operand: Box<Expression> },
}

/// An op applied to arguments.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) names: Vec<String>,
    pub(super) optional: bool,
    /// Arguments, each with whether it may be absent.
    pub(super) arguments: Vec<(Expression, bool)>,
    pub(super) more: bool,
    pub(super) settings: Vec<(String, Setting)>,
}

/// A statement, with its line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Statement {
    Leaf { kind: LeafKind, name: String },
    Let { names: Vec<String>, expression: Expression },
    Output(Expression),
    Anchor(String),
    Where(Comparison),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Mark(&'static str),
    End,
}

const MARKS: [&str; 24] = [
    "...", "==", "!=", "<=", ">=", "(", ")", "{", "}", "[", "]", ",", "=", "%", "$", "@", "?", "|", "<", ">", "*", "/",
    "+", ";",
];

/// Longest text and deepest nesting that are read.
const LONGEST: usize = 1 << 16;
const DEEPEST: u32 = 32;

/// The statements of a text with their lines.
pub(super) fn parse(text: &str) -> Result<Vec<(usize, Statement)>, SyntaxError> {
    if text.len() > LONGEST {
        return Err(SyntaxError { line: 1, problem: format!("a pattern has at most {LONGEST} bytes") });
    }
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    let mut statements = Vec::new();
    while *parser.peek() != Token::End {
        let line = parser.line();
        parser.statement(line, &mut statements)?;
    }
    Ok(statements)
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, SyntaxError> {
    let mut tokens = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        let mut rest = content.trim_start();
        while !rest.is_empty() && !rest.starts_with('#') {
            let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
            let token = if let Some(quoted) = rest.strip_prefix('"') {
                let Some(end) = quoted.find('"') else {
                    return Err(SyntaxError { line, problem: "a quoted text has no end".to_owned() });
                };
                let token = Token::Text(quoted[..end].to_owned());
                rest = &quoted[end + 1..];
                token
            } else if let Some(mark) = MARKS.into_iter().find(|mark| rest.starts_with(mark)) {
                rest = &rest[mark.len()..];
                Token::Mark(mark)
            } else {
                let end = word_end(rest, is_word);
                if end == 0 {
                    let c = rest.chars().next().unwrap_or(' ');
                    return Err(SyntaxError { line, problem: format!("unexpected character `{c}`") });
                }
                let token = Token::Word(rest[..end].to_owned());
                rest = &rest[end..];
                token
            };
            tokens.push((line, token));
            rest = rest.trim_start();
        }
    }
    Ok(tokens)
}

/// Where a word ends: `1e+5` is one, although `+` ends others.
fn word_end(text: &str, is_word: impl Fn(char) -> bool) -> usize {
    let mut previous = ' ';
    for (at, c) in text.char_indices() {
        let exponent = c == '+' && matches!(previous, 'e' | 'E') && text.starts_with(|c: char| c.is_ascii_digit());
        if !is_word(c) && !exponent {
            return at;
        }
        previous = c;
    }
    text.len()
}

fn number(word: &str) -> Option<f64> {
    let starts = word.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.');
    let infinite = matches!(word, "inf" | "-inf");
    if starts || infinite { word.parse::<f64>().ok().filter(|n| !n.is_nan()) } else { None }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: u32,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(_, token)| token)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(1, |(line, _)| *line)
    }

    fn fail<T>(&self, problem: impl Into<String>) -> Result<T, SyntaxError> {
        Err(SyntaxError { line: self.line(), problem: problem.into() })
    }

    fn found(&self) -> String {
        match self.peek() {
            Token::Word(word) => format!("`{word}`"),
            Token::Text(text) => format!("\"{text}\""),
            Token::Mark(mark) => format!("`{mark}`"),
            Token::End => "the end".to_owned(),
        }
    }

    fn eat(&mut self, mark: &str) -> bool {
        let found = matches!(self.peek(), Token::Mark(found) if *found == mark);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, mark: &str) -> Result<(), SyntaxError> {
        if self.eat(mark) { Ok(()) } else { self.fail(format!("expected `{mark}`, found {}", self.found())) }
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(found) if found == word);
        self.next += usize::from(found);
        found
    }

    fn word(&mut self, what: &str) -> Result<String, SyntaxError> {
        match self.peek().clone() {
            Token::Word(word) => {
                self.next += 1;
                Ok(word)
            }
            _ => self.fail(format!("expected {what}, found {}", self.found())),
        }
    }

    fn value_name(&mut self) -> Result<String, SyntaxError> {
        self.expect("%")?;
        self.word("the name of a value")
    }

    fn statement(&mut self, line: usize, out: &mut Vec<(usize, Statement)>) -> Result<(), SyntaxError> {
        if matches!(self.peek(), Token::Mark("%")) {
            let mut names = vec![self.value_name()?];
            while self.eat(",") {
                names.push(self.value_name()?);
            }
            self.expect("=")?;
            let expression = self.expression()?;
            out.push((line, Statement::Let { names, expression }));
            return Ok(());
        }
        let word = self.word("a statement")?;
        let kind = match word.as_str() {
            "input" => LeafKind::Any,
            "parameter" => LeafKind::Parameter,
            "activation" => LeafKind::Activation,
            "output" => {
                out.push((line, Statement::Output(self.expression()?)));
                return Ok(());
            }
            "anchor" => {
                out.push((line, Statement::Anchor(self.value_name()?)));
                return Ok(());
            }
            "where" => {
                out.push((line, Statement::Where(self.comparison()?)));
                return Ok(());
            }
            other => {
                let problem = format!(
                    "`{other}` starts no statement; expected input, parameter, activation, output, where, anchor or `%name =`"
                );
                return Err(SyntaxError { line, problem });
            }
        };
        loop {
            out.push((line, Statement::Leaf { kind, name: self.value_name()? }));
            if !self.eat(",") {
                return Ok(());
            }
        }
    }

    fn expression(&mut self) -> Result<Expression, SyntaxError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.fail(format!("a pattern nests at most {DEEPEST} calls"));
        }
        let expression = self.expression_here();
        self.depth -= 1;
        expression
    }

    fn expression_here(&mut self) -> Result<Expression, SyntaxError> {
        if matches!(self.peek(), Token::Mark("%")) {
            return Ok(Expression::Value(self.value_name()?));
        }
        if self.eat("$") {
            return Ok(Expression::Number(Number::Named(self.word("the name of a number")?)));
        }
        if self.eat("@") {
            let id = self.word("the id of a rule")?;
            self.expect("(")?;
            let operand = Box::new(self.expression()?);
            self.expect(")")?;
            return Ok(Expression::Rule { id, operand });
        }
        let word = self.word("a value, a number or an op")?;
        if let Some(number) = number(&word) {
            return Ok(Expression::Number(Number::Is(number)));
        }
        let mut names = vec![word];
        while self.eat("|") {
            names.push(self.word("the name of an op")?);
        }
        let optional = self.eat("?");
        self.expect("(")?;
        let mut call = Call { names, optional, arguments: Vec::new(), more: false, settings: Vec::new() };
        while !self.eat(")") {
            if self.eat("...") {
                call.more = true;
                self.expect(")")?;
                break;
            }
            let argument = self.expression()?;
            let optional = self.eat("?");
            call.arguments.push((argument, optional));
            if !self.eat(",") {
                self.expect(")")?;
                break;
            }
        }
        if self.eat("{") {
            while !self.eat("}") {
                let name = self.word("the name of a setting")?;
                self.expect("=")?;
                call.settings.push((name, self.setting()?));
                if !self.eat(",") {
                    self.expect("}")?;
                    break;
                }
            }
        }
        Ok(Expression::Call(call))
    }

    fn setting(&mut self) -> Result<Setting, SyntaxError> {
        if self.eat("[") {
            let mut ints = Vec::new();
            while !self.eat("]") {
                let word = self.word("an integer")?;
                let Ok(int) = word.parse() else { return self.fail(format!("expected an integer, found `{word}`")) };
                ints.push(int);
                if !self.eat(",") {
                    self.expect("]")?;
                    break;
                }
            }
            return Ok(Setting::Ints(ints));
        }
        if self.eat("$") {
            return Ok(Setting::Number(Number::Named(self.word("the name of a number")?)));
        }
        if let Token::Text(text) = self.peek().clone() {
            self.next += 1;
            return Ok(Setting::Text(text));
        }
        let word = self.word("a number, a list, a text, true or false")?;
        match (word.as_str(), number(&word)) {
            ("true", _) => Ok(Setting::Flag(true)),
            ("false", _) => Ok(Setting::Flag(false)),
            (_, Some(number)) => Ok(Setting::Number(Number::Is(number))),
            _ => self.fail(format!("`{word}` is no setting; expected a number, a list, a text, true or false")),
        }
    }

    fn comparison(&mut self) -> Result<Comparison, SyntaxError> {
        let first = self.next;
        let left = self.sum()?;
        let relation = [
            ("==", Relation::Equal),
            ("!=", Relation::Differs),
            ("<=", Relation::AtMost),
            (">=", Relation::AtLeast),
            ("<", Relation::Below),
            (">", Relation::Above),
        ];
        let Some((_, relation)) = relation.into_iter().find(|(mark, _)| self.eat(mark)) else {
            return self.fail(format!("expected ==, !=, <, <=, > or >=, found {}", self.found()));
        };
        let right = self.sum()?;
        let text = self.written(first, self.next);
        let reason = if self.eat_word("else") { Some(self.word("the id of a reason")?) } else { None };
        Ok(Comparison { left, relation, right, reason, text })
    }

    /// The tokens of a condition as one line.
    fn written(&self, from: usize, to: usize) -> String {
        let mut out = String::new();
        let mut glued = true;
        for (_, token) in &self.tokens[from..to] {
            let (text, tight_before, tight_after) = match token {
                Token::Word(word) => (word.as_str(), false, false),
                Token::Text(text) => (text.as_str(), false, false),
                Token::Mark(mark @ ("%" | "$")) => (*mark, false, true),
                Token::Mark(mark @ "(") => (*mark, true, true),
                Token::Mark(mark @ (")" | ",")) => (*mark, true, false),
                Token::Mark(mark) => (*mark, false, false),
                Token::End => continue,
            };
            if !glued && !tight_before {
                out.push(' ');
            }
            out.push_str(text);
            glued = tight_after;
        }
        out
    }

    fn sum(&mut self) -> Result<Side, SyntaxError> {
        let mut side = self.term()?;
        while self.eat("+") {
            side = Side::Add(Box::new(side), Box::new(self.term()?));
        }
        Ok(side)
    }

    fn term(&mut self) -> Result<Side, SyntaxError> {
        let mut side = self.side()?;
        loop {
            if self.eat("*") {
                side = Side::Multiply(Box::new(side), Box::new(self.side()?));
            } else if self.eat("/") {
                side = Side::Divide(Box::new(side), Box::new(self.side()?));
            } else {
                return Ok(side);
            }
        }
    }

    fn side(&mut self) -> Result<Side, SyntaxError> {
        if self.eat("$") {
            return Ok(Side::Named(self.word("the name of a number")?));
        }
        let word = self.word("a number, $name, dim, rank, elements, shape or dtype")?;
        if let Some(number) = number(&word) {
            return Ok(Side::Number(number));
        }
        if !matches!(word.as_str(), "dim" | "rank" | "elements" | "shape" | "dtype") {
            return self.fail(format!(
                "`{word}` is not known in a condition; expected a number, $name, dim, rank, elements, shape or dtype"
            ));
        }
        self.expect("(")?;
        let value = self.value_name()?;
        let side = match word.as_str() {
            "dim" => {
                self.expect(",")?;
                let axis = self.word("an axis")?;
                let Ok(axis) = axis.parse() else { return self.fail(format!("expected an axis, found `{axis}`")) };
                Side::Extent { value, axis }
            }
            "rank" => Side::Rank(value),
            "elements" => Side::Elements(value),
            "shape" => Side::Shape(value),
            _ => Side::DType(value),
        };
        self.expect(")")?;
        Ok(side)
    }
}
