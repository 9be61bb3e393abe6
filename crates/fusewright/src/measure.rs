//! Plans measured on this processor: time and memory of each beside eager execution on the same engine.

use std::time::Instant;

use fusewright_exec::{Difference, Program, Tensor, Timed};
use fusewright_plan::Plan;
use fusewright_report::{bytes_text, printable};
use serde::Serialize;

use crate::{Error, Model, PlanOptions, Strategy};

/// What to measure.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// Plans to run beside eager; none stands for the optimal one.
    pub strategies: Vec<Strategy>,
    /// Seed of weights that no file holds.
    pub seed: u64,
    /// Timed runs of each plan, interleaved, after one that is not timed.
    pub runs: usize,
    /// Report every group.
    pub groups: bool,
}

/// Plans of one model as they ran here.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// Version of this form.
    pub schema_version: u32,
    /// Name of the model.
    pub model: String,
    /// Where it was read from.
    pub source: String,
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
    /// Floating-point operations that it counts.
    pub flops: u64,
    /// Bytes that the plan predicts it moves.
    pub predicted_bytes: u64,
    /// Operations over its time.
    pub gflops: f64,
    /// Predicted bytes over its time.
    pub gb_per_s: f64,
}

/// A plan while it is measured.
struct Running<'a> {
    plan: &'a Plan,
    program: Program<'a>,
    times: Vec<f64>,
    groups: Vec<f64>,
    last: Timed,
}

impl Model {
    /// Runs eager and other plans on these inputs, interleaved, and reports what each took. The second result is the
    /// output of the last plan.
    pub fn measure(&self, inputs: &[Tensor], request: &RunRequest) -> Result<(RunReport, Vec<Tensor>), Error> {
        let failed = |problem| Error::Execute { path: self.source().to_owned(), problem };
        let weights = self.weights(request.seed)?;
        let mut strategies = request.strategies.clone();
        if strategies.is_empty() {
            strategies.push(Strategy::Optimal);
        }
        let plans = self.plan(&PlanOptions { strategies: strategies.clone(), ..PlanOptions::default() })?;
        let mut wanted: Vec<(&str, &Plan)> = vec![("eager", plans.eager())];
        wanted.extend(
            plans.plans().filter(|(strategy, _)| *strategy != Strategy::Eager).map(|(s, plan)| (s.name(), plan)),
        );
        let mut running = Vec::with_capacity(wanted.len());
        for (_, plan) in &wanted {
            let program = Program::new(self.decomposed(), &weights, plan).map_err(failed)?;
            let last = program.run(inputs).map_err(failed)?;
            running.push(Running { plan, groups: last.group_us.clone(), program, times: Vec::new(), last });
        }
        for _ in 0..request.runs {
            for plan in &mut running {
                let start = Instant::now();
                let timed = plan.program.run(inputs).map_err(failed)?;
                plan.times.push(start.elapsed().as_secs_f64() * 1e6);
                for (known, &own) in plan.groups.iter_mut().zip(&timed.group_us) {
                    *known = known.min(own);
                }
                plan.last = timed;
            }
        }
        let eager = median(&running[0].times);
        let strategies = wanted.iter().zip(&running).map(|((name, _), plan)| {
            let worst = (running[0].last.outcome.outputs.iter().zip(&plan.last.outcome.outputs))
                .map(|(a, b)| Difference::between(a, b).relative)
                .fold(0.0, f64::max);
            let median = median(&plan.times);
            RunStrategy {
                name: (*name).to_owned(),
                kernels: plan.plan.total.kernels,
                min_us: plan.times.iter().copied().fold(f64::INFINITY, f64::min),
                median_us: median,
                speedup: eager / median,
                peak_bytes: plan.last.outcome.peak_bytes,
                predicted_peak_bytes: plan.plan.peak_memory,
                predicted_bytes: plan.plan.total.moved(),
                difference: worst.is_finite().then_some(worst),
                groups: if request.groups { self.run_groups(plan) } else { Vec::new() },
            }
        });
        let report = RunReport {
            schema_version: 1,
            model: self.name().to_owned(),
            source: self.source().to_owned(),
            threads: fusewright_exec::threads(),
            runs: request.runs,
            generated_weights: weights.generated(),
            strategies: strategies.collect(),
        };
        let outputs = running.pop().map(|plan| plan.last.outcome.outputs).unwrap_or_default();
        Ok((report, outputs))
    }

    fn run_groups(&self, running: &Running<'_>) -> Vec<RunGroup> {
        let graph = self.decomposed();
        let rows = running.groups.iter().enumerate().take(running.plan.counted).map(|(id, &us)| {
            let cost = &running.plan.costs[id];
            let flops = cost.work.macs.saturating_mul(2).saturating_add(cost.work.other_flops);
            let node = running.plan.groups.members(id).first().map_or("", |&node| graph.node_name(node));
            let rate = |amount: u64| if us > 0.0 { amount as f64 / us / 1e3 } else { 0.0 };
            RunGroup {
                id,
                pattern: running.plan.pattern(id).to_owned(),
                node: node.to_owned(),
                min_us: us,
                flops,
                predicted_bytes: cost.moved(),
                gflops: rate(flops),
                gb_per_s: rate(cost.moved()),
            }
        });
        let mut rows: Vec<RunGroup> = rows.collect();
        rows.sort_by(|a, b| b.min_us.total_cmp(&a.min_us).then(a.id.cmp(&b.id)));
        rows
    }
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
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
        for plan in self.strategies.iter().filter(|plan| !plan.groups.is_empty()) {
            let shown = if top == 0 { plan.groups.len() } else { top.min(plan.groups.len()) };
            lines.push(format!("\n{}: groups by time, {shown} of {}", plan.name, plan.groups.len()));
            lines.push(format!(
                "{:<34}{:>6}{:>11}{:>10}{:>9}{:>9}",
                "pattern", "group", "time", "bytes", "GFLOP/s", "GB/s"
            ));
            for group in &plan.groups[..shown] {
                lines.push(format!(
                    "{:<34}{:>6}{:>11}{:>10}{:>9.1}{:>9.1}",
                    shortened(&group.pattern, 33),
                    group.id,
                    time_text(group.min_us),
                    bytes_text(group.predicted_bytes),
                    group.gflops,
                    group.gb_per_s
                ));
            }
        }
        lines.join("\n") + "\n"
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
