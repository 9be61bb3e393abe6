//! Why a document cannot be read.

use fusewright_ir::{MAX_ELEMENTS, VerifyError};

/// The ways in which reading fails. The caller adds the name of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FxError {
    /// The bytes are not JSON.
    #[error("not JSON: {problem} at line {line}, column {column}; FX JSON starts with `{{\"format\": \"fx-graph\"`")]
    NotJson {
        /// What the parser found.
        problem: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// The JSON ends early.
    #[error(
        "the JSON ends at line {line}, column {column}, inside an unfinished value; the file is cut off, write it again"
    )]
    Truncated {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// Brackets in brackets in brackets.
    #[error("the JSON is nested deeper than {limit} levels at line {line}, column {column}; a graph never is")]
    TooDeep {
        /// How deep it may be.
        limit: usize,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// JSON of another kind.
    #[error("this is JSON but not FX JSON: \"format\" is {found}, expected \"fx-graph\"")]
    WrongFormat {
        /// The tag found.
        found: String,
    },
    /// FX JSON of another version.
    #[error(
        "FX JSON of version {found}, expected version {supported}; export the model again with the bridge of this release"
    )]
    WrongVersion {
        /// The version found.
        found: String,
        /// The version that is read.
        supported: u64,
    },
    /// A part of the document has the wrong form.
    #[error("`{path}`: {problem} (line {line}, column {column})")]
    Schema {
        /// Where, e.g. `nodes[3].args[0]`.
        path: String,
        /// What was found and what was expected.
        problem: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// No nodes at all.
    #[error("the document has no nodes; export a traced model")]
    NoNodes,
    /// No node says what the result is.
    #[error(
        "the document has no `output` node, expected one at the end of `nodes`; the graph is incomplete, export it again"
    )]
    NoOutput,
    /// More than one node says what the result is.
    #[error("node `{second}`: a second `output` node after `{first}`, expected one; join the results in a tuple")]
    SeveralOutputs {
        /// The first output node.
        first: String,
        /// The second output node.
        second: String,
    },
    /// A name that two nodes have.
    #[error("node `{name}`: a second node of this name; names must be unique")]
    DuplicateNode {
        /// The name.
        name: String,
    },
    /// A reference to nothing.
    #[error("node `{node}` uses `{reference}`, but no node has this name; the graph is incomplete, export it again")]
    UnknownReference {
        /// The user.
        node: String,
        /// The missing node.
        reference: String,
    },
    /// A reference to the output node.
    #[error("node `{node}` uses `{reference}`, but that is the output node, which gives no value")]
    OutputUsed {
        /// The user.
        node: String,
        /// The output node.
        reference: String,
    },
    /// A reference to a node that itself depends on the user.
    #[error(
        "node `{node}` uses `{reference}`, which in turn depends on `{node}`: a cycle, and a graph must not have one"
    )]
    Cycle {
        /// The user.
        node: String,
        /// The node it uses.
        reference: String,
    },
    /// A reference to a node that comes later, without a cycle.
    #[error(
        "node `{node}` uses `{reference}`, which comes later; nodes must be listed in execution order (there is no cycle: sort them)"
    )]
    WrongOrder {
        /// The user.
        node: String,
        /// The node it uses.
        reference: String,
    },
    /// A node without its result's shape.
    #[error(
        "node `{node}` ({target}): `out` does not say what it produces, expected a shape and a dtype; export with example inputs"
    )]
    MissingShape {
        /// The node.
        node: String,
        /// What it calls.
        target: String,
    },
    /// An extent that no tensor has.
    #[error("{place}: extent {extent} in a shape, expected an integer from 0 to 2^48")]
    BadExtent {
        /// A node or parameter.
        place: String,
        /// The extent.
        extent: String,
    },
    /// A shape that no tensor has.
    #[error("{place}: shape {shape:?} has more than {MAX_ELEMENTS} elements (2^48); check the sizes")]
    TooManyElements {
        /// A node or parameter.
        place: String,
        /// The shape.
        shape: Vec<u64>,
    },
    /// Too many axes.
    #[error("{place}: a shape with {rank} axes, expected at most {limit}")]
    TooManyAxes {
        /// A node or parameter.
        place: String,
        /// How many.
        rank: usize,
        /// How many a tensor may have.
        limit: usize,
    },
    /// An element type without a counterpart.
    #[error("{place}: dtype `{dtype}` is not known, expected one of {known}")]
    UnknownDType {
        /// A node or parameter.
        place: String,
        /// The dtype.
        dtype: String,
        /// Those that are known.
        known: String,
    },
    /// A shape names a symbol that is not declared.
    #[error("{place}: size `{symbol}` is not declared in `symbols`{}", listed("; declared: ", known))]
    UnknownSymbol {
        /// A node or parameter.
        place: String,
        /// The name.
        symbol: String,
        /// Those that are declared.
        known: Vec<String>,
    },
    /// A named dim without a size.
    #[error("dim `{symbol}` has no size: the document gives no hint; bind it, e.g. `{symbol}=8`")]
    UnboundSymbol {
        /// The name.
        symbol: String,
    },
    /// A size outside the declared range.
    #[error("dim `{symbol}` = {size} is outside the range {min}..={} of the document; bind a size inside it", max_text(*max))]
    SymbolOutOfRange {
        /// The name.
        symbol: String,
        /// The size.
        size: i64,
        /// Smallest.
        min: i64,
        /// Largest.
        max: Option<i64>,
    },
    /// A size for a dim that the document does not have.
    #[error("no dim is named `{name}`{}", listed("; the document has ", known).if_empty("; all its sizes are fixed"))]
    UnknownBinding {
        /// The name.
        name: String,
        /// Those that can be bound.
        known: Vec<String>,
    },
    /// A size that is an expression, and cannot be computed.
    #[error(
        "size `{expression}` cannot be computed: {problem}; bind the dims to their hints or export at the wanted sizes"
    )]
    Expression {
        /// The expression.
        expression: String,
        /// Why.
        problem: String,
    },
    /// A call of a module that is not described.
    #[error(
        "node `{node}` calls module `{module}`, but `modules` has no entry for it; the document is incomplete, export it again"
    )]
    UnknownModule {
        /// The caller.
        node: String,
        /// The module path.
        module: String,
    },
    /// A name that two parameters have.
    #[error("parameter `{name}` is listed twice; names must be unique")]
    DuplicateParameter {
        /// The name.
        name: String,
    },
    /// A tied parameter without its original.
    #[error("parameter `{name}` is an alias of `{original}`, {problem}")]
    BadAlias {
        /// The alias.
        name: String,
        /// What it stands for.
        original: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// More of something than a graph holds.
    #[error("node `{node}`: the graph has more than {limit} {what}; this cannot be a model")]
    TooLarge {
        /// Where the limit was passed.
        node: String,
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// The graph that was built is not one that fusewright plans.
    #[error("the graph is not valid: {0}")]
    Invalid(#[from] VerifyError),
}

fn max_text(max: Option<i64>) -> String {
    max.map_or_else(|| "∞".to_owned(), |max| max.to_string())
}

/// Names after a lead-in; nothing when there are none.
fn listed(lead: &str, names: &[String]) -> Listed {
    Listed(if names.is_empty() { String::new() } else { format!("{lead}`{}`", names.join("`, `")) })
}

struct Listed(String);

impl Listed {
    fn if_empty(self, text: &str) -> Self {
        if self.0.is_empty() { Self(text.to_owned()) } else { self }
    }
}

impl std::fmt::Display for Listed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
