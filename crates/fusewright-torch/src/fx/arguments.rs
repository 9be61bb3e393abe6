//! A call with its arguments bound to names, positional and keyword alike.
//!
//! A signature is a text of names such as `"input dim keepdim"`; a name with a star takes the remaining positional
//! arguments, or one list of them: `permute(0, 2, 1)` and `permute([0, 2, 1])` bind alike. Where a source calls an
//! argument differently, the other names stand behind a slash: `"input other/mat2"`. A refusal is a text that says what
//! about the call has no exact counterpart; the node is then carried as opaque with that reason.

use fusewright_ir::{Op, TensorType, ValueId};
use smallvec::SmallVec;

use super::schema::{Arg, Scalar};
use super::values::{Env, Items, Known, Operand};

/// The op that a call stands for with its operands, or why there is none.
pub(super) type Built = Result<(Op, Inputs), String>;

/// Operands of a node.
pub(super) type Inputs = SmallVec<[ValueId; 3]>;

/// Other spellings of an argument's name.
const ALIASES: [(&str, &str); 9] = [
    ("self", "input"),
    ("x", "input"),
    ("tensor", "input"),
    ("axis", "dim"),
    ("keepdims", "keepdim"),
    ("split_size_or_sections", "sizes"),
    ("split_size", "sizes"),
    ("split_sizes", "sizes"),
    ("indices_or_sections", "sizes"),
];

/// Longest text that means something. A module's texts count once in the document however often it is called.
pub(super) const MAX_TEXT: usize = 4096;

/// A call whose arguments are bound to the names of a signature.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) env: &'a Env<'a>,
    arguments: SmallVec<[(&'static str, Operand<'a>); 8]>,
    /// The types of the tensors that the call produces, as recorded; at least one.
    out: &'a [TensorType],
}

impl<'a> Call<'a> {
    /// Binds arguments to a signature.
    pub(super) fn bind(
        env: &'a Env<'a>,
        signature: &'static str,
        args: &'a [Arg],
        kwargs: &'a [(String, Arg)],
        out: &'a [TensorType],
    ) -> Result<Self, String> {
        let mut call = Self { env, arguments: SmallVec::new(), out };
        let mut names = signature.split_whitespace();
        let mut rest = args;
        while let Some((arg, after)) = rest.split_first() {
            let Some(name) = names.next() else {
                let most = signature.split_whitespace().count();
                return Err(format!("{} positional arguments, expected at most {most}", args.len()));
            };
            let plain = first_name(name);
            let operand = match (name.strip_prefix('*'), env.operand(arg)) {
                (Some(_), list @ Operand::Items(_)) if after.is_empty() => list,
                (Some(_), host @ Operand::Host(_, Known::Items(_))) if after.is_empty() => host,
                (Some(_), _) => Operand::Items(Items::List(rest)),
                (None, operand) => operand,
            };
            call.arguments.push((plain, operand));
            rest = if name.starts_with('*') { &[] } else { after };
        }
        for (keyword, arg) in kwargs {
            let spelled = |name: &&str| name.trim_start_matches('*').split('/').any(|name| name == keyword);
            let is_alias = |known: &str| ALIASES.iter().any(|row| row.0 == keyword && row.1 == known);
            let operand = env.operand(arg);
            let mut names = signature.split_whitespace();
            match names.clone().find(spelled).or_else(|| names.find(|name| is_alias(first_name(name)))) {
                Some(name) => call.set(first_name(name), operand)?,
                // An argument that is not used, such as `out=None`.
                None if operand.is_none() => {}
                None => return Err(format!("the argument `{keyword}` is not known")),
            }
        }
        Ok(call)
    }

    /// Adds an argument; each may be given once.
    pub(super) fn set(&mut self, name: &'static str, operand: Operand<'a>) -> Result<(), String> {
        if self.get(name).is_some() {
            return Err(format!("the argument `{name}` is given twice"));
        }
        self.arguments.push((name, operand));
        Ok(())
    }

    /// Puts a value in the place of an argument.
    pub(super) fn replace(&mut self, name: &'static str, value: ValueId) {
        self.arguments.retain(|argument| argument.0 != name);
        self.arguments.push((name, Operand::Tensor(value)));
    }

    /// An argument, unless it is absent.
    pub(super) fn get(&self, name: &str) -> Option<Operand<'a>> {
        self.arguments.iter().find(|argument| argument.0 == name).map(|argument| argument.1)
    }

    /// An argument, unless it is absent or `None`.
    pub(super) fn given(&self, name: &str) -> Option<Operand<'a>> {
        self.get(name).filter(|operand| !operand.is_none())
    }

    fn required(&self, name: &str) -> Result<Operand<'a>, String> {
        self.given(name).ok_or_else(|| format!("the argument `{name}` is missing"))
    }

    /// A tensor.
    pub(super) fn tensor(&self, name: &str) -> Result<ValueId, String> {
        match self.required(name)? {
            Operand::Tensor(value) => Ok(value),
            other => Err(wrong(name, "a tensor", other)),
        }
    }

    /// A tensor with its type.
    pub(super) fn typed(&self, name: &str) -> Result<(ValueId, &'a TensorType), String> {
        let value = self.tensor(name)?;
        Ok((value, self.env.tensor_type(value)?))
    }

    /// A tensor that may be left out.
    pub(super) fn optional_tensor(&self, name: &str) -> Result<Option<ValueId>, String> {
        self.given(name).map(|_| self.tensor(name)).transpose()
    }

    /// The given tensors of several that may be left out, where a later one requires the earlier ones.
    pub(super) fn leading_tensors(&self, names: &[&str]) -> Result<Inputs, String> {
        let mut tensors = Inputs::new();
        let mut missing = None;
        for &name in names {
            match (self.optional_tensor(name)?, missing) {
                (Some(value), None) => tensors.push(value),
                (Some(_), Some(missing)) => return Err(format!("`{name}` is given without `{missing}`")),
                (None, _) => missing = missing.or(Some(name)),
            }
        }
        Ok(tensors)
    }

    /// A list of tensors.
    pub(super) fn tensors(&self, name: &str) -> Result<Inputs, String> {
        match self.required(name)? {
            Operand::Items(items) => self.tensors_of(name, items),
            other => Err(wrong(name, "a list of tensors", other)),
        }
    }

    /// The items of a list that must all be tensors; `name` is for the message.
    pub(super) fn tensors_of(&self, name: &str, items: Items<'a>) -> Result<Inputs, String> {
        let tensor = |operand| match operand {
            Operand::Tensor(value) => Ok(value),
            other => Err(wrong(name, "a list of tensors", other)),
        };
        self.env.items(items).map(tensor).collect()
    }

    /// An integer that may be left out.
    pub(super) fn optional_int(&self, name: &str) -> Result<Option<i64>, String> {
        self.given(name).map(|operand| operand.int().ok_or_else(|| wrong(name, "an integer", operand))).transpose()
    }

    /// An integer.
    pub(super) fn int(&self, name: &str) -> Result<i64, String> {
        self.required(name)?;
        Ok(self.optional_int(name)?.unwrap_or_default())
    }

    /// An integer with a default.
    pub(super) fn int_or(&self, name: &str, default: i64) -> Result<i64, String> {
        Ok(self.optional_int(name)?.unwrap_or(default))
    }

    /// A number that may be left out.
    pub(super) fn optional_number(&self, name: &str) -> Result<Option<f64>, String> {
        self.given(name).map(|operand| operand.number().ok_or_else(|| wrong(name, "a number", operand))).transpose()
    }

    /// A number with a default.
    pub(super) fn number_or(&self, name: &str, default: f64) -> Result<f64, String> {
        Ok(self.optional_number(name)?.unwrap_or(default))
    }

    /// A truth value with a default.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, String> {
        match self.given(name) {
            None => Ok(default),
            Some(operand) => operand.int().map(|value| value != 0).ok_or_else(|| wrong(name, "true or false", operand)),
        }
    }

    /// A text that may be left out.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        match self.given(name) {
            None => Ok(None),
            Some(Operand::Scalar(Scalar::Text(text))) if text.len() <= MAX_TEXT => Ok(Some(text)),
            Some(other) => Err(wrong(name, "a text", other)),
        }
    }

    /// A list of integers; a single one counts as a list. `None` when absent.
    pub(super) fn optional_ints(&self, name: &str) -> Result<Option<Vec<i64>>, String> {
        let Some(operand) = self.given(name) else { return Ok(None) };
        let int = |item: Operand<'_>| item.int().ok_or_else(|| wrong(name, "a list of integers", item));
        match operand {
            Operand::Items(items) => self.env.items(items).map(int).collect::<Result<_, _>>().map(Some),
            Operand::Host(_, Known::Items(items)) if self.env.spend(items.len()) => {
                items.iter().map(|known| int(Operand::Host(None, known))).collect::<Result<_, _>>().map(Some)
            }
            single => Ok(Some(vec![int(single)?])),
        }
    }

    /// A list of integers.
    pub(super) fn ints(&self, name: &str) -> Result<Vec<i64>, String> {
        self.required(name)?;
        Ok(self.optional_ints(name)?.unwrap_or_default())
    }

    /// One non-negative integer per spatial axis; a single one stands for all.
    pub(super) fn sizes(&self, name: &str, axes: usize, default: u64) -> Result<Vec<u64>, String> {
        let Some(given) = self.optional_ints(name)? else { return Ok(vec![default; axes]) };
        let given: Vec<u64> = given.into_iter().map(|value| size(name, value)).collect::<Result<_, _>>()?;
        match given.as_slice() {
            [single] => Ok(vec![*single; axes]),
            list if list.len() == axes => Ok(given),
            list => Err(format!("`{name}` has {} entries, expected {axes}", list.len())),
        }
    }

    /// The axis that an argument names, counted from the front, in a tensor of this rank.
    pub(super) fn axis(&self, name: &str, default: Option<i64>, rank: usize) -> Result<u32, String> {
        let Some(given) = self.optional_int(name)?.or(default) else {
            return Err(format!("the argument `{name}` is missing"));
        };
        axis(given, rank)
    }

    /// The recorded type of the first result.
    pub(super) fn result(&self) -> Result<&'a TensorType, String> {
        self.out.first().ok_or_else(|| "no tensor is recorded as its result".to_owned())
    }

    /// The recorded types of all results.
    pub(super) fn results(&self) -> &'a [TensorType] {
        self.out
    }

    /// `x` followed by every host value among the arguments: the operands of a view.
    pub(super) fn with_hosts(&self, x: ValueId) -> Inputs {
        let mut values = vec![x];
        values.extend(self.hosts());
        values.into()
    }

    /// Every host value among the arguments.
    pub(super) fn hosts(&self) -> Vec<ValueId> {
        let mut values = Vec::new();
        for &(_, operand) in &self.arguments {
            self.env.collect(operand, true, &mut values);
        }
        values
    }

    /// Refuses a call that gives an argument which changes the meaning.
    pub(super) fn refuse(&self, name: &str) -> Result<(), String> {
        match self.given(name) {
            None => Ok(()),
            Some(_) => Err(format!("the argument `{name}` has no counterpart")),
        }
    }
}

/// The name by which a builder asks for an argument of a signature.
fn first_name(name: &str) -> &str {
    let name = name.trim_start_matches('*');
    name.split_once('/').map_or(name, |(first, _)| first)
}

/// A possibly negative axis as a position in a tensor of this rank; a scalar has one implicit axis.
pub(super) fn axis(axis: i64, rank: usize) -> Result<u32, String> {
    let signed = i64::try_from(rank.max(1)).unwrap_or(i64::MAX);
    let position = if axis < 0 { axis.saturating_add(signed) } else { axis };
    u32::try_from(position)
        .ok()
        .filter(|_| position < signed)
        .ok_or_else(|| format!("axis {axis} is outside a tensor of rank {rank}"))
}

/// A non-negative integer.
pub(super) fn size(name: &str, value: i64) -> Result<u64, String> {
    u64::try_from(value).map_err(|_| format!("`{name}` is {value}, expected a non-negative integer"))
}

fn wrong(name: &str, expected: &str, found: Operand<'_>) -> String {
    format!("the argument `{name}` is {}, expected {expected}", found.describe())
}
