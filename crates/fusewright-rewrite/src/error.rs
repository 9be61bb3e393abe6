//! Why a model cannot be rewritten.

use std::io;

use fusewright_onnx::OnnxError;

/// A model that cannot be rewritten, or a file that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// The model cannot be read.
    #[error(transparent)]
    Read(#[from] OnnxError),
    /// The bytes are not protobuf, or not in the layout of a model.
    #[error("the file is not an ONNX model: {0}; export it again")]
    Decode(#[from] prost::DecodeError),
    /// A file beside the model that holds weights.
    #[error("tensor `{tensor}`: its data in `{file}` {problem}; the weights are needed to write a model")]
    Weights {
        /// The tensor.
        tensor: String,
        /// The file as the model names it.
        file: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Weights in another file that belong to a sub-graph or function.
    #[error(
        "`{tensor}` lies in another file and belongs to a sub-graph or function; only weights of the graph itself \
         may lie elsewhere: save the model with all weights in one file"
    )]
    NestedExternal {
        /// The tensor.
        tensor: String,
    },
    /// A requested version that the model cannot be brought to.
    #[error("the model cannot be brought from version {from} of the standard operators to {to}: {problem}")]
    Version {
        /// The version of the model.
        from: i64,
        /// The version that was asked for.
        to: i64,
        /// What is in the way.
        problem: String,
    },
    /// The rewritten model is not one that can be read back.
    #[error("the rewritten model is not valid: {0}")]
    Broken(OnnxError),
    /// The output cannot be written.
    #[error("{0}")]
    Write(#[from] io::Error),
}
