//! The lock file: what the plans of some models were when somebody looked at them and agreed.
//!
//! It is written to be committed: keys are sorted, repeated layers are one line, a change of one fusion changes one line.
//! Counts in it are exact, times are predictions.

mod entry;
mod read;
mod write;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use entry::{LockDevice, LockEntry, LockModel, LockSettings, LockStrategy};
pub use read::LockError;

/// Version of the lock file's form.
pub const LOCK_VERSION: u32 = 1;

/// Name that the lock file has unless another is given.
pub const LOCK_FILE: &str = "fusewright.lock.json";

/// The lock file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Lock {
    /// One entry for each model with the options that it is planned with: the name is what follows `fusewright check`.
    pub models: BTreeMap<String, LockEntry>,
    /// Version of this form: 1.
    #[cfg_attr(test, schemars(range(min = 1, max = 1)))]
    pub schema_version: u32,
}

impl Default for Lock {
    /// A lock file without models.
    fn default() -> Self {
        Self { models: BTreeMap::new(), schema_version: LOCK_VERSION }
    }
}
