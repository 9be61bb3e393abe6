//! Fits the coefficients of the time models of GPUs to measured kernels and writes them where the cost model is built
//! from: `cargo run --release -p fusewright-fit -- --data DIR`.
//!
//! `docs/accuracy.md` says where the tables in DIR come from. Half of the shapes, chosen by a hash, are left out; the
//! errors that are printed and the spreads that are written are theirs.

mod data;
mod errors;
mod fit;
mod own;
mod search;
mod sets;
mod split;
mod stated;
mod table;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;

use errors::Devices;

const FITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fusewright-cost/src/time/gpu/fitted.rs");

/// Fits the coefficients of the time models of GPUs to measured kernels.
#[derive(Debug, Parser)]
struct Arguments {
    /// Folder with `aic_gemm.csv`, `aic_attention.csv` and `neusight_ops.csv`.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// How often the search starts anew from the best point.
    #[arg(long, value_name = "N", default_value_t = 2)]
    rounds: usize,
    /// Where the coefficients are written.
    #[arg(long, value_name = "FILE", default_value = FITTED)]
    output: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            show_error(&problem);
            ExitCode::from(3)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let rows = data::read(&arguments.data).map_err(|error| error.to_string())?;
    let devices: Devices =
        fusewright_device::ids().filter_map(|id| Some((id.to_owned(), fusewright_device::find(id)?))).collect();
    let fitted = fit::fit(&rows, &devices, arguments.rounds);
    show(&fitted);
    let text = table::source(&fitted.shared, &fitted.families);
    let shown = arguments.output.display();
    std::fs::write(&arguments.output, text).map_err(|error| format!("cannot write `{shown}`: {error}"))?;
    // The formatter of the project, so that a fit that changes nothing leaves no difference.
    let formatted = Command::new("rustfmt").arg("--edition=2024").arg(&arguments.output).status();
    match formatted {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!("`{shown}` is written but rustfmt did not format it; run `cargo fmt`")),
    }
}

#[allow(clippy::print_stdout, reason = "the result of the command")]
fn show(fitted: &fit::Fitted) {
    println!("errors on rows left out of the fit");
    for fit::Line { set, device, class, errors } in &fitted.lines {
        let class = format!("{class:?}");
        let errors::Summary { rows, mean, median, within_fifth } = errors;
        println!(
            "{class:16} {device:13} {set:7} rows {rows:5}  mean {:5.2} %  median {:5.2} %  within 20 % {:5.1} %",
            100.0 * mean,
            100.0 * median,
            100.0 * within_fifth
        );
    }
}

#[allow(clippy::print_stderr, reason = "the reason why the command fails")]
fn show_error(problem: &str) {
    eprintln!("error: {problem}");
}
