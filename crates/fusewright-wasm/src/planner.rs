//! One model, and any number of questions about it.

use std::collections::BTreeMap;

use fusewright::page::page_settings;
use fusewright::report::CompareReport;
use fusewright::{
    CompareSide, DType, Error, Phase, PlanOptions, PlanSet, Profile, Ranges, Session, Strategy, compare,
    pattern_library, skeleton,
};
use serde::{Deserialize, Serialize};

/// A question: how to open the model and what to plan.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Question {
    device: Option<String>,
    dtype: Option<String>,
    autocast: Option<String>,
    phase: Option<String>,
    dims: BTreeMap<String, u64>,
    strategies: Vec<String>,
    profile: Option<String>,
}

/// What went wrong, as the command line says it.
#[derive(Debug, Serialize)]
struct Failure {
    error: String,
    help: Option<String>,
    code: u8,
}

impl Failure {
    fn usage(error: String) -> Self {
        Self { error, help: None, code: 2 }
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{\"error\": \"a message could not be written\"}".to_owned())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error: error.to_string(), help: error.help(), code: error.exit_code() }
    }
}

/// A model's bytes, ready to be planned.
///
/// ```
/// use fusewright_wasm::Planner;
///
/// let config = br#"{"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 4, "vocab_size": 100}"#;
/// let planner = Planner::open(&config[..], "tiny.json", "tiny.json")?;
/// let answer = planner.answer(r#"{"dims": {"batch": 3}, "device": "h100-sxm"}"#);
/// assert!(answer.starts_with("{\"page_version\":1,"));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug)]
pub struct Planner {
    bytes: Vec<u8>,
    name: String,
    source: String,
}

impl Planner {
    /// Takes of a file what planning needs; `name` is the file's, `source` what messages and the report call it. The
    /// error is JSON with `error`, `help` and `code`, as the command line would say it.
    pub fn open<R: Ranges + ?Sized>(file: &R, name: &str, source: &str) -> Result<Self, String> {
        let bytes = skeleton(file, name).map_err(|error| Failure::from(error).to_json())?;
        Ok(Self { bytes, name: name.to_owned(), source: source.to_owned() })
    }

    /// The data of a page, or what went wrong: both as JSON.
    pub fn answer(&self, question: &str) -> String {
        let asked = serde_json::from_str::<Question>(question);
        let asked = asked.map_err(|problem| Failure::usage(format!("the question is malformed: {problem}")));
        asked.and_then(|question| self.plan(&question)).unwrap_or_else(|failure| failure.to_json())
    }

    fn plan(&self, question: &Question) -> Result<String, Failure> {
        let session = session(question)?;
        let profile = match question.profile.as_deref() {
            Some("reference") => Profile::Reference,
            _ => Profile::Default,
        };
        let strategies = question.strategies.iter().map(|name| {
            Strategy::from_name(name).ok_or_else(|| Failure::usage(format!("there is no strategy `{name}`")))
        });
        let mut strategies: Vec<Strategy> = strategies.collect::<Result<_, _>>()?;
        if strategies.is_empty() {
            strategies = Strategy::default_for(profile);
        }
        let device = question.device.as_deref().map(fusewright::device).transpose()?;
        let options = PlanOptions { strategies, profile, device, ..PlanOptions::default() };
        let model = session.load_named(self.bytes.clone(), &self.name, &self.source)?;
        let plans = model.plan(&options)?;
        let settings = page_settings(&session, &options, &self.source);
        let library = pattern_library(&[] as &[&str])?;
        Ok(plans.page(&library, settings, diff(&plans))?.to_json())
    }
}

/// The last two plans against each other, as in the page that the command line writes.
fn diff(plans: &PlanSet) -> Option<CompareReport> {
    let sides: Vec<CompareSide> = plans.plans().map(|(strategy, _)| CompareSide { plans, strategy }).collect();
    compare(&sides[sides.len().checked_sub(2)?..], 0, 1)
}

fn session(question: &Question) -> Result<Session, Failure> {
    let dtype = |name: &Option<String>| {
        let unknown = |name: &String| Failure::usage(format!("there is no element type `{name}`"));
        name.as_ref().map(|name| DType::from_name(name).ok_or_else(|| unknown(name))).transpose()
    };
    let mut session = Session::new();
    for (name, &size) in &question.dims {
        session = session.with_dim(name.clone(), size);
    }
    if let Some(dtype) = dtype(&question.dtype)? {
        session = session.with_dtype(dtype);
    }
    if let Some(dtype) = dtype(&question.autocast)? {
        session = session.with_autocast(dtype);
    }
    match question.phase.as_deref() {
        Some("decode") => session = session.with_phase(Phase::Decode),
        Some("prefill") => session = session.with_phase(Phase::Prefill),
        _ => {}
    }
    Ok(session)
}
