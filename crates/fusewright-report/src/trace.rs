//! The predicted schedule in the trace event form that Perfetto and Chrome's tracing page open: a track for each plan, a
//! slice for each kernel.

use fusewright_cost::time::Limiter;
use fusewright_plan::{Analysis, Plan, Timing};
use serde::Serialize;

use crate::json;
use crate::layout::printable;
use crate::module_path;

/// An event; times are microseconds.
#[derive(Serialize)]
struct Event {
    name: String,
    ph: &'static str,
    pid: u32,
    tid: u32,
    ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    args: Facts,
}

/// What a slice or a track says of itself.
#[derive(Default, Serialize)]
struct Facts {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flops: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limiter: Option<&'static str>,
}

#[derive(Serialize)]
struct Trace {
    #[serde(rename = "traceEvents")]
    events: Vec<Event>,
    #[serde(rename = "displayTimeUnit")]
    unit: &'static str,
}

/// The plans with their times as a trace.
pub fn trace(analysis: &Analysis, plans: &[(&Plan, &Timing)]) -> String {
    let mut events = vec![named("process_name", 0, &analysis.graph.name)];
    for (&(plan, timing), track) in plans.iter().zip(1..) {
        events.push(named("thread_name", track, plan.strategy));
        let mut start = 0.0;
        for &group in &plan.schedule {
            let place = group as usize;
            let (cost, time) = (&plan.costs[place], &timing.groups[place]);
            if cost.kernels == 0 {
                continue;
            }
            let members = plan.groups.members(place);
            let fused = plan.sizes.get(place).is_some_and(|&size| size > 1);
            let name = if fused { plan.pattern(place) } else { module_path::first_worker_op(analysis, members) };
            events.push(Event {
                name: name.to_owned(),
                ph: "X",
                pid: 1,
                tid: track,
                ts: start,
                dur: Some(time.us),
                args: Facts {
                    group: Some(group),
                    module: Some(printable(module_path::common(analysis, members))),
                    bytes: Some(cost.moved()),
                    flops: Some(cost.work.flops()),
                    limiter: time.limiter.map(Limiter::name),
                    ..Facts::default()
                },
            });
            start += time.us;
        }
    }
    json::indented(&Trace { events, unit: "ns" })
}

/// The name of the process, or of a track.
fn named(what: &str, tid: u32, name: &str) -> Event {
    let args = Facts { name: Some(printable(name)), ..Facts::default() };
    Event { name: what.to_owned(), ph: "M", pid: 1, tid, ts: 0.0, dur: None, args }
}
