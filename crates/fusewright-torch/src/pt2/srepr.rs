//! Sizes as sympy writes them, `Mul(Integer(12), Symbol('s77', positive=True, integer=True))`, and the same in the notation
//! that the FX reader computes: `12*s77`.

use std::fmt::Write;

/// How deep an expression may nest; less than what the FX reader takes.
const MAX_DEPTH: usize = 48;

/// A size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    Symbol(String),
    Integer(i64),
    Rational(i64, i64),
    Call(Function, Vec<Tree>),
}

/// What is computed of sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Add,
    Mul,
    Pow,
    Min,
    Max,
    FloorDiv,
    CeilDiv,
    Mod,
    Identity,
}

/// Functions by their names; several have two.
const FUNCTIONS: [(&str, Function); 13] = [
    ("Add", Function::Add),
    ("Mul", Function::Mul),
    ("Pow", Function::Pow),
    ("PowByNatural", Function::Pow),
    ("Min", Function::Min),
    ("Max", Function::Max),
    ("FloorDiv", Function::FloorDiv),
    ("CleanDiv", Function::FloorDiv),
    ("IntTrueDiv", Function::FloorDiv),
    ("CeilDiv", Function::CeilDiv),
    ("Mod", Function::Mod),
    ("PythonMod", Function::Mod),
    ("Identity", Function::Identity),
];

/// Reads an expression; `None` when it has something that sizes are not made of.
pub(super) fn parse(text: &str) -> Option<Tree> {
    let mut reader = Reader { rest: text };
    let tree = reader.expression(0)?;
    reader.skip_blanks();
    reader.rest.is_empty().then_some(tree)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, mark: char) -> bool {
        self.skip_blanks();
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> &'a str {
        self.skip_blanks();
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        word
    }

    fn integer(&mut self) -> Option<i64> {
        let negative = self.take('-');
        let value: i64 = self.word().parse().ok()?;
        if negative { value.checked_neg() } else { Some(value) }
    }

    fn expression(&mut self, depth: usize) -> Option<Tree> {
        if depth > MAX_DEPTH {
            return None;
        }
        let name = self.word();
        let name = name.rsplit('.').next().unwrap_or(name);
        self.take('(').then_some(())?;
        let tree = match name {
            "Symbol" => self.symbol()?,
            "Integer" => Tree::Integer(self.integer()?),
            "Rational" => {
                let numerator = self.integer()?;
                self.take(',').then_some(())?;
                Tree::Rational(numerator, self.integer()?)
            }
            name => {
                let function = FUNCTIONS.iter().find(|row| row.0 == name)?.1;
                let mut arguments = vec![self.expression(depth.saturating_add(1))?];
                while self.take(',') {
                    arguments.push(self.expression(depth.saturating_add(1))?);
                }
                Tree::Call(function, arguments)
            }
        };
        self.take(')').then_some(tree)
    }

    /// A quoted name and assumptions such as `positive=True`.
    fn symbol(&mut self) -> Option<Tree> {
        let quote = if self.take('\'') {
            '\''
        } else if self.take('"') {
            '"'
        } else {
            return None;
        };
        let (name, rest) = self.rest.split_once(quote)?;
        self.rest = rest;
        while self.take(',') {
            self.word();
            self.take('=').then_some(())?;
            self.word();
        }
        Some(Tree::Symbol(name.to_owned()))
    }
}

impl Tree {
    /// Calls `visit` with the name of every symbol.
    pub(super) fn each_symbol<'t>(&'t self, visit: &mut dyn FnMut(&'t str)) {
        match self {
            Tree::Symbol(name) => visit(name),
            Tree::Call(_, arguments) => arguments.iter().for_each(|argument| argument.each_symbol(visit)),
            Tree::Integer(_) | Tree::Rational(..) => {}
        }
    }

    /// The text that the FX reader computes, with the names that `name` gives to symbols; `None` where it has no such text.
    pub(super) fn write(&self, name: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let mut text = String::new();
        self.append(name, &mut text)?;
        Some(text)
    }

    fn append(&self, name: &dyn Fn(&str) -> Option<String>, text: &mut String) -> Option<()> {
        match self {
            Tree::Symbol(symbol) => text.push_str(&name(symbol)?),
            Tree::Integer(value) => write!(text, "({value})").ok()?,
            Tree::Rational(..) => return None,
            Tree::Call(Function::Add, terms) => {
                text.push('(');
                for (index, term) in terms.iter().enumerate() {
                    text.push_str(if index == 0 { "" } else { " + " });
                    term.append(name, text)?;
                }
                text.push(')');
            }
            Tree::Call(Function::Mul, factors) => append_product(factors, name, text)?,
            Tree::Call(function, arguments) => append_call(*function, arguments, name, text)?,
        }
        Some(())
    }

    /// What a factor divides by: `Pow(x, Integer(-1))` by x.
    fn divisor(&self) -> Option<&Tree> {
        match self {
            Tree::Call(Function::Pow, arguments) => match arguments.as_slice() {
                [base, Tree::Integer(-1)] => Some(base),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Divisors come last, for only the whole product is divisible by them.
fn append_product(factors: &[Tree], name: &dyn Fn(&str) -> Option<String>, text: &mut String) -> Option<()> {
    text.push_str("(1");
    for factor in factors.iter().filter(|factor| factor.divisor().is_none()) {
        match factor {
            Tree::Rational(numerator, _) => write!(text, "*({numerator})").ok()?,
            factor => {
                text.push('*');
                factor.append(name, text)?;
            }
        }
    }
    for factor in factors {
        match (factor, factor.divisor()) {
            (Tree::Rational(_, denominator), _) => write!(text, "/({denominator})").ok()?,
            (_, Some(divisor)) => {
                text.push('/');
                divisor.append(name, text)?;
            }
            _ => {}
        }
    }
    text.push(')');
    Some(())
}

fn append_call(
    function: Function,
    arguments: &[Tree],
    name: &dyn Fn(&str) -> Option<String>,
    text: &mut String,
) -> Option<()> {
    let mut call = |lead: &str, between: &str, tail: &str, arguments: &[Tree]| {
        text.push_str(lead);
        for (index, argument) in arguments.iter().enumerate() {
            text.push_str(if index == 0 { "" } else { between });
            argument.append(name, text)?;
        }
        text.push_str(tail);
        Some(())
    };
    match (function, arguments) {
        (Function::Identity, [_]) => call("(", "", ")", arguments),
        (Function::Pow, [_, Tree::Integer(0..)]) => call("((", ")**(", "))", arguments),
        (Function::Min, _) => call("Min(", ", ", ")", arguments),
        (Function::Max, _) => call("Max(", ", ", ")", arguments),
        (Function::FloorDiv, [_, _]) => call("FloorDiv(", ", ", ")", arguments),
        (Function::Mod, [_, _]) => call("Mod(", ", ", ")", arguments),
        (Function::CeilDiv, [_, _]) => call("(-FloorDiv(-", ", ", "))", arguments),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn written(text: &str) -> Option<String> {
        parse(text)?.write(&|symbol| Some(symbol.to_owned()))
    }

    #[test]
    fn expressions_of_sympy_become_python() {
        let s = "Symbol('s77', positive=True, integer=True)";
        let cases = [
            (s.to_owned(), "s77"),
            ("Symbol(\"u0\", integer=True)".to_owned(), "u0"),
            (format!("Mul(Integer(12), {s})"), "(1*(12)*s77)"),
            (format!("Add(Integer(-1), Pow({s}, Integer(2)))"), "((-1) + ((s77)**((2))))"),
            (format!("Min(Max(Integer(1), {s}), Integer(3))"), "Min(Max((1), s77), (3))"),
            (format!("Mul(Rational(1, 2), {s}, Pow(Integer(3), Integer(-1)))"), "(1*(1)*s77/(2)/(3))"),
            (format!("torch.utils.FloorDiv({s}, Integer(2))"), "FloorDiv(s77, (2))"),
            (format!("CeilDiv({s}, Integer(2))"), "(-FloorDiv(-s77, (2)))"),
            (format!("PythonMod(Identity({s}), Integer(2))"), "Mod((s77), (2))"),
        ];
        for (text, expected) in cases {
            assert_eq!(written(&text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        let deep = "Add(".repeat(100_000);
        for text in [
            "",
            "Symbol",
            "Symbol('s",
            "Symbol(s)",
            "Symbol('s', x)",
            "Integer(9999999999999999999)",
            "Integer(1) Integer(2)",
            "Add()",
            "Add(Integer(1)",
            "sin(Integer(1))",
            "Rational(1, 2)",
            "Pow(Integer(2), Integer(-2))",
            "Integer(é)",
            "é",
            &deep,
        ] {
            assert_eq!(written(text), None, "{text}");
        }
    }
}
