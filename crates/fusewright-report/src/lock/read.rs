//! Reading a lock file, with errors that name the place in it.

use super::{LOCK_VERSION, Lock};
use crate::places::{MOST_PATHS_IN_ALL, unfold_place};

/// What is wrong with a lock file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// No JSON, or not of this form.
    #[error("{problem}; expected a lock file as `fusewright check --update` writes it")]
    Malformed {
        /// What the parser says, with line and column.
        #[source]
        problem: serde_json::Error,
    },
    /// Another version of the form.
    #[error("its schema_version is {found}, expected {LOCK_VERSION}")]
    Version {
        /// What it says.
        found: u64,
    },
    /// An option that does not exist.
    #[error("settings of `{model}`: {problem}")]
    Setting {
        /// The entry.
        model: String,
        /// Which option, and what was expected.
        problem: String,
    },
    /// A place that stands for no module path.
    #[error("`{place}` in the plan {strategy} of `{model}` is no place; numbers are folded as in `layer.{{0-11}}`")]
    Place {
        /// The entry.
        model: String,
        /// The plan.
        strategy: String,
        /// The line.
        place: String,
    },
}

impl Lock {
    /// Reads a lock file.
    pub fn read(text: &str) -> Result<Self, LockError> {
        let malformed = |problem| LockError::Malformed { problem };
        // A file of another version is not measured by the fields of this one.
        let version: Version = serde_json::from_str(text).map_err(malformed)?;
        if version.schema_version != u64::from(LOCK_VERSION) {
            return Err(LockError::Version { found: version.schema_version });
        }
        let lock: Lock = serde_json::from_str(text).map_err(malformed)?;
        let mut left = MOST_PATHS_IN_ALL;
        for (model, entry) in &lock.models {
            for (strategy, plan) in &entry.strategies {
                for place in plan.fused.values().flat_map(|places| places.keys()) {
                    let count = unfold_place(place).map_or(usize::MAX, |paths| paths.len());
                    left = left.checked_sub(count).ok_or_else(|| {
                        let (model, strategy) = (model.clone(), strategy.clone());
                        LockError::Place { model, strategy, place: place.clone() }
                    })?;
                }
            }
        }
        Ok(lock)
    }
}

#[derive(serde::Deserialize)]
struct Version {
    schema_version: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_was_expected() {
        let problem = |text: &str| Lock::read(text).expect_err("it is wrong").to_string();
        assert!(problem("{").contains("line 1"), "{}", problem("{"));
        assert!(problem("[]").contains("expected"), "{}", problem("[]"));
        assert_eq!(problem("{\"schema_version\": 2}"), "its schema_version is 2, expected 1");
        let text = "{\"models\": {}, \"schema_version\": 1, \"more\": 0}";
        assert!(problem(text).contains("unknown field `more`"), "{}", problem(text));
    }
}
