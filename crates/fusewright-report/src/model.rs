//! The part of a report that is about the model and not about a plan.

use std::collections::BTreeMap;

use fusewright_cost::kv_cache;
use fusewright_ir::{DType, Graph, Op, Origin, Storage, TensorType, Type, Work};
use fusewright_pattern::{AttentionKind, AttentionMiss, AttentionSite, MaskKind, MissedStep};
use fusewright_plan::Analysis;
use serde::Serialize;

/// The model that a report is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The analysed graph, attention opened.
    pub analysis: &'a Analysis<'a>,
    /// Where the model was read from: a path, or the name of a built-in model.
    pub source: &'a str,
    /// The format that it was read in, e.g. `fx-json`.
    pub format: &'a str,
}

/// Floating-point operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Flops {
    /// Of contractions (linear layers, matrix products, convolutions): 2 per multiply-accumulate, exact.
    pub contraction: u64,
    /// Of everything else, by the convention stated in the documentation (softmax 5 per element, GELU 5, …).
    pub other: u64,
}

impl From<Work> for Flops {
    fn from(work: Work) -> Self {
        Self { contraction: work.contraction_flops(), other: work.other_flops }
    }
}

/// A modelled figure: the most likely value and the range around it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Range {
    /// Lower end.
    pub low: f64,
    /// Most likely.
    pub mid: f64,
    /// Upper end.
    pub high: f64,
}

/// A named dimension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DimReport {
    /// Name in the model.
    pub name: String,
    /// Size that it was bound to.
    pub size: u64,
}

/// An op that is carried through the plan but whose arithmetic is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UncountedOp {
    /// Name in the source.
    pub name: String,
    /// How often it occurs.
    pub count: u64,
    /// Why it is not counted, where that is not simply that the op is unknown.
    pub reason: Option<String>,
}

/// Keys and values kept between the steps of a generation, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KvCacheReport {
    /// What the step finds.
    pub before: u64,
    /// What it adds.
    pub appended: u64,
    /// What the next step finds.
    pub after: u64,
}

impl KvCacheReport {
    fn of(graph: &Graph, storage: &Storage) -> Option<Self> {
        let cache = kv_cache(graph, storage);
        (cache.after > 0).then_some(Self { before: cache.before, appended: cache.appended, after: cache.after })
    }
}

/// The model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ModelReport {
    /// Name.
    pub name: String,
    /// The path that was read, the name of a built-in model, or `-` for standard input.
    pub source: String,
    /// Format of the source, e.g. `fx-json`.
    pub format: String,
    /// Training mode: dropout is live.
    pub training: bool,
    /// Named dimensions with their sizes.
    pub dims: Vec<DimReport>,
    /// Nodes of the graph with attention layers opened.
    pub nodes: u64,
    /// Elements of all trained tensors, shared ones once.
    pub parameters: u64,
    /// Their bytes.
    pub parameter_bytes: u64,
    /// Elements of tensors that are state but not trained, such as running statistics.
    pub buffers: u64,
    /// Their bytes.
    pub buffer_bytes: u64,
    /// Keys and values kept between the steps of a generation; `null` for a graph that keeps none.
    pub kv_cache: Option<KvCacheReport>,
    /// Ops whose arithmetic is not in any figure of this report, by name; empty if everything was counted.
    pub uncounted_ops: Vec<UncountedOp>,
}

impl ModelReport {
    pub(crate) fn of(subject: &Subject) -> Self {
        let graph = subject.analysis.graph;
        let sum = |wanted: &Origin, measure: fn(&Type) -> u64| {
            let values = graph.values().filter(|(_, value)| value.origin == *wanted);
            values.map(|(_, value)| measure(&value.ty)).fold(0, u64::saturating_add)
        };
        let elements: fn(&Type) -> u64 = |ty| ty.as_tensor().map_or(0, TensorType::elements);
        Self {
            name: graph.name.clone(),
            source: subject.source.to_owned(),
            format: subject.format.to_owned(),
            training: graph.training,
            dims: graph.dims.iter().map(|dim| DimReport { name: dim.name.clone(), size: dim.size }).collect(),
            nodes: graph.node_count() as u64,
            parameters: sum(&Origin::Parameter, elements),
            parameter_bytes: sum(&Origin::Parameter, Type::bytes),
            buffers: sum(&Origin::Buffer, elements),
            buffer_bytes: sum(&Origin::Buffer, Type::bytes),
            kv_cache: KvCacheReport::of(graph, &subject.analysis.storage),
            uncounted_ops: uncounted_ops(graph),
        }
    }
}

fn uncounted_ops(graph: &Graph) -> Vec<UncountedOp> {
    let mut by_name: BTreeMap<&str, UncountedOp> = BTreeMap::new();
    for (_, node) in graph.nodes() {
        let Op::Opaque(opaque) = &node.op else { continue };
        let reason = opaque.reason.clone();
        let entry = by_name.entry(&opaque.name);
        entry.or_insert_with(|| UncountedOp { name: opaque.name.clone(), count: 0, reason }).count += 1;
    }
    by_name.into_values().collect()
}

/// A softmax that nearly is an attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MissedAttention {
    /// Name of the softmax.
    pub node: String,
    /// Module path it stands in.
    pub module: String,
    /// Why it was not recognised.
    pub reason: String,
    /// The part of the pattern that did not fit: `scores`, `values` or `shapes`.
    pub step: String,
    /// Name of the value at which it did not fit.
    pub value: String,
    /// Name of the node that makes or reads that value and is none that an attention passes; `null` where there is none.
    pub stopped_by: Option<String>,
}

/// One attention.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AttentionSiteReport {
    /// Module path that its softmax, or the op that is all of it, stands in.
    pub name: String,
    /// `self` or `cross`.
    pub kind: String,
    /// Heads of queries.
    pub heads: u64,
    /// Heads of keys and values.
    pub kv_heads: u64,
    /// Features of a query and a key in one head.
    pub head_dim: u64,
    /// Features of a value in one head.
    pub value_dim: u64,
    /// Query positions; in a window those of the window.
    pub queries: u64,
    /// Key positions.
    pub keys: u64,
    /// Which keys a query sees: `none` (hides nothing), `padding`, `causal`, `window`, or `boolean` and `additive` for
    /// patterns that are none of these or that only the weights and the caller know.
    pub mask: String,
    /// How many keys a windowed attention sees.
    pub window: Option<u64>,
    /// No query sees a key that follows it.
    pub causal: bool,
    /// Factor on the products of queries and keys; `null` where it is learned or unknown.
    pub scale: Option<f64>,
    /// A position bias is added to the scores.
    pub bias: bool,
    /// Some weight goes to sinks.
    pub sinks: bool,
    /// The bound that scores are squashed to.
    pub softcap: Option<f64>,
    /// Query, key and value are slices of one projection.
    pub packed: bool,
}

impl AttentionSiteReport {
    fn of(graph: &Graph, site: &AttentionSite) -> Self {
        let (mask, window) = match site.mask {
            MaskKind::None => ("none", None),
            MaskKind::Padding => ("padding", None),
            MaskKind::Causal => ("causal", None),
            MaskKind::Window(keys) => ("window", Some(keys)),
            MaskKind::Boolean => ("boolean", None),
            MaskKind::Additive => ("additive", None),
        };
        Self {
            name: graph.text(graph.node(site.anchor).source.scope).to_owned(),
            kind: if site.kind == AttentionKind::SelfAttention { "self" } else { "cross" }.to_owned(),
            heads: site.heads,
            kv_heads: site.kv_heads,
            head_dim: site.head_dim,
            value_dim: site.value_dim,
            queries: site.queries,
            keys: site.keys,
            mask: mask.to_owned(),
            window,
            causal: site.causal,
            scale: site.scale,
            bias: site.bias,
            sinks: site.sinks,
            softcap: site.softcap,
            packed: site.is_packed(),
        }
    }
}

/// The attentions of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AttentionReport {
    /// All that were recognised.
    pub found: u64,
    /// Of these, attentions of one sequence to itself.
    #[serde(rename = "self")]
    pub self_: u64,
    /// Of these, attentions of one sequence to another.
    pub cross: u64,
    /// Of these, attentions that the source states as one op: there is nothing to fuse in them.
    pub single_op: u64,
    /// Every one of them, in the order of the graph.
    pub sites: Vec<AttentionSiteReport>,
    /// Softmaxes that nearly are attentions.
    pub missed: Vec<MissedAttention>,
}

impl AttentionReport {
    pub(crate) fn of(analysis: &Analysis) -> Self {
        let (graph, attentions) = (analysis.graph, &analysis.attentions);
        let found = attentions.sites.len() as u64;
        let self_ = attentions.sites.iter().filter(|site| site.kind == AttentionKind::SelfAttention).count() as u64;
        let missed = |miss: &AttentionMiss| MissedAttention {
            node: graph.node_name(miss.softmax).to_owned(),
            module: graph.text(graph.node(miss.softmax).source.scope).to_owned(),
            reason: miss.step.reason().to_owned(),
            step: match miss.step {
                MissedStep::Scores => "scores",
                MissedStep::Values => "values",
                MissedStep::Shapes => "shapes",
            }
            .to_owned(),
            value: graph.value_name(miss.value).to_owned(),
            stopped_by: miss.node.map(|node| graph.node_name(node).to_owned()),
        };
        Self {
            found,
            self_,
            cross: found - self_,
            single_op: attentions.sites.iter().filter(|site| site.chain.len() == 1).count() as u64,
            sites: attentions.sites.iter().map(|site| AttentionSiteReport::of(graph, site)).collect(),
            missed: attentions.misses.iter().map(missed).collect(),
        }
    }
}

/// The device that times are modelled for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeviceReport {
    /// Its id; `null` while no device is modelled.
    pub name: Option<String>,
    /// Its full name.
    pub title: Option<String>,
    /// Revision of its description.
    pub revision: Option<u32>,
    /// Element type that the model computes in: that of most of its weight bytes.
    pub dtype: Option<String>,
}

impl DeviceReport {
    pub(crate) fn of(graph: &Graph) -> Self {
        let dtype = main_dtype(graph, |origin| *origin == Origin::Parameter)
            .or_else(|| main_dtype(graph, |_| true))
            .map(|dtype| dtype.name().to_owned());
        Self { name: None, title: None, revision: None, dtype }
    }
}

/// The floating-point type that holds most bytes of the values of some origin.
fn main_dtype(graph: &Graph, of: impl Fn(&Origin) -> bool) -> Option<DType> {
    let mut sizes: Vec<(DType, u64)> = DType::all().filter(|dtype| dtype.is_float()).map(|dtype| (dtype, 0)).collect();
    let tensors = graph.values().filter(|(_, value)| of(&value.origin)).filter_map(|(_, value)| value.ty.as_tensor());
    for tensor in tensors {
        if let Some((_, bytes)) = sizes.iter_mut().find(|(dtype, _)| *dtype == tensor.dtype) {
            *bytes = bytes.saturating_add(tensor.bytes());
        }
    }
    sizes.into_iter().filter(|&(_, bytes)| bytes > 0).max_by_key(|&(_, bytes)| bytes).map(|(dtype, _)| dtype)
}
