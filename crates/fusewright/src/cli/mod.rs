//! From arguments to an exit code.
//!
//! Data go to standard output, everything else to standard error. A closed pipe ends the command quietly: whoever
//! closed it has seen enough.

mod args;
mod bug;
mod check;
mod compare;
mod diagnostics;
mod dump;
mod explain;
mod hw;
mod models;
mod optimize;
mod output;
mod patterns;
mod plan;
mod report;
mod run;
mod verify;

use std::process::ExitCode;

use clap::Parser;
use fusewright::report as published;

use args::{Arguments, Command, SchemaName};
use diagnostics::Failure;

pub(crate) fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors, and a pipe that was closed on them is none either.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    arguments.color.choose();
    bug::guard(|| match dispatch(&arguments.command) {
        Ok(()) => 0,
        Err(failure) => failure.show(),
    })
}

fn dispatch(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Plan(arguments) => plan::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Compare(arguments) => compare::run(arguments),
        Command::Optimize(arguments) => optimize::run(arguments),
        Command::Dump(arguments) => dump::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Run(arguments) => run::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Models(arguments) => models::run(arguments),
        Command::Hw(arguments) => hw::run(arguments),
        Command::Patterns(arguments) => patterns::run(arguments),
        Command::Report(arguments) => report::run(arguments),
        Command::Schema(arguments) => output::write(&arguments.output, schema(arguments.name), output::Style::Plain),
    }
}

fn schema(name: SchemaName) -> &'static str {
    match name {
        SchemaName::Plan => published::PLAN_SCHEMA,
        SchemaName::Check => published::CHECK_SCHEMA,
        SchemaName::Compare => published::COMPARE_SCHEMA,
        SchemaName::Explain => published::EXPLAIN_SCHEMA,
        SchemaName::Optimize => published::OPTIMIZE_SCHEMA,
        SchemaName::Lock => published::LOCK_SCHEMA,
    }
}
