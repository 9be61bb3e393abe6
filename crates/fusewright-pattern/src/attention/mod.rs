//! Recognising attention by what it computes: a product of two activations, a softmax over its keys, and a product of
//! the result with a third.
//!
//! Each softmax is an anchor, and so is each op that is an attention by itself. From a softmax the walk goes back
//! through steps that only adjust scores to the product that made them, and forward to the product that uses the
//! weights (`scores`). From the operands of these products it goes back to the projections (`operands`). What stands
//! between is not required, only allowed, so every source's spelling is found. Masks are told by looking at a few of
//! their elements (`mask`, `probe`). Every walk is bounded, so the search is linear in the graph.

mod axes;
mod guards;
mod marks;
mod mask;
mod operands;
mod probe;
mod probe_arithmetic;
mod probe_index;
mod probe_select;
mod product;
mod scores;
mod site;

use fusewright_ir::ops::{Attention, Normalization, ScaledDotProduct};
use fusewright_ir::{Consumers, Graph, NodeId, Op, Origin, Storage, ValueId};

use marks::Marks;
use mask::Masks;
pub use probe::Known;
use probe::Probe;
use product::Operand;
use scores::{Scene, Search};
use site::{Adjusted, Operands, adjusted, describe};

/// Whether queries and keys come from one sequence.
///
/// They do when the walks back from both, through views, norms, rotary embeddings, sums with position embeddings and
/// projections, meet in a value that depends on the model's inputs, or read the same learned one. No walk crosses an
/// attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionKind {
    /// One sequence attends to itself.
    SelfAttention,
    /// Queries and keys have different sources.
    CrossAttention,
}

/// Which keys a query sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskKind {
    /// All.
    None,
    /// All that the caller's mask over positions marks as given.
    Padding,
    /// Those up to its own position.
    Causal,
    /// This many around its own position, or up to it where the attention is causal.
    Window(u64),
    /// Those that a boolean tensor lets through, in a pattern that is none of the above or not known.
    Boolean,
    /// Those that a tensor added to the scores leaves, in a pattern that is none of the above or not known.
    Additive,
}

/// One attention found in a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionSite {
    /// The softmax, or the node that is the whole attention.
    pub anchor: NodeId,
    /// Self or cross.
    pub kind: AttentionKind,
    /// Heads of queries.
    pub heads: u64,
    /// Heads of keys and values; fewer than those of queries where groups of queries share them.
    pub kv_heads: u64,
    /// Features of a query and a key in one head.
    pub head_dim: u64,
    /// Features of a value in one head.
    pub value_dim: u64,
    /// Query positions; in a window those of the window.
    pub queries: u64,
    /// Key positions.
    pub keys: u64,
    /// Which keys a query sees.
    pub mask: MaskKind,
    /// No query sees a key that follows it.
    pub causal: bool,
    /// Factor on the products of queries and keys, wherever it stands; `None` where it is learned or not in the graph.
    pub scale: Option<f64>,
    /// A position bias is added to the scores.
    pub bias: bool,
    /// Some weight goes to sinks that hold no value.
    pub sinks: bool,
    /// Scores are squashed to `± softcap`.
    pub softcap: Option<f64>,
    /// The nodes that project query, key and value, where they are projections; equal ones are slices of one result.
    pub projections: [Option<NodeId>; 3],
    /// Its steps from the scores' product to the values' product, guards among them; a single node where the source has
    /// one op for all.
    pub chain: Vec<NodeId>,
}

impl AttentionSite {
    /// Query, key and value are slices of one projection.
    pub fn is_packed(&self) -> bool {
        let [query, key, value] = self.projections;
        query.is_some() && query == key && key == value
    }
}

/// The part of the pattern that a near miss broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissedStep {
    /// Back from the softmax to the product of queries and keys.
    Scores,
    /// Forward from the softmax to the product with the values.
    Values,
    /// The extents of queries, keys and values.
    Shapes,
}

impl MissedStep {
    /// What was expected and not found.
    pub fn reason(self) -> &'static str {
        match self {
            MissedStep::Scores => "its input does not come from a product of two activations",
            MissedStep::Values => "its result is not multiplied with values",
            MissedStep::Shapes => "the extents of queries, keys and values do not fit",
        }
    }
}

/// A softmax that nearly is an attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionMiss {
    /// The softmax.
    pub softmax: NodeId,
    /// What broke the pattern.
    pub step: MissedStep,
    /// The value at which the walk ended.
    pub value: ValueId,
    /// The node that it could not pass, if a node made the value or reads it.
    pub node: Option<NodeId>,
}

/// All attentions of a graph, and the near misses, in topological order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attentions {
    /// What was found.
    pub sites: Vec<AttentionSite>,
    /// What nearly matched.
    pub misses: Vec<AttentionMiss>,
}

/// Finds every attention in time linear in the graph.
pub fn find_attentions(graph: &Graph, storage: &Storage, consumers: &Consumers) -> Attentions {
    search(graph, storage, consumers, None)
}

/// As [`find_attentions`], where the numbers of literals are known: masks that are made of them are told apart too.
pub fn find_attentions_knowing(
    graph: &Graph,
    storage: &Storage,
    consumers: &Consumers,
    known: &Known<'_>,
) -> Attentions {
    search(graph, storage, consumers, Some(known))
}

fn search(graph: &Graph, storage: &Storage, consumers: &Consumers, known: Option<&Known<'_>>) -> Attentions {
    let marks = Marks::new(graph);
    let scene = Scene { graph, storage, consumers, marks: &marks };
    let mut finder = Finder {
        scene,
        varies: varying(graph),
        masks: Masks::new(Probe::new(graph, consumers, known)),
        found: Attentions::default(),
    };
    for (id, node) in graph.nodes() {
        match &node.op {
            Op::Attention(Attention::ScaledDotProduct(core)) => finder.op(id, core),
            Op::Normalization(Normalization::Softmax { axis, log: false, .. }) => finder.softmax(id, *axis),
            _ => {}
        }
    }
    finder.found
}

/// For each value whether it depends on an input of the graph.
fn varying(graph: &Graph) -> Vec<bool> {
    let mut varies = vec![false; graph.value_count()];
    for (id, value) in graph.values() {
        varies[id.index()] = match value.origin {
            Origin::Input => true,
            Origin::Node { node, .. } => graph.node(node).inputs.iter().any(|input| varies[input.index()]),
            _ => false,
        };
    }
    varies
}

struct Finder<'a> {
    scene: Scene<'a>,
    varies: Vec<bool>,
    masks: Masks<'a>,
    found: Attentions,
}

impl Finder<'_> {
    fn op(&mut self, id: NodeId, core: &ScaledDotProduct) {
        let graph = self.scene.graph;
        let operand = |at: usize| {
            let value = *graph.node(id).inputs.get(at)?;
            let shape = &graph.tensor(value)?.shape;
            let &[.., length, width] = shape.as_slice() else { return None };
            Some(Operand { value, positions: shape.len() - 2, features: shape.len() - 1, width, length })
        };
        let (Some(query), Some(key), Some(value)) = (operand(0), operand(1), operand(2)) else { return };
        let scores = Adjusted::of_op(graph, id, core, query, key);
        let operands = Operands { query, key, value };
        let site = describe(self.scene, &self.varies, &mut self.masks, id, vec![id], &operands, &scores);
        self.found.sites.push(site);
    }

    fn softmax(&mut self, id: NodeId, axis: i64) {
        let graph = self.scene.graph;
        let node = graph.node(id);
        let (Some(&input), Some(&output)) = (node.inputs.first(), node.outputs.first()) else { return };
        let rank = graph.tensor(input).map_or(0, fusewright_ir::TensorType::rank);
        let Some(axis) = axes::position_of(axis, rank) else { return };
        let mut back = Search::new(self.scene);
        let product = back.scores(input, axis);
        let mut forward = Search::new(self.scene);
        let values = forward.values(output, axis);
        let (product, (end, value)) = match (product, values) {
            (None, None) => return,
            (None, Some(_)) => return self.miss(id, MissedStep::Scores, back.stuck.unwrap_or((input, None))),
            (Some(_), None) => return self.miss(id, MissedStep::Values, forward.stuck.unwrap_or((output, None))),
            (Some(product), Some(values)) => (product, values),
        };
        let fits = product.query.width == product.key.width && product.query.width > 0 && value.length > 0;
        if !fits {
            return self.miss(id, MissedStep::Shapes, (product.key.value, Some(product.node)));
        }
        let launches = |node: &NodeId| !self.scene.storage.is_free(*node);
        let mut chain: Vec<NodeId> = std::iter::once(product.node)
            .chain(back.path.iter().rev().map(|hop| hop.node).filter(launches))
            .chain([id])
            .chain(forward.path.iter().map(|hop| hop.node).filter(launches))
            .chain([end])
            .collect();
        chain.extend(guards::guards(self.scene, &chain, id));
        chain.sort_unstable();
        let scores = adjusted(graph, &mut self.masks, &product, &back.path);
        let operands = Operands { query: product.query, key: product.key, value };
        let site = describe(self.scene, &self.varies, &mut self.masks, id, chain, &operands, &scores);
        self.found.sites.push(site);
    }

    fn miss(&mut self, softmax: NodeId, step: MissedStep, (value, node): (ValueId, Option<NodeId>)) {
        self.found.misses.push(AttentionMiss { softmax, step, value, node });
    }
}
