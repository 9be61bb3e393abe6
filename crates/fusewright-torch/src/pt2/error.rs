//! Why an archive cannot be read.

use crate::fx::FxError;

/// The ways in which reading fails. The caller adds the name of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Pt2Error {
    /// The bytes are no zip archive, or one that is cut off.
    #[error("not a readable zip archive: {problem}; expected what `torch.export.save` writes, the file may be cut off")]
    NotZip {
        /// What the zip reader found.
        problem: String,
    },
    /// The archive lists more entries than a model has.
    #[error("the archive lists more than {limit} entries; this cannot be a model")]
    TooManyEntries {
        /// How many there may be.
        limit: usize,
    },
    /// A zip archive of something else.
    #[error(
        "the archive holds no exported program: expected an entry `models/<name>.json` or \
         `serialized_exported_program.json`; save the model with `torch.export.save`"
    )]
    NoProgram,
    /// Several programs, and none has the usual name.
    #[error("the archive holds several programs ({}), expected one or one named `model`; save them apart", names.join(", "))]
    SeveralPrograms {
        /// Their entries.
        names: Vec<String>,
    },
    /// An entry whose bytes are not what the archive says.
    #[error("entry `{entry}`: {problem}; the file is damaged, write it again")]
    Entry {
        /// The entry.
        entry: String,
        /// What is wrong.
        problem: String,
    },
    /// An entry that is larger than any program.
    #[error("entry `{entry}` is more than {limit} bytes long when unpacked; this cannot be a model")]
    EntryTooLarge {
        /// The entry.
        entry: String,
        /// The most bytes that are read of an entry of its packed size.
        limit: u64,
    },
    /// An entry that is not JSON.
    #[error("entry `{entry}` is not JSON: {problem} at line {line}, column {column}")]
    NotJson {
        /// The entry.
        entry: String,
        /// What the parser found.
        problem: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// Brackets in brackets in brackets.
    #[error("entry `{entry}` is nested deeper than {limit} levels at line {line}, column {column}; a program never is")]
    TooDeep {
        /// The entry.
        entry: String,
        /// How deep it may be.
        limit: usize,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A part of the JSON has the wrong form.
    #[error("entry `{entry}`: `{path}`: {problem} (line {line}, column {column})")]
    Schema {
        /// The entry.
        entry: String,
        /// Where, e.g. `graph_module.graph.nodes[3].inputs[0]`.
        path: String,
        /// What was found and what was expected.
        problem: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A schema that this reader does not know.
    #[error(
        "exported program of schema {found}, expected {oldest} to {newest}; export the model again with a torch from 2.6 to 2.15"
    )]
    WrongVersion {
        /// The schema found.
        found: String,
        /// The oldest that is read.
        oldest: String,
        /// The newest that is read.
        newest: String,
    },
    /// A number that stands for nothing.
    #[error("{place}: {what} has the code {code}, which is not known; export the model again with an older torch")]
    UnknownCode {
        /// Where.
        place: String,
        /// A dtype, a layout or a memory format.
        what: &'static str,
        /// The code.
        code: i64,
    },
    /// A value that no input and no earlier node gives.
    #[error(
        "{place} uses `{value}`, but no input and no earlier node gives it; the program is incomplete, export it again"
    )]
    UnknownValue {
        /// The user.
        place: String,
        /// The value.
        value: String,
    },
    /// A tensor whose shape is not stated.
    #[error("{place}: `tensor_values` has no entry for `{value}`; the program is incomplete, export it again")]
    MissingShape {
        /// The maker.
        place: String,
        /// The tensor.
        value: String,
    },
    /// A size for a dim that the program does not have.
    #[error("no dim is named `{name}`{}", known_dims(known))]
    UnknownBinding {
        /// The name.
        name: String,
        /// Those that can be bound.
        known: Vec<String>,
    },
    /// Two names of one dim are given different sizes.
    #[error(
        "`{name}` = {size} contradicts another size given for the same dim, {other}; the program says that they are equal"
    )]
    Contradiction {
        /// The name.
        name: String,
        /// Its size.
        size: u64,
        /// The other one.
        other: u64,
    },
    /// The program is well-formed, but no graph can be built of it.
    #[error("{0}")]
    Graph(FxError),
}

fn known_dims(known: &[String]) -> String {
    if known.is_empty() {
        return "; all sizes of the program are fixed, export it with dynamic shapes".to_owned();
    }
    format!("; the program has `{}`", known.join("`, `"))
}
