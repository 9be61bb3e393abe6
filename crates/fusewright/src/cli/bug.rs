//! Bugs: a panic becomes a message and an exit code, and shows nothing of the model.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::process::ExitCode;

use anstyle::AnsiColor;

use super::diagnostics::say;

/// Exit code of a bug.
const CODE: u8 = 70;

/// What to do about a bug.
pub(crate) const REPORT: &str = "this is a bug of fusewright, not of the model; please report this message with \
                                 `fusewright --version`, the command, and the output of `fusewright dump` if you may share it";

/// Runs the command; a panic in it gives exit code 70.
pub(crate) fn guard(command: impl FnOnce() -> u8) -> ExitCode {
    panic::set_hook(Box::new(show));
    ExitCode::from(caught(command))
}

fn caught(command: impl FnOnce() -> u8) -> u8 {
    panic::catch_unwind(AssertUnwindSafe(command)).unwrap_or(CODE)
}

fn show(info: &PanicHookInfo) {
    let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    // A message put together at run time may quote the model; a literal cannot.
    let text = info.payload().downcast_ref::<&'static str>().map_or_else(String::new, |text| format!(": {text}"));
    say(AnsiColor::Red.on_default().bold(), "error", &format!("internal error at {place}{text}"));
    say(AnsiColor::Cyan.on_default().bold(), " help", REPORT);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_exit_code_70() {
        assert_eq!(caught(|| panic!("on purpose")), 70);
        assert_eq!(caught(|| 3), 3);
    }
}
