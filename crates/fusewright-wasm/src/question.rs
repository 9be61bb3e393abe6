//! What is asked, and what went wrong.

use std::collections::BTreeMap;

use fusewright::{DType, Error, Phase, Session};
use serde::{Deserialize, Serialize};

/// A question: how to open the model and what to plan.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Question {
    pub(crate) device: Option<String>,
    pub(crate) dtype: Option<String>,
    pub(crate) autocast: Option<String>,
    pub(crate) phase: Option<String>,
    pub(crate) dims: BTreeMap<String, u64>,
    pub(crate) strategies: Vec<String>,
    pub(crate) profile: Option<String>,
}

impl Question {
    pub(crate) fn read(text: &str) -> Result<Self, Failure> {
        serde_json::from_str(text).map_err(|problem| Failure::usage(format!("the question is malformed: {problem}")))
    }

    /// How the model is opened.
    pub(crate) fn session(&self) -> Result<Session, Failure> {
        let dtype = |name: &Option<String>| {
            let unknown = |name: &String| Failure::usage(format!("there is no element type `{name}`"));
            name.as_ref().map(|name| DType::from_name(name).ok_or_else(|| unknown(name))).transpose()
        };
        let mut session = Session::new();
        for (name, &size) in &self.dims {
            session = session.with_dim(name.clone(), size);
        }
        if let Some(dtype) = dtype(&self.dtype)? {
            session = session.with_dtype(dtype);
        }
        if let Some(dtype) = dtype(&self.autocast)? {
            session = session.with_autocast(dtype);
        }
        match self.phase.as_deref() {
            Some("decode") => session = session.with_phase(Phase::Decode),
            Some("prefill") => session = session.with_phase(Phase::Prefill),
            _ => {}
        }
        Ok(session)
    }
}

/// What went wrong, as the command line says it.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    error: String,
    help: Option<String>,
    code: u8,
}

impl Failure {
    pub(crate) fn usage(error: String) -> Self {
        Self { error, help: None, code: 2 }
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{\"error\": \"a message could not be written\"}".to_owned())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error: error.to_string(), help: error.help(), code: error.exit_code() }
    }
}
