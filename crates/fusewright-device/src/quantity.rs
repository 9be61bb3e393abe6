//! A number of a data sheet, with where it comes from.

use serde::{Deserialize, Serialize};

/// Where a number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Published by the maker.
    Datasheet,
    /// Measured on the device.
    Measured,
    /// Derived from other figures or from similar devices.
    Estimated,
}

impl Source {
    /// Public name.
    pub fn name(self) -> &'static str {
        match self {
            Source::Datasheet => "datasheet",
            Source::Measured => "measured",
            Source::Estimated => "estimated",
        }
    }
}

// Notes are for readers of the file: what is written for programs leaves them out.

/// A number with its source; the unit is in the name of the field that holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantity {
    /// The number.
    pub value: f64,
    /// Where it comes from.
    pub source: Source,
    /// What else there is to say: which publication, how measured, from what derived.
    #[serde(skip_serializing)]
    pub note: Option<String>,
}

/// A whole number that is a fact of the architecture, with its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// The number.
    pub value: u32,
    /// Where it comes from.
    pub source: Source,
    /// What else there is to say.
    #[serde(skip_serializing)]
    pub note: Option<String>,
}
