//! What can go wrong when a graph is run.

/// Why a graph could not be run, or two could not be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// No kernel for an op.
    #[error("node `{node}` cannot be run: {problem}")]
    Unsupported {
        /// The node's name.
        node: String,
        /// Which op, and what is missing.
        problem: String,
    },
    /// A value of the wrong type or shape was met.
    #[error("node `{node}` ({op}) failed: {problem}")]
    Failed {
        /// The node's name.
        node: String,
        /// Its op.
        op: &'static str,
        /// What was found and expected.
        problem: String,
    },
    /// An input does not fit the graph.
    #[error("input `{input}`: {problem}")]
    Input {
        /// The input's name.
        input: String,
        /// What was found and expected.
        problem: String,
    },
    /// The elements of a weight cannot be fetched.
    #[error("`{name}` cannot be read: {problem}")]
    Weight {
        /// The value's name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A plan does not belong to the graph.
    #[error("the plan does not fit the graph: {problem}")]
    Plan {
        /// What does not fit.
        problem: String,
    },
    /// Two models have nothing that could be compared.
    #[error("the models cannot be compared: {problem}")]
    Unrelated {
        /// What does not correspond.
        problem: String,
    },
}
