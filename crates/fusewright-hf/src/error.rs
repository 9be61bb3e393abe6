//! Why a configuration cannot be read.

use fusewright_ir::VerifyError;

/// The ways in which reading fails. The caller adds the name of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HfError {
    /// The bytes are not JSON.
    #[error("not JSON: {problem} at line {line}, column {column}; a config.json is one JSON object")]
    NotJson {
        /// What the parser found.
        problem: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// More text than a configuration has.
    #[error("{bytes} bytes, expected at most {limit}; a config.json has a few thousand")]
    TooLong {
        /// How many bytes there are.
        bytes: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The JSON is something else.
    #[error("`{path}` is {found}, expected an object with the keys of a model's configuration")]
    NotAnObject {
        /// Where.
        path: String,
        /// What is there.
        found: String,
    },
    /// The key that says what model this is does not exist.
    #[error("the configuration has no `model_type`; add it, for instance `\"model_type\": \"llama\"`")]
    NoModelType,
    /// A model without a builder.
    #[error(
        "`model_type` is \"{found}\", which is not known{}; export the model with torch.export and plan the .pt2 file",
        alternatives("; similar ones are ", similar)
    )]
    UnknownModelType {
        /// What the configuration says.
        found: String,
        /// Known ones that look like it.
        similar: Vec<String>,
    },
    /// An architecture that the model type has no head for.
    #[error(
        "`architectures` names \"{found}\", which `model_type` \"{model_type}\" does not have here{}; change or remove the key",
        alternatives(", expected a name that ends in ", expected)
    )]
    UnknownHead {
        /// The class.
        found: String,
        /// The model type.
        model_type: String,
        /// Endings that are known.
        expected: Vec<String>,
    },
    /// A key without which there is no graph.
    #[error("`{key}` is missing, expected {expected}")]
    MissingKey {
        /// The key, with the path to it.
        key: String,
        /// What it should hold.
        expected: String,
    },
    /// A key with a value that makes no model.
    #[error("`{key}` is {found}, expected {expected}")]
    BadKey {
        /// The key, with the path to it.
        key: String,
        /// Its value.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// Settings that a class has and the builder has not.
    #[error("`{key}` is {found}: {problem}")]
    Unsupported {
        /// The key, with the path to it.
        key: String,
        /// Its value.
        found: String,
        /// What cannot be done, and what to do instead.
        problem: String,
    },
    /// A size for a dim that models do not have.
    #[error("no dim is named `{name}`{}", alternatives("; this model has ", known))]
    UnknownBinding {
        /// The name.
        name: String,
        /// Those that can be bound.
        known: Vec<String>,
    },
    /// A size that no dim has.
    #[error("dim `{name}` = {size}, expected 1 to {limit}")]
    BadBinding {
        /// The name.
        name: String,
        /// The size.
        size: u64,
        /// The largest one.
        limit: u64,
    },
    /// A model that does not write token after token.
    #[error("`model_type` \"{model_type}\" has no decode phase; plan it without one")]
    NoDecode {
        /// The model type.
        model_type: String,
    },
    /// More nodes than a graph should hold.
    #[error("the graph has more than {limit} nodes at `{scope}`; check the number of layers")]
    TooManyNodes {
        /// The module that would have been next.
        scope: String,
        /// How many there may be.
        limit: usize,
    },
    /// Sizes that do not fit each other.
    #[error("`{place}`: {problem}; check the sizes in the configuration")]
    Shape {
        /// The module.
        place: String,
        /// What does not fit.
        problem: String,
    },
    /// The graph that was built is not one that fusewright plans.
    #[error("the graph is not valid: {0}")]
    Invalid(#[from] VerifyError),
}

/// Names after a lead-in; nothing when there are none.
fn alternatives(lead: &str, names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("{lead}`{}`", names.join("`, `")) }
}
