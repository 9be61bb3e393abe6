//! The program as typed structs. Every field has a default and unknown ones are ignored, for each torch release adds
//! some; `argument` reads the unions.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Deserializer};

use super::argument::{Argument, Extent};

/// Takes `null` for an absent value: writers state empty tables either way.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The version of the schema.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(super) struct Version {
    pub(super) major: i64,
    pub(super) minor: i64,
}

/// The top level.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(super) struct Program {
    pub(super) graph_module: GraphModule,
    #[serde(deserialize_with = "or_default")]
    pub(super) range_constraints: BTreeMap<String, Range>,
    #[serde(deserialize_with = "or_default")]
    pub(super) guards_code: Vec<String>,
}

/// The legal values of a symbol; a bound that is not an integer of 64 bits is none.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(super) struct Range {
    #[serde(deserialize_with = "bound")]
    pub(super) min_val: Option<i64>,
    #[serde(deserialize_with = "bound")]
    pub(super) max_val: Option<i64>,
}

fn bound<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(serde_json::Value::deserialize(deserializer)?.as_i64())
}

/// A graph and what its inputs and outputs are.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(super) struct GraphModule {
    pub(super) graph: Graph,
    #[serde(deserialize_with = "or_default")]
    pub(super) signature: Signature,
}

/// Nodes in order, and the type of every value.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(super) struct Graph {
    #[serde(deserialize_with = "or_default")]
    pub(super) inputs: Vec<Argument>,
    #[serde(deserialize_with = "or_default")]
    pub(super) outputs: Vec<Argument>,
    #[serde(deserialize_with = "or_default")]
    pub(super) nodes: Vec<Node>,
    #[serde(deserialize_with = "or_default")]
    pub(super) tensor_values: HashMap<String, TensorMeta>,
    #[serde(deserialize_with = "or_default")]
    pub(super) sym_int_values: HashMap<String, Extent>,
}

/// A call.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(super) struct Node {
    pub(super) target: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) inputs: Vec<NamedArgument>,
    #[serde(deserialize_with = "or_default")]
    pub(super) outputs: Vec<Argument>,
    #[serde(deserialize_with = "or_default")]
    pub(super) metadata: Metadata,
    #[serde(deserialize_with = "or_default")]
    pub(super) name: String,
}

/// An argument with its name in the op's schema; operators of higher order leave it empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(super) struct NamedArgument {
    #[serde(deserialize_with = "or_default")]
    pub(super) name: String,
    pub(super) arg: Argument,
}

impl NamedArgument {
    /// It is a flag that is set.
    pub(super) fn arg_is_true(&self) -> bool {
        matches!(self.arg, Argument::Bool(true))
    }
}

/// Where a call comes from.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(super) struct Metadata {
    #[serde(deserialize_with = "or_default")]
    pub(super) nn_module_stack: String,
}

/// The type of a tensor. Strides only say how a weight is stored: where memory is shared the graph says by its ops.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct TensorMeta {
    pub(super) dtype: i64,
    #[serde(default)]
    pub(super) sizes: Vec<Extent>,
    #[serde(default)]
    pub(super) strides: Vec<Extent>,
    #[serde(default = "no_offset")]
    pub(super) storage_offset: Extent,
    #[serde(default = "strided")]
    pub(super) layout: i64,
}

fn no_offset() -> Extent {
    Extent::Number(0)
}

fn strided() -> i64 {
    super::codes::STRIDED
}

/// What inputs and outputs are.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(super) struct Signature {
    #[serde(deserialize_with = "or_default")]
    pub(super) input_specs: Vec<InputSpec>,
    #[serde(deserialize_with = "or_default")]
    pub(super) output_specs: Vec<OutputSpec>,
}

/// One input: at most one field is given, and none for a plain input of the user.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(super) struct InputSpec {
    pub(super) parameter: Option<ParameterSpec>,
    pub(super) buffer: Option<BufferSpec>,
    pub(super) tensor_constant: Option<ConstantSpec>,
}

/// The name of a value in the graph.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(super) struct Name {
    pub(super) name: String,
}

/// A trained tensor.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(super) struct ParameterSpec {
    pub(super) arg: Name,
    pub(super) parameter_name: String,
}

/// State that is not trained.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(super) struct BufferSpec {
    pub(super) arg: Name,
    pub(super) buffer_name: String,
}

/// A literal of the model.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(super) struct ConstantSpec {
    pub(super) arg: Name,
    pub(super) tensor_constant_name: String,
}

/// One output. What is not a token is a tensor that the call leaves behind: a result, or state that it changed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(super) struct OutputSpec {
    pub(super) token: Option<serde::de::IgnoredAny>,
}

/// A table of weights.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(super) struct WeightsTable {
    #[serde(deserialize_with = "or_default")]
    pub(super) config: BTreeMap<String, Weight>,
}

/// Where the elements of a weight are.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "an object")]
pub(super) struct Weight {
    pub(super) path_name: String,
    pub(super) tensor_meta: Option<TensorMeta>,
    /// The file is a container of its own, as `torch.save` writes it.
    #[serde(default)]
    pub(super) use_pickle: bool,
}
