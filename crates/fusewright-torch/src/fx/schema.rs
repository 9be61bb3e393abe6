//! The document as typed structs. Unknown fields are ignored, absent tables are empty; everything else is checked while
//! parsing, so that an error names the path in the document. `decode` reads the values that have several JSON forms.

use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// The top level.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(crate) struct Document {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) training: bool,
    #[serde(default)]
    pub(crate) symbols: BTreeMap<String, SymbolEntry>,
    #[serde(default)]
    pub(crate) nodes: Vec<NodeEntry>,
    #[serde(default)]
    pub(crate) modules: HashMap<String, ModuleEntry>,
    #[serde(default)]
    pub(crate) params: Vec<TensorEntry>,
}

/// The range of a dynamic size, and its value in the example inputs.
#[derive(Clone, Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(crate) struct SymbolEntry {
    #[serde(default)]
    pub(crate) min: Option<i64>,
    #[serde(default)]
    pub(crate) max: Option<i64>,
    #[serde(default)]
    pub(crate) hint: Option<i64>,
}

/// What kind of node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Opcode {
    Placeholder,
    GetAttr,
    CallFunction,
    CallMethod,
    CallModule,
    Output,
}

/// A node.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(crate) struct NodeEntry {
    pub(crate) name: String,
    pub(crate) op: Opcode,
    #[serde(default)]
    pub(crate) target: String,
    #[serde(default)]
    pub(crate) args: Vec<Arg>,
    #[serde(default)]
    pub(crate) kwargs: Pairs,
    #[serde(default)]
    pub(crate) out: Option<Val>,
    #[serde(default)]
    pub(crate) scope: String,
    /// Names of its own for the members of a result that is a list; an empty one is no name. The JSON form has none,
    /// there members are taken out by further nodes.
    #[serde(skip)]
    pub(crate) results: Vec<String>,
}

/// A leaf module.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(crate) struct ModuleEntry {
    pub(crate) class: String,
    #[serde(default)]
    pub(crate) attrs: HashMap<String, Arg>,
    #[serde(default)]
    pub(crate) params: BTreeMap<String, TensorEntry>,
}

/// A parameter, buffer or constant of the model.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(crate) struct TensorEntry {
    pub(crate) name: String,
    pub(crate) shape: Vec<Size>,
    pub(crate) dtype: String,
    #[serde(default)]
    pub(crate) kind: Kind,
    #[serde(default)]
    pub(crate) alias_of: Option<String>,
}

/// Trained or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    #[default]
    Parameter,
    Buffer,
}

/// One extent of a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Number(i128),
    Symbol(String),
}

/// A plain value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Arg {
    Scalar(Scalar),
    Ref(String),
    List(Vec<Arg>),
    Tuple(Vec<Arg>),
    Dict(Pairs),
    Slice(Box<[Arg; 3]>),
    DType(String),
    Ellipsis,
    /// Something that decides nothing here: a device, a layout, the name of a type.
    Opaque(String),
}

/// Named arguments in the order of the document.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pairs(pub(crate) Vec<(String, Arg)>);

/// What a node produces.
#[derive(Debug, PartialEq)]
pub(crate) enum Val {
    Tensor { shape: Vec<Size>, dtype: String },
    Items(Vec<Val>),
    Const(Scalar),
    Opaque(String),
}
