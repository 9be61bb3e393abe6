//! Why a device file is refused.

use std::fmt;

/// Why a device file is refused. Every message names the file and the place in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// It is no TOML, a field is missing or unknown, or a value has the wrong type.
    #[error("{file}, line {line}, column {column}: {problem}")]
    Unreadable {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What the reader says: it names the field and what may stand there.
        problem: String,
    },
    /// It can be read, but no such device can exist.
    #[error("{file}: {}", Listed(.problems))]
    Impossible {
        /// The file.
        file: String,
        /// Everything that is wrong with it.
        problems: Vec<Problem>,
    },
}

impl DeviceError {
    /// The file.
    pub fn file(&self) -> &str {
        match self {
            DeviceError::Unreadable { file, .. } | DeviceError::Impossible { file, .. } => file,
        }
    }

    /// Everything that is wrong, one text each, without the name of the file.
    pub fn problems(&self) -> Vec<String> {
        match self {
            DeviceError::Unreadable { line, column, problem, .. } => {
                vec![format!("line {line}, column {column}: {problem}")]
            }
            DeviceError::Impossible { problems, .. } => problems.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Something that cannot be true of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The rule that is broken, e.g. `peak-identity`.
    pub rule: &'static str,
    /// The field, e.g. `peak.bf16`.
    pub field: String,
    /// What it says, what was expected, what to do.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.field, self.text, self.rule)
    }
}

/// Problems in one line.
struct Listed<'a>(&'a [Problem]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if position == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}
