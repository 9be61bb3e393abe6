//! Arithmetic on named sizes, in Python's notation: `4*s0`, `(s0//16)**2 + 1`, `Max(1, s0 - 1)`.

use std::iter::Peekable;
use std::str::Chars;

/// How deep an expression may nest.
const MAX_DEPTH: usize = 64;

/// Computes an expression; `size` gives the named sizes. An error says what stands in the way.
pub(super) fn evaluate(text: &str, size: &dyn Fn(&str) -> Option<i64>) -> Result<i64, String> {
    let mut reader = Reader { rest: text.chars().peekable(), depth: 0, size };
    let value = reader.sum()?;
    match reader.peek() {
        None => i64::try_from(value).map_err(|_| TOO_LARGE.to_owned()),
        Some(c) => Err(format!("unexpected `{c}`")),
    }
}

const TOO_LARGE: &str = "the result is too large";

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    depth: usize,
    size: &'a dyn Fn(&str) -> Option<i64>,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<char> {
        while self.rest.next_if(|c| c.is_whitespace()).is_some() {}
        self.rest.peek().copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.rest.next();
        }
        found
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(c) = self.rest.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | '.')) {
            word.push(c);
        }
        word
    }

    fn enter(&mut self) -> Result<(), String> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > MAX_DEPTH { Err("it is nested too deep".to_owned()) } else { Ok(()) }
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn sum(&mut self) -> Result<i128, String> {
        self.enter()?;
        let mut value = self.product()?;
        loop {
            let next = if self.take('+') {
                value.checked_add(self.product()?)
            } else if self.take('-') {
                value.checked_sub(self.product()?)
            } else {
                self.leave();
                return Ok(value);
            };
            value = next.ok_or(TOO_LARGE)?;
        }
    }

    fn product(&mut self) -> Result<i128, String> {
        let mut value = self.signed()?;
        loop {
            value = if self.take('*') {
                value.checked_mul(self.signed()?).ok_or(TOO_LARGE)?
            } else if self.take('/') {
                if self.take('/') { floor_div(value, self.signed()?)? } else { exact_div(value, self.signed()?)? }
            } else if self.take('%') {
                modulo(value, self.signed()?)?
            } else {
                return Ok(value);
            };
        }
    }

    fn signed(&mut self) -> Result<i128, String> {
        let mut negative = false;
        while self.take('-') {
            negative = !negative;
        }
        let value = self.power()?;
        Ok(if negative { value.checked_neg().ok_or(TOO_LARGE)? } else { value })
    }

    fn power(&mut self) -> Result<i128, String> {
        let base = self.atom()?;
        // A single star is a product, which the caller continues.
        let mut ahead = self.rest.clone();
        let is_power = ahead.find(|c| !c.is_whitespace()) == Some('*') && ahead.next() == Some('*');
        if !is_power {
            return Ok(base);
        }
        self.take('*');
        self.take('*');
        self.enter()?;
        let exponent = u32::try_from(self.signed()?).map_err(|_| "an exponent is negative or too large".to_owned())?;
        self.leave();
        Ok(base.checked_pow(exponent).ok_or(TOO_LARGE)?)
    }

    fn atom(&mut self) -> Result<i128, String> {
        if self.take('(') {
            let value = self.sum()?;
            return if self.take(')') { Ok(value) } else { Err("a bracket is not closed".to_owned()) };
        }
        let Some(first) = self.peek() else { return Err("it ends early".to_owned()) };
        let word = self.word();
        if word.is_empty() {
            return Err(format!("unexpected `{first}`"));
        }
        if first.is_ascii_digit() {
            return word.parse().map_err(|_| format!("`{word}` is not an integer"));
        }
        if self.take('(') {
            return self.call(&word);
        }
        (self.size)(&word).map(i128::from).ok_or_else(|| format!("`{word}` has no size"))
    }

    fn call(&mut self, name: &str) -> Result<i128, String> {
        let mut arguments = vec![self.sum()?];
        while self.take(',') {
            arguments.push(self.sum()?);
        }
        if !self.take(')') {
            return Err("a bracket is not closed".to_owned());
        }
        match (name, arguments.as_slice()) {
            ("Max", [first, rest @ ..]) => Ok(rest.iter().fold(*first, |a, &b| a.max(b))),
            ("Min", [first, rest @ ..]) => Ok(rest.iter().fold(*first, |a, &b| a.min(b))),
            ("FloorDiv" | "CleanDiv", &[a, b]) => floor_div(a, b),
            ("Mod" | "PythonMod", &[a, b]) => modulo(a, b),
            ("ceiling" | "floor" | "Identity", &[a]) => Ok(a),
            _ => Err(format!("the function `{name}` of {} arguments is not known", arguments.len())),
        }
    }
}

/// Python rounds towards minus infinity, Euclid's division rounds up for negative divisors.
fn floor_div(a: i128, b: i128) -> Result<i128, String> {
    let quotient = a.checked_div_euclid(b).ok_or("a division by zero")?;
    let rounded_up = b < 0 && a.checked_rem_euclid(b) != Some(0);
    Ok(quotient.checked_sub(i128::from(rounded_up)).ok_or(TOO_LARGE)?)
}

fn exact_div(a: i128, b: i128) -> Result<i128, String> {
    match a.checked_rem(b) {
        None => Err("a division by zero".to_owned()),
        Some(0) => Ok(a.checked_div(b).ok_or(TOO_LARGE)?),
        Some(_) => Err(format!("{a} is not divisible by {b}")),
    }
}

fn modulo(a: i128, b: i128) -> Result<i128, String> {
    let whole = floor_div(a, b)?;
    Ok(whole.checked_mul(b).and_then(|product| a.checked_sub(product)).ok_or(TOO_LARGE)?)
}

#[cfg(test)]
mod tests {
    use super::evaluate;

    fn size(name: &str) -> Option<i64> {
        match name {
            "s0" => Some(8),
            "s1" => Some(-3),
            _ => None,
        }
    }

    #[test]
    fn expressions_follow_python() {
        let cases = [
            ("4*s0", 32),
            ("s0 + 1", 9),
            ("-s0**2", -64),
            ("(s0//3)**2 - 1", 3),
            ("s1//2", -2),
            ("7//-2", -4),
            ("Mod(s1, 5)", 2),
            ("-7 % 3", 2),
            ("Max(1, s0 - 1, 3)", 7),
            ("FloorDiv(s0, 3) * Min(s0, 2)", 4),
            ("s0/4", 2),
            ("2**3**1", 8),
            ("2 * * 3", -1),
        ];
        for (text, expected) in cases {
            match evaluate(text, &size) {
                Ok(value) => assert_eq!(value, expected, "{text}"),
                Err(_) => assert_eq!(expected, -1, "{text}"),
            }
        }
    }

    #[test]
    fn hostile_expressions_are_errors() {
        let deep = "(".repeat(100_000);
        let towers = "2**".repeat(100_000);
        for text in [
            "",
            "s9",
            "1/0",
            "s0/3",
            "s0//0",
            "Mod(1, 0)",
            "9**99999",
            "1 +",
            "foo(1)",
            "3x",
            "(1",
            deep.as_str(),
            &towers,
        ] {
            assert!(evaluate(text, &size).is_err(), "{text}");
        }
        assert_eq!(evaluate(&format!("{}3", "-".repeat(100_000)), &size), Ok(3));
    }
}
