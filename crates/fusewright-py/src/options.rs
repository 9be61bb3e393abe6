//! Arguments that are words in Python and enums in Rust.

use fusewright::{DType, Phase, Profile, Strategy};

use crate::errors::Problem;

/// The strategies by name, the default ones where none is named.
pub(crate) fn strategies(names: Option<Vec<String>>) -> Result<Vec<Strategy>, Problem> {
    let Some(names) = names else { return Ok(Strategy::DEFAULT.to_vec()) };
    names.into_iter().map(|name| strategy(&name)).collect()
}

fn strategy(name: &str) -> Result<Strategy, Problem> {
    Strategy::from_name(name).ok_or_else(|| unknown("strategy", name, Strategy::ALL.map(Strategy::name)))
}

/// The profile of this name.
pub(crate) fn profile(name: &str) -> Result<Profile, Problem> {
    let all = [Profile::Default, Profile::Reference];
    all.into_iter()
        .find(|profile| profile.name() == name)
        .ok_or_else(|| unknown("profile", name, all.map(Profile::name)))
}

/// A floating-point element type.
pub(crate) fn dtype(argument: &str, name: &str) -> Result<DType, Problem> {
    let floats = || DType::all().filter(|dtype| dtype.is_float());
    floats().find(|dtype| dtype.name() == name).ok_or_else(|| unknown(argument, name, floats().map(DType::name)))
}

/// A pass of a decoder.
pub(crate) fn phase(name: &str) -> Result<Phase, Problem> {
    match name {
        "prefill" => Ok(Phase::Prefill),
        "decode" => Ok(Phase::Decode),
        other => Err(unknown("phase", other, ["prefill", "decode"])),
    }
}

fn unknown(what: &str, name: &str, known: impl IntoIterator<Item = &'static str>) -> Problem {
    let known: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
    Problem::Usage(format!("`{name}` is no {what}; expected one of {}", known.join(", ")))
}
