//! From statements to a form: products and sums are taken together, names are resolved, the anchor is chosen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::condition::Comparison;
use super::form::{Addend, Applied, Factor, Form, Number, Setting, Term, TermId};
use super::syntax::{Call, Expression, Statement, SyntaxError, parse};

/// Most terms in a form: products and sums are matched by trying.
const MOST_TERMS: usize = 64;
/// Most factors of a product, and addends of a sum.
const MOST_OPERANDS: usize = 6;

/// Reads one form.
pub(super) fn form(text: &str) -> Result<Form, SyntaxError> {
    let mut building = Building::default();
    let statements = parse(text)?;
    for (line, statement) in statements {
        building.line = line;
        building.statement(statement)?;
    }
    building.finish()
}

/// Exactly this number.
fn is(number: f64, wanted: f64) -> bool {
    number.total_cmp(&wanted).is_eq()
}

/// A number or a term.
enum Lowered {
    Number(Number),
    Term(TermId),
}

#[derive(Default)]
struct Building {
    terms: Vec<Term>,
    names: Vec<Option<String>>,
    known: BTreeMap<String, TermId>,
    outputs: Vec<TermId>,
    conditions: Vec<(usize, Comparison)>,
    anchor: Option<TermId>,
    /// Names of numbers that a place in the graph gives.
    numbers: BTreeSet<String>,
    line: usize,
}

impl Building {
    fn fail<T>(&self, problem: impl Into<String>) -> Result<T, SyntaxError> {
        Err(SyntaxError { line: self.line, problem: problem.into() })
    }

    fn push(&mut self, term: Term) -> Result<TermId, SyntaxError> {
        if self.terms.len() >= MOST_TERMS {
            return self.fail(format!("a pattern has at most {MOST_TERMS} steps and values"));
        }
        self.terms.push(term);
        self.names.push(None);
        Ok(self.terms.len() - 1)
    }

    fn name(&mut self, name: String, term: TermId) -> Result<(), SyntaxError> {
        if self.known.contains_key(&name) {
            return self.fail(format!("`%{name}` is defined twice"));
        }
        if self.names[term].is_none() {
            self.names[term] = Some(name.clone());
        }
        self.known.insert(name, term);
        Ok(())
    }

    fn statement(&mut self, statement: Statement) -> Result<(), SyntaxError> {
        match statement {
            Statement::Leaf { kind, name } => {
                let term = self.push(Term::Leaf { kind })?;
                self.name(name, term)
            }
            Statement::Let { mut names, expression } => {
                if names.len() > 1 {
                    return self.several(names, expression);
                }
                let term = self.term(expression)?;
                let name = names.pop().unwrap_or_default();
                self.name(name, term)
            }
            Statement::Output(expression) => {
                let term = self.term(expression)?;
                if !self.outputs.contains(&term) {
                    self.outputs.push(term);
                }
                Ok(())
            }
            Statement::Anchor(name) => {
                self.anchor = Some(self.value(&name)?);
                Ok(())
            }
            Statement::Where(comparison) => {
                self.conditions.push((self.line, comparison));
                Ok(())
            }
        }
    }

    /// Several results of one op.
    fn several(&mut self, names: Vec<String>, expression: Expression) -> Result<(), SyntaxError> {
        let term = self.term(expression)?;
        let Term::Op(applied) = self.terms[term].clone() else {
            return self.fail("only an op has several results");
        };
        for (result, name) in names.into_iter().enumerate() {
            let term = if result == 0 { term } else { self.push(Term::Op(Applied { result, ..applied.clone() }))? };
            self.name(name, term)?;
        }
        Ok(())
    }

    fn value(&self, name: &str) -> Result<TermId, SyntaxError> {
        match self.known.get(name) {
            Some(&term) => Ok(term),
            None => self.fail(format!("`%{name}` is not defined above")),
        }
    }

    fn term(&mut self, expression: Expression) -> Result<TermId, SyntaxError> {
        match self.lower(expression)? {
            Lowered::Term(term) => Ok(term),
            Lowered::Number(_) => self.fail("a number stands where a value is expected"),
        }
    }

    fn lower(&mut self, expression: Expression) -> Result<Lowered, SyntaxError> {
        match expression {
            Expression::Value(name) => self.value(&name).map(Lowered::Term),
            Expression::Number(number) => {
                if let Number::Named(name) = &number {
                    self.numbers.insert(name.clone());
                }
                Ok(Lowered::Number(number))
            }
            Expression::Rule { id, operand } => {
                let operand = self.term(*operand)?;
                self.push(Term::Rule { id, operand }).map(Lowered::Term)
            }
            Expression::Call(call) => self.call(call).map(Lowered::Term),
        }
    }

    fn call(&mut self, call: Call) -> Result<TermId, SyntaxError> {
        let first = call.names.first().map(String::as_str).unwrap_or_default();
        let algebra = ["mul", "div", "neg", "sqrt", "rsqrt", "square", "reciprocal", "pow", "add", "sub"];
        let is_algebra = call.names.iter().any(|name| algebra.contains(&name.as_str()));
        if !is_algebra {
            return self.op(call);
        }
        if call.names.len() > 1 || call.optional || call.more || !call.settings.is_empty() {
            return self.fail(format!("`{first}` is arithmetic: it stands alone, without `?`, `...` and settings"));
        }
        let name = first.to_owned();
        let arity = match name.as_str() {
            "mul" | "add" => 2..=MOST_OPERANDS,
            "div" | "sub" | "pow" => 2..=2,
            _ => 1..=1,
        };
        if !arity.contains(&call.arguments.len()) {
            let expected =
                if arity.start() == arity.end() { format!("{}", arity.start()) } else { "2 to 6".to_owned() };
            return self.fail(format!("`{name}` takes {expected} arguments, found {}", call.arguments.len()));
        }
        if matches!(name.as_str(), "add" | "sub") { self.sum(&name, call) } else { self.product(&name, call) }
    }

    fn sum(&mut self, name: &str, call: Call) -> Result<TermId, SyntaxError> {
        let mut constant = Number::Is(0.0);
        let mut addends: Vec<Addend> = Vec::new();
        for (position, (argument, optional)) in call.arguments.into_iter().enumerate() {
            let negative = name == "sub" && position == 1;
            match self.lower(argument)? {
                Lowered::Number(Number::Is(number)) => match &mut constant {
                    Number::Is(sum) => *sum += if negative { -number } else { number },
                    Number::Named(_) => return self.fail("a sum holds a number or a named number, not both"),
                },
                Lowered::Number(named) if constant == Number::Is(0.0) && !negative => constant = named,
                Lowered::Number(_) => return self.fail("a sum holds one named number, and does not subtract it"),
                Lowered::Term(term) => match &self.terms[term] {
                    Term::Sum { constant: Number::Is(inner), addends: parts }
                        if self.names[term].is_none() && !optional =>
                    {
                        let sign = if negative { -1.0 } else { 1.0 };
                        match &mut constant {
                            Number::Is(sum) => *sum += sign * inner,
                            Number::Named(_) if *inner == 0.0 => {}
                            Number::Named(_) => return self.fail("a sum holds a number or a named number, not both"),
                        }
                        addends.extend(
                            parts.iter().map(|part| Addend { negative: part.negative != negative, ..part.clone() }),
                        );
                    }
                    Term::Product { coefficient: Number::Is(c), factors }
                        if self.names[term].is_none()
                            && is(*c, -1.0)
                            && matches!(&factors[..], [one] if is(one.exponent, 1.0) && !one.optional) =>
                    {
                        addends.push(Addend { term: factors[0].term, negative: !negative, optional });
                    }
                    _ => addends.push(Addend { term, negative, optional }),
                },
            }
        }
        if addends.is_empty() || addends.len() > MOST_OPERANDS || addends.iter().all(|addend| addend.optional) {
            return self.fail(format!("a sum has 1 to {MOST_OPERANDS} values, not all of them optional"));
        }
        self.push(Term::Sum { constant, addends })
    }

    fn product(&mut self, name: &str, mut call: Call) -> Result<TermId, SyntaxError> {
        let mut exponents = vec![1.0; call.arguments.len()];
        let mut coefficient = Number::Is(1.0);
        match name {
            "div" => exponents[1] = -1.0,
            "neg" => coefficient = Number::Is(-1.0),
            "sqrt" => exponents[0] = 0.5,
            "rsqrt" => exponents[0] = -0.5,
            "square" => exponents[0] = 2.0,
            "reciprocal" => exponents[0] = -1.0,
            "pow" => {
                let Some((Expression::Number(Number::Is(exponent)), false)) = call.arguments.pop() else {
                    return self.fail("`pow` takes a value and a number");
                };
                exponents = vec![exponent];
            }
            _ => {}
        }
        let mut factors: Vec<Factor> = Vec::new();
        for ((argument, optional), exponent) in call.arguments.into_iter().zip(exponents) {
            match self.lower(argument)? {
                Lowered::Number(Number::Is(number)) => match &mut coefficient {
                    Number::Is(product) => *product *= number.powf(exponent),
                    Number::Named(_) => return self.fail("a product holds a number or a named number, not both"),
                },
                Lowered::Number(named) if coefficient == Number::Is(1.0) && is(exponent, 1.0) => coefficient = named,
                Lowered::Number(_) => return self.fail("a product holds one named number, as a factor"),
                Lowered::Term(term) => match &self.terms[term] {
                    Term::Product { coefficient: Number::Is(inner), factors: parts }
                        if self.names[term].is_none() && !optional =>
                    {
                        let inner = inner.powf(exponent);
                        match &mut coefficient {
                            Number::Is(product) => *product *= inner,
                            Number::Named(_) if is(inner, 1.0) => {}
                            Number::Named(_) => {
                                return self.fail("a product holds a number or a named number, not both");
                            }
                        }
                        let raised = |part: &Factor| Factor { exponent: part.exponent * exponent, ..part.clone() };
                        factors.extend(parts.iter().map(raised));
                    }
                    _ => factors.push(Factor { term, exponent, optional }),
                },
            }
        }
        let mut merged: Vec<Factor> = Vec::new();
        for factor in factors {
            match merged.iter_mut().find(|known| known.term == factor.term && !known.optional && !factor.optional) {
                Some(known) => known.exponent += factor.exponent,
                None => merged.push(factor),
            }
        }
        if merged.is_empty() || merged.len() > MOST_OPERANDS || merged.iter().all(|factor| factor.optional) {
            return self.fail(format!("a product has 1 to {MOST_OPERANDS} values, not all of them optional"));
        }
        self.push(Term::Product { coefficient, factors: merged })
    }

    fn op(&mut self, call: Call) -> Result<TermId, SyntaxError> {
        for name in &call.names {
            if !super::operand::is_known_op(name) {
                return self.fail(format!(
                    "`{name}` is not an op; expected a name of the text form, such as linear, layer_norm or erf"
                ));
            }
        }
        if call.optional && (call.arguments.len() != 1 || call.more) {
            return self.fail("a step that may be absent takes one argument");
        }
        let mut operands = Vec::new();
        for (argument, optional) in call.arguments {
            if optional {
                return self.fail(
                    "only a factor of mul and an addend of add may be optional; `...` stands for further operands",
                );
            }
            operands.push(self.term(argument)?);
        }
        for (_, setting) in &call.settings {
            if let Setting::Number(Number::Named(name)) = setting {
                self.numbers.insert(name.clone());
            }
        }
        let Call { names, optional, more, settings, .. } = call;
        self.push(Term::Op(Applied { names, settings, operands, more, optional, result: 0 }))
    }

    fn finish(mut self) -> Result<Form, SyntaxError> {
        let Some(root) = self.outputs.pop() else {
            return self.fail("a pattern states its result: `output %value`");
        };
        let mut used = vec![false; self.terms.len()];
        let mut open = vec![root];
        while let Some(term) = open.pop() {
            if !std::mem::replace(&mut used[term], true) {
                open.extend(self.terms[term].operands());
            }
        }
        let unused = self.known.iter().find(|&(_, &term)| !used[term] && !self.is_sibling_result(term));
        if let Some((name, _)) = unused {
            return self.fail(format!("`%{name}` is not part of the last output"));
        }
        for (line, comparison) in std::mem::take(&mut self.conditions) {
            self.line = line;
            if !comparison.is_well_formed() {
                return self.fail("a shape compares with a shape, an element type with an element type, by == or !=");
            }
            for name in comparison.values() {
                self.value(name)?;
            }
            if let Some(name) = comparison.numbers().into_iter().find(|name| !self.numbers.contains(*name)) {
                return self.fail(format!("`${name}` is not a number of this pattern"));
            }
            self.conditions.push((line, comparison));
        }
        if matches!(self.terms[root], Term::Leaf { .. }) {
            return self.fail("the output has to be made by a step");
        }
        let anchor = self.choose_anchor(&used)?;
        let Some(way) = self.way(anchor, root) else {
            return self.fail("the anchor is not part of the last output");
        };
        let conditions = self.conditions.into_iter().map(|(_, comparison)| comparison).collect();
        Ok(Form { terms: self.terms, names: self.names, root, outputs: self.outputs, conditions, anchor, way })
    }

    /// Another result of an op whose first result is used.
    fn is_sibling_result(&self, term: TermId) -> bool {
        matches!(&self.terms[term], Term::Op(applied) if applied.result > 0)
    }

    fn choose_anchor(&self, used: &[bool]) -> Result<TermId, SyntaxError> {
        let may = |term: TermId| match &self.terms[term] {
            Term::Op(applied) => !applied.optional,
            Term::Rule { .. } => true,
            _ => false,
        };
        if let Some(anchor) = self.anchor {
            return if may(anchor) { Ok(anchor) } else { self.fail("an anchor is an op that may not be absent") };
        }
        let rarity = |term: &TermId| match &self.terms[*term] {
            Term::Op(applied) => applied.names.iter().map(|name| super::operand::commonness(name)).max().unwrap_or(0),
            _ => 0,
        };
        let anchors = (0..self.terms.len()).filter(|&term| used[term] && may(term));
        match anchors.min_by_key(rarity) {
            Some(anchor) => Ok(anchor),
            None => self.fail("a pattern needs an op besides arithmetic, by which it is found"),
        }
    }

    /// The shortest way from the anchor to the root.
    fn way(&self, anchor: TermId, root: TermId) -> Option<Vec<TermId>> {
        let mut before: Vec<Option<TermId>> = vec![None; self.terms.len()];
        let mut open = VecDeque::from([root]);
        before[root] = Some(root);
        while let Some(term) = open.pop_front() {
            for operand in self.terms[term].operands() {
                if before[operand].is_none() {
                    before[operand] = Some(term);
                    open.push_back(operand);
                }
            }
        }
        let mut way = vec![anchor];
        while *way.last()? != root {
            way.push(before[*way.last()?]?);
        }
        Some(way)
    }
}
