//! From what can go wrong in Rust to the exceptions of `fusewright.errors`.

use fusewright::Error;
use pyo3::prelude::*;

/// Something that ends a call.
pub(crate) enum Problem {
    /// The facade refused.
    Facade(Box<Error>),
    /// An argument has a value that it cannot have.
    Usage(String),
    /// Something of the machine that is measured.
    Machine(String),
    /// A bug of ours.
    Bug(String),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Problem::Facade(Box::new(error))
    }
}

impl Problem {
    /// The exception's class in `fusewright.errors`.
    fn class(&self) -> &'static str {
        match self {
            Problem::Facade(error) => match **error {
                Error::UnknownModel { .. } => "ModelNotFoundError",
                Error::UnknownDevice { .. } => "DeviceNotFoundError",
                Error::UnknownPattern { .. } => "PatternNotFoundError",
                Error::Device { .. } => "DeviceError",
                Error::Pattern { .. } => "PatternError",
                Error::KernelTable { .. } => "KernelTableError",
                _ if error.exit_code() == 2 => "UsageError",
                _ if error.exit_code() == 70 => "InternalError",
                _ => "ModelReadError",
            },
            Problem::Usage(_) => "UsageError",
            Problem::Machine(_) => "DeviceError",
            Problem::Bug(_) => "InternalError",
        }
    }

    fn message(&self) -> String {
        match self {
            Problem::Facade(error) => error.to_string(),
            Problem::Usage(text) | Problem::Machine(text) | Problem::Bug(text) => text.clone(),
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Problem::Facade(error) => error.help(),
            _ => None,
        }
    }

    /// The exception.
    pub(crate) fn raise(&self, py: Python<'_>) -> PyErr {
        let made = py
            .import("fusewright.errors")
            .and_then(|module| module.getattr(self.class()))
            .and_then(|class| class.call1((self.message(), self.help())));
        match made {
            Ok(exception) => PyErr::from_value(exception),
            Err(error) => error,
        }
    }
}
