//! `fusewright run`

use std::fs;
use std::path::Path;

use fusewright::Model;
use fusewright::execution::Tensor;

use super::args::{ListFormat, RunArguments};
use super::diagnostics::{Failure, note, warn};
use super::output::{self, Style};

pub(crate) fn run(arguments: &RunArguments) -> Result<(), Failure> {
    output::check(&arguments.output)?;
    let model = arguments.model.options.session()?.load(&arguments.model.name)?;
    if !arguments.model.options.quiet {
        model.notes().iter().for_each(|text| note(text));
        warn(model.warnings(), arguments.model.options.verbose);
    }
    let inputs = inputs(arguments, &model)?;
    let request = fusewright::RunRequest {
        strategies: arguments.strategy.clone(),
        seed: arguments.seed,
        runs: arguments.runs,
        groups: arguments.groups,
        device: arguments.hw.as_ref().map(fusewright::device).transpose()?,
    };
    let (report, outputs) = model.measure(&inputs, &request)?;
    if let Some(path) = &arguments.outputs {
        let archive = model.outputs_to_npz(&outputs)?;
        output::write_bytes(path, &archive, arguments.output.force)?;
    }
    let text = match arguments.format {
        ListFormat::Text => report.text(arguments.top),
        ListFormat::Json => report.to_json(),
    };
    output::write(&arguments.output, &text, Style::Plain)
}

fn inputs(arguments: &RunArguments, model: &Model) -> Result<Vec<Tensor>, Failure> {
    let Some(path) = &arguments.inputs else { return Ok(model.random_inputs(arguments.seed)) };
    Ok(model.inputs_from_npz(&read(path)?)?)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|problem| Failure::input(format!("cannot read `{}`: {problem}", path.display())))
}
