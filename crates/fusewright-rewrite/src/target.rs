//! What the written model is for.

use std::fmt;
use std::str::FromStr;

/// Which operators the written model may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard operators of the model's version, or of the one that is asked for.
    Onnx,
    /// Those of ONNX Runtime too (`com.microsoft`).
    Ort,
}

impl Target {
    /// All targets.
    pub const ALL: [Target; 2] = [Target::Onnx, Target::Ort];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Target::Onnx => "onnx",
            Target::Ort => "ort",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|target| target.name() == text);
        found.ok_or_else(|| format!("`{text}` is no target; there are `onnx` and `ort`"))
    }
}
