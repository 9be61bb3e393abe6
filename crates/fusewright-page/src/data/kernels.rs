//! The kernels of a plan, in the order in which they run.

use std::collections::{BTreeMap, BTreeSet};

use fusewright_cost::time::{Gemm, Kernel, StreamKind, Term};
use fusewright_ir::{NodeId, ValueId};
use fusewright_pattern::canonical_name;
use fusewright_plan::{Analysis, Plan, TimedKernel, Timing, UNFUSED};
use fusewright_report::shared_prefix;
use serde::Serialize;

use super::TimedPlan;
use super::deltas::deltas;
use super::strings::Strings;

/// The kernels, a column for each thing known of them. Columns of times are empty without a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Kernels {
    /// Number of the group in the plan.
    #[serde(serialize_with = "deltas")]
    pub group: Vec<u32>,
    /// Pattern of a fused group, else the op.
    pub label: Vec<u32>,
    /// 0 one op, 1 several, 2 parallel projections.
    pub kind: Vec<u8>,
    /// Module path that all its working ops share.
    pub module: Vec<u32>,
    /// Its ops, views that travel along included; row `k` is `ops[ops_start[k]..ops_start[k + 1]]`.
    #[serde(serialize_with = "deltas")]
    pub ops: Vec<u32>,
    /// Where rows of `ops` start.
    #[serde(serialize_with = "deltas")]
    pub ops_start: Vec<u32>,
    /// Kernels that it reads from; rows as above.
    #[serde(serialize_with = "deltas")]
    pub reads: Vec<u32>,
    /// Where rows of `reads` start.
    #[serde(serialize_with = "deltas")]
    pub reads_start: Vec<u32>,
    /// Inputs of the graph that it reads; rows as above.
    #[serde(serialize_with = "deltas")]
    pub inputs: Vec<u32>,
    /// Where rows of `inputs` start.
    #[serde(serialize_with = "deltas")]
    pub inputs_start: Vec<u32>,
    /// FLOPs, contractions and others.
    pub flops: Vec<u64>,
    /// Bytes read.
    pub read: Vec<u64>,
    /// Of these, weights.
    pub weights: Vec<u64>,
    /// Bytes written.
    pub written: Vec<u64>,
    /// Bytes that never leave it.
    pub internal: Vec<u64>,
    /// Predicted time, µs.
    pub us: Vec<f64>,
    /// Lower end.
    pub low: Vec<f64>,
    /// Upper end.
    pub high: Vec<f64>,
    /// Part of it that is being started, µs.
    pub launch: Vec<f64>,
    /// Time that none of its kernels beats, µs.
    pub roofline: Vec<f64>,
    /// What it waits for.
    pub limiter: Vec<u32>,
    /// Element type of its longest kernel.
    pub dtype: Vec<u32>,
    /// Kernels of the device that it takes, as text; rows as above.
    pub device: Vec<u32>,
    /// Their times, µs.
    pub device_us: Vec<f64>,
    /// Where rows of `device` start.
    #[serde(serialize_with = "deltas")]
    pub device_start: Vec<u32>,
    /// Id of the reason why it takes several; an empty text where it does not.
    pub reason: Vec<u32>,
}

impl Kernels {
    pub(super) fn of(analysis: &Analysis, timed: &TimedPlan, strings: &mut Strings) -> Self {
        let plan = timed.plan;
        let launching = |group: &&u32| plan.costs[**group as usize].kernels > 0;
        let order: Vec<u32> = plan.schedule.iter().filter(launching).copied().collect();
        let mut kernels = Self { group: order, ..Self::default() };
        let merged: BTreeSet<u32> =
            plan.merges.iter().filter_map(|merge| merge.members.first()).map(|&id| plan.groups.of(id)).collect();
        let launches = timed.timing.map(|timing| by_group(timing, plan.groups.count()));
        let mut number = vec![u32::MAX; plan.groups.count()];
        for (at, &group) in (0_u32..).zip(&kernels.group) {
            number[group as usize] = at;
        }
        let inputs: BTreeMap<ValueId, u32> = analysis.graph.inputs().iter().copied().zip(0..).collect();
        for start in
            [&mut kernels.ops_start, &mut kernels.reads_start, &mut kernels.inputs_start, &mut kernels.device_start]
        {
            start.push(0);
        }
        for at in 0..kernels.group.len() {
            let group = kernels.group[at] as usize;
            kernels.describe(analysis, plan, group, merged.contains(&kernels.group[at]), strings);
            kernels.join(analysis, plan, group, &number, &inputs);
            if let (Some(timing), Some(launches)) = (timed.timing, &launches) {
                kernels.time(timing, group, &launches[group], strings);
            }
        }
        kernels
    }

    /// Number of kernels.
    pub fn count(&self) -> usize {
        self.group.len()
    }

    fn describe(&mut self, analysis: &Analysis, plan: &Plan, group: usize, merged: bool, strings: &mut Strings) {
        let graph = analysis.graph;
        let members = plan.groups.members(group);
        let worker = members.iter().copied().find(|&id| !analysis.storage.is_free(id));
        let op = worker.map_or("", |id| canonical_name(graph.node(id)));
        let pattern = if group < plan.counted { plan.pattern(group) } else { UNFUSED };
        let fused = plan.sizes.get(group).is_some_and(|&size| size > 1);
        self.label.push(strings.place(if pattern == UNFUSED { op } else { pattern }));
        self.kind.push(if merged { 2 } else { u8::from(fused) });
        self.module.push(strings.place(shared_module(analysis, members)));
        self.ops.extend(members.iter().map(|id| place(id.index())));
        self.ops_start.push(place(self.ops.len()));
        let cost = &plan.costs[group];
        self.flops.push(cost.work.flops());
        self.read.push(cost.read);
        self.weights.push(cost.weights);
        self.written.push(cost.written);
        self.internal.push(cost.internal);
    }

    /// What it reads: through views, from the kernel that made the memory.
    fn join(
        &mut self,
        analysis: &Analysis,
        plan: &Plan,
        group: usize,
        number: &[u32],
        positions: &BTreeMap<ValueId, u32>,
    ) {
        let (graph, storage) = (analysis.graph, &analysis.storage);
        let (mut makers, mut inputs) = (BTreeSet::<u32>::new(), BTreeSet::<u32>::new());
        for &id in plan.groups.members(group).iter().filter(|&&id| !storage.is_free(id)) {
            for &input in graph.node(id).inputs.iter().filter(|&&input| graph.tensor(input).is_some()) {
                let root = storage.root(input);
                match graph.producer(root).map(|maker| plan.groups.of(maker) as usize) {
                    Some(maker) if maker != group && number[maker] != u32::MAX => drop(makers.insert(number[maker])),
                    Some(_) => {}
                    None => inputs.extend(positions.get(&root)),
                }
            }
        }
        self.reads.extend(makers);
        self.reads_start.push(place(self.reads.len()));
        self.inputs.extend(inputs);
        self.inputs_start.push(place(self.inputs.len()));
    }

    fn time(&mut self, timing: &Timing, group: usize, launches: &[&TimedKernel], strings: &mut Strings) {
        let time = &timing.groups[group];
        self.us.push(short(time.us));
        self.low.push(short(time.low));
        self.high.push(short(time.high));
        self.roofline.push(short(time.roofline_us));
        self.limiter.push(strings.place(time.limiter.map_or("", |limiter| limiter.name())));
        let launch = |term: &&Term| term.name == "launch";
        let starting = launches.iter().flat_map(|timed| timed.prediction.terms.iter().filter(launch));
        self.launch.push(short(starting.map(|term| term.us).sum::<f64>().min(time.us)));
        let longest = launches.iter().max_by(|a, b| a.prediction.us.total_cmp(&b.prediction.us));
        let dtype = longest.map_or("", |timed| words(&timed.kernel).1);
        self.dtype.push(strings.place(dtype));
        for timed in launches {
            let (op, dtype, extents) = words(&timed.kernel);
            self.device.push(strings.place(&format!("{op} {dtype} {extents}")));
            self.device_us.push(short(timed.prediction.us));
        }
        self.device_start.push(place(self.device.len()));
        self.reason.push(strings.place(timing.reasons[group].map_or("", |reason| reason.id())));
    }
}

fn by_group(timing: &Timing, count: usize) -> Vec<Vec<&TimedKernel>> {
    let mut launches: Vec<Vec<&TimedKernel>> = vec![Vec::new(); count];
    for timed in &timing.kernels {
        launches[timed.group as usize].push(timed);
    }
    launches
}

/// The longest module path that contains the ops that work.
fn shared_module<'a>(analysis: &Analysis<'a>, members: &[NodeId]) -> &'a str {
    let graph = analysis.graph;
    let workers = members.iter().filter(|&&id| !analysis.storage.is_free(id));
    let mut scopes = workers.map(|&id| graph.text(graph.node(id).source.scope));
    let Some(first) = scopes.next() else { return "" };
    scopes.fold(first, shared_prefix)
}

/// Op, element type and extents of a kernel of the device.
fn words(kernel: &Kernel) -> (&'static str, &'static str, String) {
    let product = |g: &Gemm| {
        let batch = if g.batch == 1 { String::new() } else { format!("{} × ", g.batch) };
        format!("{batch}{} × {} × {}", g.m, g.n, g.k)
    };
    match kernel {
        Kernel::Gemm(g) => ("gemm", g.input.name(), product(g)),
        Kernel::Convolution(c) => ("convolution", c.product.input.name(), product(&c.product)),
        Kernel::Attention(a) => (
            "attention",
            a.dtype.name(),
            format!("{} × {} heads, {} × {} by {}", a.batch, a.heads, a.queries, a.keys, a.head_dim),
        ),
        Kernel::Stream(s) => (stream_name(s.kind), s.dtype.name(), format!("{} × {}", s.rows, s.cols)),
    }
}

fn stream_name(kind: StreamKind) -> &'static str {
    match kind {
        StreamKind::Resample => "resample",
        StreamKind::Copy => "copy",
        StreamKind::Pointwise => "pointwise",
        StreamKind::Reduction => "reduction",
        StreamKind::RmsNorm => "rmsnorm",
        StreamKind::LayerNorm | StreamKind::BlockNorm => "layernorm",
        StreamKind::Softmax => "softmax",
    }
}

/// Four digits after the point: a tenth of a nanosecond.
pub(super) fn short(us: f64) -> f64 {
    let rounded = (us * 1e4).round() / 1e4;
    if rounded.is_finite() { rounded } else { f64::MAX }
}

fn place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
