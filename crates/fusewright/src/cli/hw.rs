//! `fusewright hw`

use std::path::PathBuf;

use fusewright::hardware::{find, ids};
use fusewright::report::{device_json, device_list_json, device_page, device_table, printable};
use fusewright::{Device, Error, device, device_file, predict_file};
use fusewright_calibrate::{Effort, calibrate};

use super::args::{HwArguments, HwCommand, ListFormat, OutputArguments};
use super::diagnostics::{Failure, error, note};
use super::output::{self, Style};

/// Columns of text.
const WIDTH: usize = 80;

pub(crate) fn run(arguments: &HwArguments) -> Result<(), Failure> {
    match &arguments.command {
        HwCommand::List { format, output } => {
            let devices: Vec<Device> = ids().filter_map(find).collect();
            let text = match format {
                ListFormat::Text => device_table(&devices, WIDTH),
                ListFormat::Json => device_list_json(&devices),
            };
            output::write(output, &text, Style::Plain)
        }
        HwCommand::Show { device: name, format, output } => {
            output::check(output)?;
            let device = device(name)?;
            let text = match format {
                ListFormat::Text => device_page(&device, WIDTH),
                ListFormat::Json => device_json(&device),
            };
            output::write(output, &text, Style::Plain)
        }
        HwCommand::Predict { hw, csv, output } => {
            output::check(output)?;
            let device = device(hw)?;
            output::write(output, &predict_file(&device, csv)?, Style::Plain)
        }
        HwCommand::Calibrate { output } => measure(output),
        HwCommand::Check { files } => check(files),
    }
}

/// Measures this machine; the steps go to standard error.
fn measure(output: &OutputArguments) -> Result<(), Failure> {
    output::check(output)?;
    let text = calibrate(Effort::Full, note).map_err(|problem| Failure::input(problem.to_string()))?;
    output::write(output, &text, Style::Plain)
}

/// Checks all files, the fine ones after a bad one too.
fn check(files: &[PathBuf]) -> Result<(), Failure> {
    let (mut fine, mut problems, mut refused) = (String::new(), 0, 0);
    for path in files {
        match device_file(path) {
            Ok(device) => {
                let (class, numbers) = (device.class.name(), device.figures().len());
                let line = format!("{}: fine, {class} `{}`, {numbers} numbers", path.display(), device.id);
                fine += &(printable(&line) + "\n");
            }
            Err(problem) => {
                let texts = texts(&problem);
                refused += 1;
                problems += texts.len();
                for text in &texts {
                    error(text);
                }
            }
        }
    }
    let stdout = OutputArguments { output: None, force: false };
    output::write(&stdout, &fine, Style::Plain)?;
    if refused == 0 {
        return Ok(());
    }
    let (s, count) = (if problems == 1 { "" } else { "s" }, files.len());
    let text = format!("{problems} problem{s}; {refused} of {count} device files cannot be used");
    Err(Failure::input(text).with_help("docs/devices.md says what a device file looks like"))
}

/// Each problem with the name of its file.
fn texts(error: &Error) -> Vec<String> {
    match error {
        Error::Device { problem } => {
            problem.problems().iter().map(|text| format!("{}: {text}", problem.file())).collect()
        }
        other => vec![other.to_string()],
    }
}
