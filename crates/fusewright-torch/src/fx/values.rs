//! What each node of the document stands for while it is read, and arguments looked up in that.

use std::cell::Cell;

use fusewright_ir::{Graph, Storage, TensorType, Type, ValueId};

use super::mutation::Mutations;
use super::references::{Position, References};
use super::schema::{Arg, Scalar, Val};
use super::symbols::{Sizes, dtype};

/// What a node produced.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// A tensor.
    Tensor(ValueId),
    /// A value on the host.
    Host(ValueId, Known),
    /// A value that no IR node makes.
    Literal(Known),
    /// A tuple or list that holds tensors.
    Items(Vec<Held>),
}

/// How much is known about a value on the host.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Known {
    /// Nothing.
    Unknown,
    /// It is `None`.
    None,
    /// An integer or a truth value.
    Int(i64),
    /// A float.
    Float(f64),
    /// A tuple or list.
    Items(Vec<Known>),
}

impl Known {
    /// What a recorded value says; tensors say nothing here.
    pub(super) fn of(val: &Val, sizes: &Sizes<'_>) -> Self {
        match val {
            Val::Const(Scalar::None) => Known::None,
            Val::Const(Scalar::Bool(flag)) => Known::Int(i64::from(*flag)),
            Val::Const(Scalar::Int(value)) => Known::Int(*value),
            Val::Const(Scalar::Float(value)) => Known::Float(*value),
            Val::Const(Scalar::Text(symbol)) => sizes.known(symbol).map_or(Known::Unknown, Known::Int),
            Val::Items(items) => Known::Items(items.iter().map(|item| Known::of(item, sizes)).collect()),
            Val::Tensor { .. } | Val::Opaque(_) => Known::Unknown,
        }
    }

    /// The type of a host value of which this is known.
    pub(super) fn host_type(val: &Val, sizes: &Sizes<'_>) -> Type {
        match (val, Known::of(val, sizes)) {
            (Val::Const(Scalar::Int(_) | Scalar::Text(_)), Known::Int(value)) => Type::Host(Some(value)),
            _ => Type::Host(None),
        }
    }
}

/// An argument, its references followed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operand<'a> {
    /// A tensor.
    Tensor(ValueId),
    /// A value that the host computes, if a node makes it, and what is known of it.
    Host(Option<ValueId>, &'a Known),
    /// Written in the call.
    Scalar(&'a Scalar),
    /// A list or tuple.
    Items(Items<'a>),
    /// Start, stop and step.
    Slice(&'a [Arg; 3]),
    /// An element type, by its name in the document.
    DType(&'a str),
    /// `...`.
    Ellipsis,
    /// A dictionary.
    Dict(&'a [(String, Arg)]),
    /// Anything else.
    Opaque(&'a str),
}

/// The items of a list or tuple.
#[derive(Clone, Copy, Debug)]
pub(super) enum Items<'a> {
    /// Written as a list.
    List(&'a [Arg]),
    /// Written as a tuple.
    Tuple(&'a [Arg]),
    /// Made by a node.
    Held(&'a [Held]),
}

impl Items<'_> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Items::List(items) | Items::Tuple(items) => items.len(),
            Items::Held(items) => items.len(),
        }
    }
}

/// The graph so far, and what each node of the document stands for in it.
#[derive(Debug)]
pub(super) struct Env<'d> {
    pub(super) graph: Graph,
    pub(super) references: References<'d>,
    pub(super) mutations: Mutations,
    /// How the values of the graph lie in memory, as far as it was followed.
    pub(super) storage: Storage,
    /// By position in the document, as far as the walk has come.
    pub(super) held: Vec<Held>,
    /// How many more items of lists may be looked at. Lists are shared by reference, so a small document could name a
    /// long list very often.
    pub(super) fuel: Cell<usize>,
}

impl Env<'_> {
    /// An argument with its references followed. References are checked before the walk.
    pub(super) fn operand<'a>(&'a self, arg: &'a Arg) -> Operand<'a> {
        match arg {
            Arg::Scalar(scalar) => Operand::Scalar(scalar),
            Arg::Ref(name) => match self.references.position(name).and_then(|position| self.made(position)) {
                Some(held) => self.held_operand(held),
                None => Operand::Opaque(name),
            },
            Arg::List(items) => Operand::Items(Items::List(items)),
            Arg::Tuple(items) => Operand::Items(Items::Tuple(items)),
            Arg::Dict(pairs) => Operand::Dict(&pairs.0),
            Arg::Slice(parts) => Operand::Slice(parts),
            Arg::DType(name) => Operand::DType(name),
            Arg::Ellipsis => Operand::Ellipsis,
            Arg::Opaque(text) => Operand::Opaque(text),
        }
    }

    fn made(&self, position: Position) -> Option<&Held> {
        match (self.held.get(position.node)?, position.member) {
            (held, None) => Some(held),
            (Held::Items(items), Some(member)) => items.get(member),
            (_, Some(_)) => None,
        }
    }

    fn held_operand<'a>(&'a self, held: &'a Held) -> Operand<'a> {
        match held {
            Held::Tensor(value) => Operand::Tensor(self.mutations.current(*value)),
            Held::Host(value, known) => Operand::Host(Some(*value), known),
            Held::Literal(known) => Operand::Host(None, known),
            Held::Items(items) => Operand::Items(Items::Held(items)),
        }
    }

    /// Accounts for `steps` items looked at; false when there were too many.
    pub(super) fn spend(&self, steps: usize) -> bool {
        self.fuel.set(self.fuel.get().saturating_sub(steps));
        self.fuel.get() > 0
    }

    /// The item at `index`.
    pub(super) fn item<'a>(&'a self, items: Items<'a>, index: usize) -> Option<Operand<'a>> {
        if !self.spend(1) {
            return None;
        }
        match items {
            Items::List(args) | Items::Tuple(args) => args.get(index).map(|arg| self.operand(arg)),
            Items::Held(held) => held.get(index).map(|item| self.held_operand(item)),
        }
    }

    /// All items in order.
    pub(super) fn items<'a>(&'a self, items: Items<'a>) -> impl Iterator<Item = Operand<'a>> {
        (0..items.len()).map_while(move |index| self.item(items, index))
    }

    /// Appends every value that an operand holds; with `hosts` only those on the host.
    pub(super) fn collect(&self, operand: Operand<'_>, hosts: bool, into: &mut Vec<ValueId>) {
        match operand {
            Operand::Tensor(value) => into.extend((!hosts).then_some(value)),
            Operand::Host(value, _) => into.extend(value),
            Operand::Items(items) => self.items(items).for_each(|item| self.collect(item, hosts, into)),
            Operand::Slice(parts) => parts.iter().for_each(|part| self.collect(self.operand(part), hosts, into)),
            Operand::Dict(pairs) => pairs.iter().for_each(|(_, arg)| self.collect(self.operand(arg), hosts, into)),
            Operand::Scalar(_) | Operand::DType(_) | Operand::Ellipsis | Operand::Opaque(_) => {}
        }
    }

    /// Appends every tensor that an operand holds.
    pub(super) fn tensors(&self, operand: Operand<'_>, into: &mut Vec<ValueId>) {
        let mut all = Vec::new();
        self.collect(operand, false, &mut all);
        into.extend(all.into_iter().filter(|&value| self.graph.tensor(value).is_some()));
    }

    /// The type of a tensor operand.
    pub(super) fn tensor_type(&self, value: ValueId) -> Result<&TensorType, String> {
        self.graph.tensor(value).ok_or_else(|| format!("`{}` is not a tensor", self.graph.value_name(value)))
    }
}

impl Operand<'_> {
    /// `None`, written or computed.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Operand::Scalar(Scalar::None) | Operand::Host(_, Known::None))
    }

    /// An integer, written or known at load.
    pub(super) fn int(&self) -> Option<i64> {
        match self {
            Operand::Scalar(Scalar::Int(value)) | Operand::Host(_, Known::Int(value)) => Some(*value),
            Operand::Scalar(Scalar::Bool(flag)) => Some(i64::from(*flag)),
            _ => None,
        }
    }

    /// A number, written or known at load.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Operand::Scalar(Scalar::Float(value)) | Operand::Host(_, Known::Float(value)) => Some(*value),
            _ => self.int().map(|value| value as f64),
        }
    }

    /// What kind of thing it is, for messages.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Operand::Tensor(_) => "a tensor",
            Operand::Host(_, Known::Unknown) => "known only when the model runs",
            Operand::Host(_, Known::None) | Operand::Scalar(Scalar::None) => "None",
            Operand::Host(_, Known::Int(_)) | Operand::Scalar(Scalar::Int(_)) => "an integer",
            Operand::Host(_, Known::Float(_)) | Operand::Scalar(Scalar::Float(_)) => "a float",
            Operand::Host(_, Known::Items(_)) | Operand::Items(_) => "a list",
            Operand::Scalar(Scalar::Bool(_)) => "a truth value",
            Operand::Scalar(Scalar::Text(_)) => "a text",
            Operand::Slice(_) => "a slice",
            Operand::DType(name) if dtype(name).is_none() => "an unknown dtype",
            Operand::DType(_) => "a dtype",
            Operand::Ellipsis => "an ellipsis",
            Operand::Dict(_) => "a dictionary",
            Operand::Opaque(_) => "an opaque object",
        }
    }
}
