//! Why a model cannot be read.

use fusewright_ir::VerifyError;

/// A model that cannot be read, with the place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The bytes are not protobuf, or not in the layout of a model.
    #[error("the file is not an ONNX model: {0}; export it again")]
    Decode(#[from] prost::DecodeError),
    /// The message structure is broken before anything is decoded.
    #[error("the file is not an ONNX model: {0}; export it again")]
    Malformed(&'static str),
    /// More entries than a model can have.
    #[error("the file describes more than {limit} {what}; this cannot be a model")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: u64,
    },
    /// A model without a graph.
    #[error("the model has no graph; export it again")]
    NoGraph,
    /// A name that is defined twice.
    #[error("`{name}` is defined twice; every value of a graph has one definition")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A node reads a name that nothing defines.
    #[error("node `{node}` reads `{name}`, which nothing defines")]
    Undefined {
        /// The reading node.
        node: String,
        /// The name.
        name: String,
    },
    /// Nodes are listed before what they read.
    #[error("node `{node}` reads `{name}`, which a later node makes; nodes must be listed in topological order")]
    WrongOrder {
        /// The reading node.
        node: String,
        /// The name.
        name: String,
    },
    /// Nodes that read each other's results.
    #[error("node `{node}` reads `{name}`, which depends on that node itself; a graph has no cycles")]
    Cycle {
        /// The reading node.
        node: String,
        /// The name.
        name: String,
    },
    /// A result that no node makes.
    #[error("the graph gives `{name}`, which nothing defines")]
    UndefinedOutput {
        /// The name.
        name: String,
    },
    /// Functions or sub-graphs that contain each other.
    #[error("node `{node}`: functions and sub-graphs are nested more than {limit} deep")]
    TooDeep {
        /// The innermost node.
        node: String,
        /// How deep they may be nested.
        limit: usize,
    },
    /// A tensor whose description contradicts itself.
    #[error("tensor `{tensor}`: {problem}")]
    Tensor {
        /// The tensor's name.
        tensor: String,
        /// What is wrong with it, and what was expected.
        problem: String,
    },
    /// Where a tensor's data lies cannot be right.
    #[error("tensor `{tensor}`: {problem}; external data must lie in a file beside the model")]
    External {
        /// The tensor's name.
        tensor: String,
        /// What is wrong with the place.
        problem: String,
    },
    /// An input whose type is not that of a tensor.
    #[error("input `{input}`: {problem}")]
    Input {
        /// The input's name.
        input: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A size was given for a name that the model does not have.
    #[error("the model has no open size named `{name}`{known}")]
    UnknownDim {
        /// The name.
        name: String,
        /// The names that it has, as a sentence end.
        known: String,
    },
    /// Two sizes for one dim.
    #[error("`{name}` is given the size {given}, but it is {size} already")]
    DimConflict {
        /// The name.
        name: String,
        /// The size that was given.
        given: u64,
        /// The size that it has.
        size: u64,
    },
    /// A size that no tensor can have.
    #[error("`{name}` is given the size {given}; a size lies between 1 and 2^40")]
    DimRange {
        /// The name.
        name: String,
        /// The size that was given.
        given: u64,
    },
    /// The graph that was built is not one that fusewright plans.
    #[error("the graph is not valid: {0}")]
    Invalid(#[from] VerifyError),
}
