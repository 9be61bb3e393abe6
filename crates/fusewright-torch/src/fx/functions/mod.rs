//! What functions and methods mean: one row each, in a table per family.
//!
//! A row has names, a signature and a builder; a call that is several ops has steps before the last one. A bare name
//! such as `softmax` is found for `torch.softmax`, the method `softmax` and `torch.ops.aten.softmax.int`; where they
//! differ in their arguments, a name with a prefix (`F.softmax` for `torch.nn.functional`, `torch.` for the others) is
//! preferred. Names of other libraries are written in full, and what only modules do in brackets. Where overloads of an
//! `aten` packet differ in their arguments, the name ends in that of the overload. An in-place variant (`relu_`,
//! `operator.iadd`) is found under the name without the mark.

mod attention;
mod composite;
mod contraction;
mod convolution;
mod copy;
mod fill;
mod gather;
mod normalization;
mod pointwise;
mod pooling;
mod reduction;
mod scatter;
mod subscript;
mod view;

pub(super) use copy::fit;

use std::collections::HashMap;
use std::sync::LazyLock;

use fusewright_ir::ops::Copy;
use fusewright_ir::{Form, Op};

use super::arguments::{Built, Call, Inputs};

/// A function that has a counterpart.
#[derive(Debug)]
pub(super) struct Row {
    /// Its names, separated by blanks.
    names: &'static str,
    /// Names of its arguments in order.
    pub(super) signature: &'static str,
    /// Makes the op.
    pub(super) build: Builder,
    /// Which results of the call the op gives.
    pub(super) results: Results,
    /// What has to be computed before the op.
    pub(super) prepare: Option<Prepare>,
}

/// Which results of a call its op gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Results {
    /// All of them.
    All,
    /// Those that come first; the others (statistics, positions, states of generators) are rarely read.
    First,
    /// The call gives only the last result of the op.
    Last,
}

/// Says what is to be computed before the op of a call, one step at a time: the argument that the result of the step
/// stands for from then on, and the step with its operands. `None` when nothing is left to do.
pub(super) type Prepare = for<'c, 'a> fn(&'c Call<'a>) -> Result<Option<Step>, String>;

/// An op before the last one of a call.
pub(super) type Step = (&'static str, Op, Inputs);

impl Row {
    const fn with_results(mut self, results: Results) -> Self {
        self.results = results;
        self
    }

    const fn after(mut self, prepare: Prepare) -> Self {
        self.prepare = Some(prepare);
        self
    }
}

/// Makes the op that a call stands for.
pub(super) type Builder = for<'c, 'a> fn(&'c Call<'a>) -> Built;

/// The operand has the recorded element type before anything is computed, where the call asks for one.
fn cast_operand(call: &Call<'_>) -> Result<Option<Step>, String> {
    let (input, ty) = call.typed("input")?;
    let wanted = call.result()?.dtype;
    let asked = call.given("dtype").is_some() || call.flag("half_to_float", false)?;
    let cast = Copy::Cast { dtype: wanted };
    Ok((asked && ty.dtype != wanted).then(|| ("input", cast.into(), Inputs::from_iter([input]))))
}

/// A row of a table.
const fn row(names: &'static str, signature: &'static str, build: Builder) -> Row {
    Row { names, signature, build, results: Results::All, prepare: None }
}

const TABLES: [&[Row]; 14] = [
    attention::ROWS,
    composite::ROWS,
    contraction::ROWS,
    convolution::ROWS,
    copy::ROWS,
    fill::ROWS,
    gather::ROWS,
    normalization::ROWS,
    pointwise::ROWS,
    pooling::ROWS,
    reduction::ROWS,
    scatter::ROWS,
    subscript::ROWS,
    view::ROWS,
];

static BY_NAME: LazyLock<HashMap<&'static str, &'static Row>> = LazyLock::new(|| {
    let rows = TABLES.iter().flat_map(|table| table.iter());
    rows.flat_map(|row| row.names.split_whitespace().map(move |name| (name, row))).collect()
});

/// The row with this name in the table.
pub(super) fn named(name: &str) -> Option<&'static Row> {
    BY_NAME.get(name).copied()
}

/// A target without its name space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Where it is from.
    space: Space,
    /// Its bare name; the whole target where the space is not one of PyTorch's.
    pub(super) name: &'a str,
    /// The overload of an `aten` operator; empty where there is none.
    overload: &'a str,
}

/// Where a function is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Space {
    /// `torch.nn.functional`.
    Functional,
    /// `torch`, `torch.special`, `torch.ops.aten` and methods of tensors.
    Torch,
    /// Python's `operator`.
    Operator,
    /// Anything else.
    Other,
}

/// Name spaces by prefix, longest first.
const SPACES: [(&str, Space); 6] = [
    ("torch.nn.functional.", Space::Functional),
    ("torch.ops.aten.", Space::Torch),
    ("torch.special.", Space::Torch),
    ("torch.Tensor.", Space::Torch),
    ("operator.", Space::Operator),
    ("torch.", Space::Torch),
];

impl<'a> Target<'a> {
    /// Reads a target as the document writes it.
    pub(super) fn of(form: Form, target: &'a str) -> Self {
        if form == Form::Method {
            return Self { space: Space::Torch, name: target, overload: "" };
        }
        for (prefix, space) in SPACES {
            let Some(name) = target.strip_prefix(prefix) else { continue };
            // ATen operators end in the name of an overload; deeper name spaces are not PyTorch's own functions.
            return match name.split_once('.') {
                None => Self { space, name, overload: "" },
                Some((name, overload)) if prefix.ends_with("aten.") => Self { space, name, overload },
                Some(_) => break,
            };
        }
        // Operators of other libraries end in the name of an overload too.
        let packet = target.strip_prefix("torch.ops.").and_then(|_| target.rsplit_once('.'));
        let (name, overload) = packet.filter(|(name, _)| name.split('.').count() == 4).unwrap_or((target, ""));
        Self { space: Space::Other, name, overload }
    }

    /// The row that says what the target means.
    pub(super) fn row(self) -> Option<&'static Row> {
        let plain = || if self.writes_in_place() { self.find(self.name.trim_end_matches('_')) } else { None };
        let overloaded = || named(&format!("{}.{}", self.name.trim_end_matches('_'), self.overload));
        let overloaded = if self.space == Space::Torch && !self.overload.is_empty() { overloaded() } else { None };
        overloaded.or_else(|| self.find(self.name)).or_else(plain)
    }

    fn find(self, name: &str) -> Option<&'static Row> {
        let prefix = match self.space {
            Space::Functional => "F.",
            Space::Torch => "torch.",
            Space::Operator => return named(name),
            // A bare name is not PyTorch's.
            Space::Other => return named(name).filter(|_| name.contains('.')),
        };
        named(&format!("{prefix}{name}")).or_else(|| named(name))
    }

    /// The call changes its first operand.
    pub(super) fn writes_in_place(self) -> bool {
        match self.space {
            Space::Functional | Space::Torch => self.name.ends_with('_') && !self.name.ends_with("__"),
            Space::Operator => OPERATORS_IN_PLACE.contains(&self.name),
            Space::Other => false,
        }
    }
}

/// The functions of `operator` that change a tensor which is their first operand.
const OPERATORS_IN_PLACE: [&str; 10] =
    ["iadd", "iand", "ifloordiv", "imod", "imul", "ior", "ipow", "isub", "itruediv", "ixor"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_signatures_well_formed() {
        let mut seen = BTreeSet::new();
        for row in TABLES.iter().flat_map(|table| table.iter()) {
            for name in row.names.split_whitespace() {
                assert!(seen.insert(name), "`{name}` has two rows");
            }
            let arguments: Vec<&str> = row.signature.split_whitespace().collect();
            let spellings = || arguments.iter().flat_map(|name| name.trim_start_matches('*').split('/'));
            let unique: BTreeSet<&str> = spellings().collect();
            assert_eq!(unique.len(), spellings().count(), "`{}` repeats an argument", row.names);
        }
    }

    #[test]
    fn targets_lose_their_name_space() {
        let cases = [
            (Form::Function, "torch.nn.functional.gelu", Space::Functional, "gelu", ""),
            (Form::Function, "torch.ops.aten.softmax.int", Space::Torch, "softmax", "int"),
            (Form::Function, "torch.ops.my.gelu.default", Space::Other, "torch.ops.my.gelu", "default"),
            (Form::Function, "torch.ops.my.gelu", Space::Other, "torch.ops.my.gelu", ""),
            (Form::Function, "torch.linalg.norm", Space::Other, "torch.linalg.norm", ""),
            (Form::Function, "operator.add", Space::Operator, "add", ""),
            (Form::Function, "my.gelu", Space::Other, "my.gelu", ""),
            (Form::Method, "gelu", Space::Torch, "gelu", ""),
        ];
        for (form, target, space, name, overload) in cases {
            assert_eq!(Target::of(form, target), Target { space, name, overload });
        }
    }

    #[test]
    fn in_place_variants_have_the_row_of_the_plain_name() {
        for (form, target, in_place) in [
            (Form::Method, "relu_", true),
            (Form::Method, "relu", false),
            (Form::Function, "operator.iadd", true),
            (Form::Function, "operator.and_", false),
            (Form::Function, "torch.ops.aten.hardtanh_.default", true),
        ] {
            let target = Target::of(form, target);
            assert!(target.row().is_some(), "{target:?}");
            assert_eq!(target.writes_in_place(), in_place, "{target:?}");
        }
        assert!(Target::of(Form::Function, "my.relu").row().is_none());
    }
}
