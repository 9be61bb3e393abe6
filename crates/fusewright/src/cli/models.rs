//! `fusewright models`

use fusewright::BUILT_IN;

use super::args::{ListFormat, ModelsArguments, ModelsCommand};
use super::diagnostics::Failure;
use super::output::{self, Style};

pub(crate) fn run(arguments: &ModelsArguments) -> Result<(), Failure> {
    let ModelsCommand::List { format, output } = &arguments.command;
    let text = match format {
        ListFormat::Text => {
            let width = BUILT_IN.iter().map(|model| model.name.len()).max().unwrap_or(0);
            let lines = BUILT_IN.iter().map(|model| format!("{:width$}  {}", model.name, model.description));
            lines.collect::<Vec<_>>().join("\n") + "\n"
        }
        ListFormat::Json => serde_json::to_string_pretty(BUILT_IN).expect("the rows hold strings only") + "\n",
    };
    output::write(output, &text, Style::Plain)
}
