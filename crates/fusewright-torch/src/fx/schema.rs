//! The document as typed structs. Unknown fields are ignored, absent tables are empty; everything else is checked while
//! parsing, so that an error names the path in the document. `decode` reads the values that have several JSON forms.

use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// The top level.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Document {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) training: bool,
    #[serde(default)]
    pub(super) symbols: BTreeMap<String, SymbolEntry>,
    #[serde(default)]
    pub(super) nodes: Vec<NodeEntry>,
    #[serde(default)]
    pub(super) modules: HashMap<String, ModuleEntry>,
    #[serde(default)]
    pub(super) params: Vec<TensorEntry>,
}

/// The range of a dynamic size, and its value in the example inputs.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct SymbolEntry {
    #[serde(default)]
    pub(super) min: Option<i64>,
    #[serde(default)]
    pub(super) max: Option<i64>,
    #[serde(default)]
    pub(super) hint: Option<i64>,
}

/// What kind of node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Opcode {
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
pub(super) struct NodeEntry {
    pub(super) name: String,
    pub(super) op: Opcode,
    #[serde(default)]
    pub(super) target: String,
    #[serde(default)]
    pub(super) args: Vec<Arg>,
    #[serde(default)]
    pub(super) kwargs: Pairs,
    #[serde(default)]
    pub(super) out: Option<Val>,
    #[serde(default)]
    pub(super) scope: String,
}

/// A leaf module.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct ModuleEntry {
    pub(super) class: String,
    #[serde(default)]
    pub(super) attrs: HashMap<String, Arg>,
    #[serde(default)]
    pub(super) params: BTreeMap<String, TensorEntry>,
}

/// A parameter, buffer or constant of the model.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct TensorEntry {
    pub(super) name: String,
    pub(super) shape: Vec<Size>,
    pub(super) dtype: String,
    #[serde(default)]
    pub(super) kind: Kind,
    #[serde(default)]
    pub(super) alias_of: Option<String>,
}

/// Trained or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    #[default]
    Parameter,
    Buffer,
}

/// One extent of a shape.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Size {
    Number(i128),
    Symbol(String),
}

/// A plain value.
#[derive(Debug, PartialEq)]
pub(super) enum Scalar {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

/// An argument of a call.
#[derive(Debug, PartialEq)]
pub(super) enum Arg {
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
#[derive(Debug, Default, PartialEq)]
pub(super) struct Pairs(pub(super) Vec<(String, Arg)>);

/// What a node produces.
#[derive(Debug, PartialEq)]
pub(super) enum Val {
    Tensor { shape: Vec<Size>, dtype: String },
    Items(Vec<Val>),
    Const(Scalar),
    Opaque(String),
}
