//! How a model was opened and planned, in words: what the page shows of itself, and the command that writes it.

use std::collections::BTreeMap;

use fusewright_hf::Phase;
use fusewright_page::PageSettings;
use fusewright_plan::Profile;

use crate::{PlanOptions, Session, Strategy};

/// The settings of a page about `model`.
pub fn page_settings(session: &Session, options: &PlanOptions, model: &str) -> PageSettings {
    let phase = session.phase.map(|phase| match phase {
        Phase::Prefill => "prefill",
        Phase::Decode => "decode",
    });
    let mut settings = PageSettings {
        device: options.device.as_ref().map(|device| device.id.clone()),
        dtype: session.dtype.map(|dtype| dtype.name().to_owned()),
        autocast: session.autocast.map(|dtype| dtype.name().to_owned()),
        phase: phase.map(ToOwned::to_owned),
        dims: session.dims.iter().map(|(name, size)| (name.clone(), *size)).collect::<BTreeMap<_, _>>(),
        strategies: options.strategies.iter().map(|strategy| strategy.name().to_owned()).collect(),
        profile: options.profile.name().to_owned(),
        command: String::new(),
    };
    settings.command = command(&settings, session, options, model);
    settings
}

fn command(settings: &PageSettings, session: &Session, options: &PlanOptions, model: &str) -> String {
    let mut words = vec!["fusewright".to_owned(), "report".to_owned(), quoted(model)];
    let mut option = |name: &str, value: Option<&String>| {
        words.extend(value.into_iter().flat_map(|value| [format!("--{name}"), quoted(value)]));
    };
    option("hw", settings.device.as_ref());
    option("dtype", settings.dtype.as_ref());
    option("autocast", settings.autocast.as_ref());
    option("phase", settings.phase.as_ref());
    for (name, size) in &settings.dims {
        option("dim", Some(&format!("{name}={size}")));
    }
    if options.strategies != Strategy::default_for(options.profile) {
        settings.strategies.iter().for_each(|strategy| option("strategy", Some(strategy)));
    }
    if options.profile == Profile::Reference {
        option("profile", Some(&settings.profile));
    }
    option("effort", options.effort.map(|effort| effort.to_string()).as_ref());
    if session.fast_norms {
        words.push("--fast-norms".to_owned());
    }
    words.push("-o page.html".to_owned());
    words.join(" ")
}

/// A word of a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_says_what_was_asked_for() {
        let session = Session::new().with_dim("batch", 8).with_phase(Phase::Decode);
        let options = PlanOptions { strategies: vec![Strategy::Attention], ..PlanOptions::default() };
        let settings = page_settings(&session, &options, "my model.onnx");
        let expected =
            "fusewright report 'my model.onnx' --phase decode --dim batch=8 --strategy attention -o page.html";
        assert_eq!(settings.command, expected);
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
