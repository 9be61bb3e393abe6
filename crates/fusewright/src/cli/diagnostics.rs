//! What goes to standard error: errors with what to do about them, warnings, and what was done.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use fusewright::Error;
use fusewright::report::printable;

/// Why the command ends without its result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The message, what to do about it, the exit code.
    Message { text: String, help: Option<String>, code: u8 },
    /// The result itself says what is wrong; only the exit code is left to give.
    Found { code: u8 },
    /// Nobody reads the output any more, and that is no failure.
    ClosedPipe,
}

impl Failure {
    /// A request that cannot be carried out.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Failure::Message { text: text.into(), help: None, code: 2 }
    }

    pub(crate) fn with_help(mut self, advice: impl Into<String>) -> Self {
        if let Failure::Message { help, .. } = &mut self {
            *help = Some(advice.into());
        }
        self
    }

    /// Something that cannot be read.
    pub(crate) fn input(text: impl Into<String>) -> Self {
        Failure::Message { text: text.into(), help: None, code: 3 }
    }

    /// Says it, and gives the exit code.
    pub(crate) fn show(&self) -> u8 {
        let (text, help, code) = match self {
            Failure::Message { text, help, code } => (text, help, code),
            Failure::Found { code } => return *code,
            Failure::ClosedPipe => return 0,
        };
        say(ERROR, "error", text);
        if let Some(help) = help {
            say(HELP, " help", help);
        }
        *code
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = error.exit_code();
        let help = if code == 70 { Some(super::bug::REPORT.to_owned()) } else { error.help() };
        Failure::Message { text: error.to_string(), help, code }
    }
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HELP: Style = AnsiColor::Cyan.on_default().bold();
const NOTE: Style = Style::new().dimmed();

/// Most warnings shown unless all are asked for.
const WARNINGS_SHOWN: usize = 3;

/// Shows warnings as node and text.
pub(crate) fn warn<'a>(warnings: impl ExactSizeIterator<Item = (&'a str, &'a str)>, all: bool) {
    let count = warnings.len();
    let shown = if all { count } else { count.min(WARNINGS_SHOWN) };
    for (node, text) in warnings.take(shown) {
        say(WARNING, "warning", &format!("node `{node}`: {text}"));
    }
    if shown < count {
        say(WARNING, "warning", &format!("and {} more like these (-v shows all)", count - shown));
    }
}

/// Shows one of several errors; the [`Failure`] that ends the command sums them up.
pub(crate) fn error(text: &str) {
    say(ERROR, "error", text);
}

/// Says what was done.
pub(crate) fn note(text: &str) {
    say(NOTE, "note", text);
}

/// One line to standard error. That it cannot be written is nothing to stop for.
pub(crate) fn say(style: Style, label: &str, text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{style}{label}:{style:#} {}", printable(text));
}
