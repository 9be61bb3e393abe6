//! Plans measured on this processor: time and memory of each beside eager execution on the same engine.

use std::time::Instant;

use fusewright_device::Device;
use fusewright_exec::{Difference, Program, Tensor, Timed};
use fusewright_plan::{Plan, Timing};

use crate::run_report::{RunGroup, RunReport, RunStrategy};
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
    /// The device to predict times for: this machine, if measured times are held against them.
    pub device: Option<Device>,
}

/// A plan while it is measured.
struct Running<'a> {
    strategy: Strategy,
    plan: &'a Plan,
    timing: Option<&'a Timing>,
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
        // Eager is the first of all strategies, and so the first that runs.
        strategies.push(Strategy::Eager);
        let plans = self.plan(&PlanOptions { strategies, device: request.device.clone(), ..PlanOptions::default() })?;
        let mut timings = plans.timings().map(|(_, _, timing)| timing);
        let mut running = Vec::new();
        for (strategy, plan) in plans.plans() {
            let program = Program::new(self.decomposed(), &weights, plan).map_err(failed)?;
            let last = program.run(inputs).map_err(failed)?;
            let (groups, timing) = (last.group_us.clone(), timings.next());
            running.push(Running { strategy, plan, timing, groups, program, times: Vec::new(), last });
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
        let strategies = running.iter().map(|plan| {
            let worst = (running[0].last.outcome.outputs.iter().zip(&plan.last.outcome.outputs))
                .map(|(a, b)| Difference::between(a, b).relative)
                .fold(0.0, f64::max);
            let median = median(&plan.times);
            RunStrategy {
                name: plan.strategy.name().to_owned(),
                kernels: plan.plan.total.kernels,
                min_us: plan.times.iter().copied().fold(f64::INFINITY, f64::min),
                median_us: median,
                predicted_us: plan.timing.map(|timing| timing.total.us),
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
            device: request.device.as_ref().map(|device| device.name.clone()),
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
                predicted_us: running.timing.and_then(|timing| timing.groups.get(id)).map(|group| group.us),
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
