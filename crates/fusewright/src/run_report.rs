//! What `fusewright run` reports: plans of one model as they ran, beside what was predicted.

use fusewright_report::{bytes_text, printable};
use serde::Serialize;

/// Plans of one model as they ran here.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// Version of this form.
    pub schema_version: u32,
    /// Name of the model.
    pub model: String,
    /// Where it was read from.
    pub source: String,
    /// The device that times are predicted for.
    pub device: Option<String>,
    /// Threads that ran it.
    pub threads: usize,
    /// Timed runs of each plan.
    pub runs: usize,
    /// Weights that were made up because no file holds them.
    pub generated_weights: usize,
    /// Eager first.
    pub strategies: Vec<RunStrategy>,
}

/// One plan as it ran.
#[derive(Clone, Debug, Serialize)]
pub struct RunStrategy {
    /// Public name of the plan.
    pub name: String,
    /// Groups with work in them.
    pub kernels: u32,
    /// Shortest run in microseconds.
    pub min_us: f64,
    /// Median run in microseconds.
    pub median_us: f64,
    /// Time of its kernels as predicted for the device, in microseconds.
    pub predicted_us: Option<f64>,
    /// Median of eager over the median of this plan.
    pub speedup: f64,
    /// Most bytes of inputs and intermediate values alive at once.
    pub peak_bytes: u64,
    /// The same as the plan predicts it.
    pub predicted_peak_bytes: u64,
    /// Bytes that the plan predicts its kernels move.
    pub predicted_bytes: u64,
    /// Largest difference from eager over the largest magnitude, over all outputs; `None` where NaN or infinity differ.
    pub difference: Option<f64>,
    /// Where the time goes, longest first; empty unless groups are asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<RunGroup>,
}

/// One group as it ran.
#[derive(Clone, Debug, Serialize)]
pub struct RunGroup {
    /// Its number in the plan.
    pub id: usize,
    /// What it is made of.
    pub pattern: String,
    /// Its first node.
    pub node: String,
    /// Shortest time in microseconds.
    pub min_us: f64,
    /// The same as predicted for the device.
    pub predicted_us: Option<f64>,
    /// Floating-point operations that it counts.
    pub flops: u64,
    /// Bytes that the plan predicts it moves.
    pub predicted_bytes: u64,
    /// Operations over its time.
    pub gflops: f64,
    /// Predicted bytes over its time.
    pub gb_per_s: f64,
}

impl RunReport {
    /// The report as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The report for a terminal of 80 columns, with the `top` groups that take longest; 0 for all.
    pub fn text(&self, top: usize) -> String {
        let mut lines = vec![format!(
            "{}: {} threads, median of {} runs; {} weights made up",
            printable(&self.model),
            self.threads,
            self.runs,
            self.generated_weights
        )];
        lines.push(format!(
            "{:<12}{:>8}{:>11}{:>11}{:>9}{:>10}{:>10}{:>9}",
            "plan", "kernels", "median", "shortest", "speed-up", "peak", "predicted", "differs"
        ));
        for plan in &self.strategies {
            lines.push(format!(
                "{:<12}{:>8}{:>11}{:>11}{:>8.2}×{:>10}{:>10}{:>9}",
                plan.name,
                plan.kernels,
                time_text(plan.median_us),
                time_text(plan.min_us),
                plan.speedup,
                bytes_text(plan.peak_bytes),
                bytes_text(plan.predicted_peak_bytes),
                plan.difference.map_or("NaN".to_owned(), |difference| format!("{difference:.0e}"))
            ));
        }
        if let Some(device) = &self.device {
            let predicted = self.strategies.iter().filter_map(|plan| {
                let us = plan.predicted_us?;
                Some(format!("{} {} ({:.2} of the median)", plan.name, time_text(us), us / plan.median_us))
            });
            let predicted: Vec<String> = predicted.collect();
            lines.push(format!("predicted for {}:\n  {}", printable(device), predicted.join(", ")));
        }
        for plan in self.strategies.iter().filter(|plan| !plan.groups.is_empty()) {
            let shown = if top == 0 { plan.groups.len() } else { top.min(plan.groups.len()) };
            lines.push(format!("\n{}: groups by time, {shown} of {}", plan.name, plan.groups.len()));
            lines.push(format!(
                "{:<24}{:>6}{:>11}{:>11}{:>10}{:>9}{:>9}",
                "pattern", "group", "time", "predicted", "bytes", "GFLOP/s", "GB/s"
            ));
            lines.extend(plan.groups[..shown].iter().map(RunGroup::line));
        }
        lines.join("\n") + "\n"
    }
}

impl RunGroup {
    fn line(&self) -> String {
        format!(
            "{:<24}{:>6}{:>11}{:>11}{:>10}{:>9.1}{:>9.1}",
            shortened(&self.pattern, 23),
            self.id,
            time_text(self.min_us),
            self.predicted_us.map_or("–".to_owned(), time_text),
            bytes_text(self.predicted_bytes),
            self.gflops,
            self.gb_per_s
        )
    }
}

fn time_text(us: f64) -> String {
    match us {
        us if us.is_nan() || us.is_infinite() => "–".to_owned(),
        us if us < 1e3 => format!("{us:.0} µs"),
        us if us < 1e6 => format!("{:.2} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

fn shortened(name: &str, width: usize) -> String {
    let name = printable(name);
    let count = name.chars().count();
    if count <= width { name } else { name.chars().take(width - 1).chain(['…']).collect() }
}
