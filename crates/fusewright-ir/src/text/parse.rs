//! Reading the text form.

use rustc_hash::FxHashMap;

use super::lexer::{Lexer, Token};
use crate::{Attribute, Attributes, DType, Form, Graph, Op, Origin, Source, TensorType, Type, ValueId};

/// What is wrong with a text, and on which line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ParseError {
    /// Line, counted from 1.
    pub line: usize,
    /// What was found and what was expected.
    pub problem: String,
}

/// Reads a graph. The result is well-formed but not yet verified: see [`verify`](crate::verify()).
pub fn parse(text: &str) -> Result<Graph, ParseError> {
    let mut parser = Parser { lexer: Lexer::new(text), token: Token::End, line: 1, values: FxHashMap::default() };
    parser.advance()?;
    parser.graph()
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token,
    /// Line of the token taken last.
    line: usize,
    values: FxHashMap<String, ValueId>,
}

impl Parser<'_> {
    fn fail<T>(&self, problem: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError { line: self.line, problem: problem.into() })
    }

    fn advance(&mut self) -> Result<Token, ParseError> {
        self.line = self.lexer.line;
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn eat(&mut self, mark: char) -> Result<bool, ParseError> {
        let found = self.token == Token::Mark(mark);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, mark: char) -> Result<(), ParseError> {
        if self.eat(mark)? { Ok(()) } else { self.fail(format!("expected `{mark}`, found {:?}", self.token)) }
    }

    fn eat_word(&mut self, word: &str) -> Result<bool, ParseError> {
        let found = matches!(&self.token, Token::Word(w) if w == word);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    /// A bare or quoted text.
    fn name(&mut self) -> Result<String, ParseError> {
        match self.advance()? {
            Token::Word(text) | Token::Text(text) => Ok(text),
            other => self.fail(format!("expected a name, found {other:?}")),
        }
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, ParseError> {
        let word = self.name()?;
        word.parse().or_else(|_| self.fail(format!("expected a number in range, found `{word}`")))
    }

    fn value_name(&mut self) -> Result<String, ParseError> {
        self.expect('%')?;
        self.name()
    }

    fn value(&mut self) -> Result<ValueId, ParseError> {
        let name = self.value_name()?;
        match self.values.get(&name) {
            Some(&id) => Ok(id),
            None => self.fail(format!("`%{name}` is not defined above")),
        }
    }

    fn define(&mut self, name: &str, id: ValueId) -> Result<(), ParseError> {
        match self.values.insert(name.to_owned(), id) {
            None => Ok(()),
            Some(_) => self.fail(format!("`%{name}` is defined twice")),
        }
    }

    /// Items up to `close`, separated by commas.
    fn list<T>(
        &mut self,
        close: char,
        mut item: impl FnMut(&mut Self) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        let mut items = Vec::new();
        while !self.eat(close)? {
            items.push(item(self)?);
            if !self.eat(',')? {
                self.expect(close)?;
                break;
            }
        }
        Ok(items)
    }

    fn ty(&mut self) -> Result<Type, ParseError> {
        let word = self.name()?;
        if word == "host" {
            if !self.eat('(')? {
                return Ok(Type::Host(None));
            }
            let value = self.number()?;
            self.expect(')')?;
            return Ok(Type::Host(Some(value)));
        }
        let Some(dtype) = DType::from_name(&word) else {
            return self.fail(format!("`{word}` is not a dtype; known are f32, bf16, i64, bool…"));
        };
        self.expect('[')?;
        let mut tensor = TensorType::new(dtype, []);
        loop {
            if self.eat(']')? {
                break;
            }
            if self.eat(';')? {
                tensor.strides = Some(self.list(']', Self::number)?.into());
                break;
            }
            tensor.shape.push(self.number()?);
            self.eat(',')?;
        }
        Ok(Type::Tensor(tensor))
    }

    fn graph(&mut self) -> Result<Graph, ParseError> {
        if !self.eat_word("graph")? {
            return self.fail("a text form starts with `graph \"name\" {`");
        }
        let mut graph = Graph::new(self.name()?);
        self.expect('{')?;
        while !self.eat('}')? {
            self.statement(&mut graph)?;
        }
        if self.token == Token::End { Ok(graph) } else { self.fail("expected the end after `}`") }
    }

    fn statement(&mut self, graph: &mut Graph) -> Result<(), ParseError> {
        let Token::Word(word) = self.token.clone() else { return self.node(graph) };
        let origin = match word.as_str() {
            "_" => return self.node(graph),
            "training" => {
                self.advance()?;
                graph.training = true;
                return Ok(());
            }
            "dim" => {
                self.advance()?;
                let name = self.name()?;
                self.expect('=')?;
                graph.bind_dim(name, self.number()?);
                return Ok(());
            }
            "output" => {
                self.advance()?;
                let value = self.value()?;
                graph.add_output(value);
                return Ok(());
            }
            "part" => {
                self.advance()?;
                let name = self.value_name()?;
                self.expect('=')?;
                let of = self.value()?;
                if !self.eat_word("from")? {
                    return self.fail("expected `from` and the first row");
                }
                let start = self.number()?;
                return self.source_value(graph, &name, Origin::Part { of, start });
            }
            "input" => Origin::Input,
            "parameter" => Origin::Parameter,
            "buffer" => Origin::Buffer,
            "constant" => Origin::Constant,
            other => return self.fail(format!("`{other}` starts no statement")),
        };
        self.advance()?;
        let name = self.value_name()?;
        self.source_value(graph, &name, origin)
    }

    fn source_value(&mut self, graph: &mut Graph, name: &str, origin: Origin) -> Result<(), ParseError> {
        self.expect(':')?;
        let ty = self.ty()?;
        let id = graph.add_source(name, ty, origin);
        self.define(name, id)
    }

    fn node(&mut self, graph: &mut Graph) -> Result<(), ParseError> {
        let mut outputs = Vec::new();
        if !self.eat_word("_")? {
            loop {
                let name = self.value_name()?;
                self.expect(':')?;
                outputs.push((name, self.ty()?));
                if !self.eat(',')? {
                    break;
                }
            }
        }
        self.expect('=')?;
        let mnemonic = self.name()?;
        self.expect('(')?;
        let inputs = self.list(')', Self::value)?;
        let attributes = if self.eat('{')? { self.attributes()? } else { Attributes::default() };
        let op = match Op::from_parts(&mnemonic, attributes) {
            Ok(Some(op)) => op,
            Ok(None) => return self.fail(format!("`{mnemonic}` is not an op")),
            Err(error) => return self.fail(format!("{mnemonic}: {error}")),
        };
        let (mut form, mut source_op) = (Form::Function, mnemonic);
        if self.eat('@')? {
            form = match self.name()?.as_str() {
                "module" => Form::Module,
                "function" => Form::Function,
                "method" => Form::Method,
                other => return self.fail(format!("`{other}` is neither module, function nor method")),
            };
            source_op = self.name()?;
        }
        let scope = if self.eat_word("in")? { self.name()? } else { String::new() };
        let name = if self.eat_word("named")? {
            self.name()?
        } else if let Some((first, _)) = outputs.first() {
            first.clone()
        } else {
            return self.fail("a node without results needs `named \"...\"`");
        };
        let source = Source { form, op: graph.intern(&source_op), scope: graph.intern(&scope) };
        let names: Vec<String> = outputs.iter().map(|(name, _)| name.clone()).collect();
        let node = graph.add_node(&name, op, inputs, outputs, source);
        let results = graph.node(node).outputs.clone();
        names.iter().zip(results).try_for_each(|(name, id)| self.define(name, id))
    }

    fn attributes(&mut self) -> Result<Attributes, ParseError> {
        let mut attributes = Attributes::default();
        self.list('}', |parser| {
            let name = parser.name()?;
            parser.expect('=')?;
            attributes.set(&name, parser.attribute()?);
            Ok(())
        })?;
        Ok(attributes)
    }

    fn attribute(&mut self) -> Result<Attribute, ParseError> {
        if self.eat('[')? {
            return Ok(Attribute::Ints(self.list(']', Self::number)?));
        }
        match self.advance()? {
            Token::Text(text) => Ok(Attribute::Text(text)),
            Token::Word(word) => match word.as_str() {
                "true" => Ok(Attribute::Bool(true)),
                "false" => Ok(Attribute::Bool(false)),
                word => {
                    if let Ok(value) = word.parse() {
                        return Ok(Attribute::Int(value));
                    }
                    match word.parse() {
                        Ok(value) => Ok(Attribute::Float(value)),
                        Err(_) => self.fail(format!("`{word}` is not an attribute value")),
                    }
                }
            },
            other => self.fail(format!("expected an attribute value, found {other:?}")),
        }
    }
}
