//! `fusewright dump`

use fusewright::ir::text;
use fusewright::report::graph_json;

use super::args::{DumpArguments, ListFormat};
use super::diagnostics::{Failure, warn};
use super::output::{self, Style};

pub(crate) fn run(arguments: &DumpArguments) -> Result<(), Failure> {
    output::check(&arguments.output)?;
    let model = arguments.model.options.session()?.load(&arguments.model.name)?;
    if !arguments.model.options.quiet {
        warn(model.warnings(), arguments.model.options.verbose);
    }
    let graph = if arguments.decompose { model.decomposed() } else { model.graph() };
    let text = match arguments.format {
        ListFormat::Text => text::print(graph),
        ListFormat::Json => graph_json(graph),
    };
    output::write(&arguments.output, &text, Style::Plain)
}
