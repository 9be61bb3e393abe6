//! Host work: sizes, shape arithmetic and checks that run in the framework's language, not on the device.

use crate::{AttributeError, Attributes};

/// The host ops. They launch nothing and move no device bytes; results are [`Type::Host`](crate::Type::Host).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// The extent of an axis of operand x, or the whole shape.
    Size {
        /// Which axis; `None` for the shape as a tuple.
        axis: Option<i64>,
    },
    /// The element type of operand x.
    DType,
    /// Arithmetic, comparison or attribute access on host values.
    Compute,
    /// A check that raises; no results.
    Assert,
}

impl Host {
    pub(crate) fn mnemonic(&self) -> &'static str {
        match self {
            Host::Size { .. } => "size",
            Host::DType => "dtype_of",
            Host::Compute => "host_compute",
            Host::Assert => "assert",
        }
    }

    pub(crate) fn write(&self, attributes: &mut Attributes) {
        if let Host::Size { axis: Some(axis) } = self {
            attributes.set_int("axis", *axis);
        }
    }

    pub(crate) fn read(mnemonic: &str, attributes: &mut Attributes) -> Result<Option<Self>, AttributeError> {
        Ok(Some(match mnemonic {
            "size" => Host::Size { axis: attributes.optional_int("axis")? },
            "dtype_of" => Host::DType,
            "host_compute" => Host::Compute,
            "assert" => Host::Assert,
            _ => return Ok(None),
        }))
    }
}
