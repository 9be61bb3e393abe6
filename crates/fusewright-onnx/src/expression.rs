//! Sizes written as arithmetic on names, such as `batch*seq` or `past + 1`.

/// Most characters and most nesting of an expression.
const LIMIT: usize = 1024;
const DEPTH: usize = 32;

/// The names in a text.
pub(crate) fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !is_name(c))
        .filter(|word| word.starts_with(|c: char| !c.is_ascii_digit()) && !is_function(word))
}

/// The value of an expression; `None` when it is not one, or when a name has no size.
pub(crate) fn evaluate(text: &str, size: &impl Fn(&str) -> Option<u64>) -> Option<u64> {
    if text.len() > LIMIT {
        return None;
    }
    let mut parser = Parser { rest: text.trim_start(), size, depth: 0 };
    let value = parser.sum()?;
    parser.rest.is_empty().then_some(value).and_then(|value| u64::try_from(value).ok())
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '.'
}

fn is_function(word: &str) -> bool {
    matches!(word.to_ascii_lowercase().as_str(), "max" | "min" | "floor" | "ceil")
}

struct Parser<'a, F> {
    rest: &'a str,
    size: &'a F,
    depth: usize,
}

impl<F: Fn(&str) -> Option<u64>> Parser<'_, F> {
    fn eat(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        if let Some(rest) = rest {
            self.rest = rest.trim_start();
        }
        rest.is_some()
    }

    fn sum(&mut self) -> Option<i64> {
        let mut value = self.product()?;
        loop {
            if self.eat("+") {
                value = value.checked_add(self.product()?)?;
            } else if self.eat("-") {
                value = value.checked_sub(self.product()?)?;
            } else {
                return Some(value);
            }
        }
    }

    fn product(&mut self) -> Option<i64> {
        let mut value = self.power()?;
        loop {
            if self.rest.starts_with("**") {
                return Some(value);
            }
            if self.eat("*") {
                value = value.checked_mul(self.power()?)?;
            } else if self.eat("//") {
                value = value.checked_div_euclid(self.power()?)?;
            } else if self.eat("/") {
                let divisor = self.power()?;
                value = (value.checked_rem(divisor)? == 0).then(|| value.checked_div(divisor))??;
            } else if self.eat("%") {
                value = value.checked_rem_euclid(self.power()?)?;
            } else {
                return Some(value);
            }
        }
    }

    fn power(&mut self) -> Option<i64> {
        let base = self.atom()?;
        if self.eat("**") { base.checked_pow(u32::try_from(self.atom()?).ok()?) } else { Some(base) }
    }

    fn atom(&mut self) -> Option<i64> {
        self.depth = self.depth.checked_add(1).filter(|&depth| depth <= DEPTH)?;
        let value = self.operand();
        self.depth = self.depth.saturating_sub(1);
        value
    }

    fn operand(&mut self) -> Option<i64> {
        if self.eat("-") {
            return self.atom()?.checked_neg();
        }
        if self.eat("(") {
            let value = self.sum()?;
            return self.eat(")").then_some(value);
        }
        let end = self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.trim_start();
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return word.parse().ok();
        }
        if !self.rest.starts_with('(') {
            return (!word.is_empty()).then(|| (self.size)(word)).flatten().and_then(|size| i64::try_from(size).ok());
        }
        self.call(word)
    }

    fn call(&mut self, function: &str) -> Option<i64> {
        self.eat("(");
        let mut arguments = vec![self.sum()?];
        while self.eat(",") {
            arguments.push(self.sum()?);
        }
        let closed = self.eat(")");
        let value = match function.to_ascii_lowercase().as_str() {
            "max" => arguments.into_iter().max(),
            "min" => arguments.into_iter().min(),
            "floor" | "ceil" if arguments.len() == 1 => arguments.pop(),
            _ => None,
        };
        value.filter(|_| closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic() {
        let size = |name: &str| match name {
            "batch" => Some(2),
            "seq.len" => Some(10),
            _ => None,
        };
        for (text, value) in [
            ("batch*seq.len", Some(20)),
            ("seq.len + 1", Some(11)),
            ("2*(seq.len - 1)//4", Some(4)),
            ("Max(1, batch) ** 3", Some(8)),
            ("seq.len/5", Some(2)),
            ("seq.len/3", None),
            ("batch -3", None),
            ("other", None),
            ("batch batch", None),
            ("1/0", None),
            ("", None),
        ] {
            assert_eq!(evaluate(text, &size), value, "{text}");
        }
        assert_eq!(evaluate(&"(".repeat(1000), &size), None);
        assert_eq!(names("Max(1, a.b*c_1) + 2").collect::<Vec<_>>(), ["a.b", "c_1"]);
    }
}
