//! The rules of the family `projections`: products of one input with several weights, and why some stay apart.
//!
//! Projections of one input are one wide product where they do not depend on each other: their weights are stacked, the
//! input is read once. Which rule a set goes by is told by what its results are for.

use std::collections::BTreeMap;

use fusewright_ir::ops::{Binary, Pointwise, Unary};
use fusewright_ir::{Graph, NodeId, Op, ValueId};
use rustc_hash::FxHashMap;

use super::findings::{Candidate, Evidence, Findings, Miss, RuleId};
use super::library::Library;
use super::reason::Reason;
use super::region;
use super::search::Surroundings;
use super::transparent::{is_moving, is_transparent};
use crate::{AttentionKind, AttentionSite, Projection, projection_of};

/// What a projection makes for an attention.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Query,
    KeyOrValue,
}

/// The ids of the rules, from what they ask for most to what fits all.
const QKV: &str = "qkv-projections";
const KV: &str = "kv-projections";
const GATE_UP: &str = "gate-up-projections";
const MODULATION: &str = "modulation-projections";
const SIBLINGS: &str = "sibling-projections";

/// Most steps from a projection to what shows its purpose.
const STEPS: usize = 12;

struct Member {
    node: NodeId,
    projection: Projection,
    weight: Option<ValueId>,
    level: u32,
}

pub(super) fn find(at: &Surroundings, library: &Library, findings: &mut Findings) {
    let levels = levels(at);
    let mut by_input: BTreeMap<ValueId, Vec<Member>> = BTreeMap::new();
    for (node, _) in at.graph.nodes() {
        let Some(projection) = projection_of(at.graph, at.storage, node) else { continue };
        let weight = weight_value(at.graph, node).map(|value| at.storage.root(value));
        let member = Member { node, projection, weight, level: levels[node.index()] };
        by_input.entry(projection.input).or_default().push(member);
    }
    let roles = roles(at);
    let rule = |id: &str| library.find(id);
    for (input, members) in by_input.iter().filter(|(_, members)| members.len() > 1) {
        let Some(set) = rule(purpose(at, &roles, members)) else { continue };
        let mut sets: BTreeMap<(u32, bool, u32), Vec<&Member>> = BTreeMap::new();
        for member in members {
            let key = (member.projection.dtype as u32, member.projection.out_first, member.level);
            sets.entry(key).or_default().push(member);
        }
        for same in sets.values() {
            merge(at, library, set, *input, same, findings);
        }
        apart(at, library, set, members, findings);
    }
    let Some(qkv) = rule(QKV) else { return };
    for site in at.attentions.sites.iter().filter(|site| site.kind == AttentionKind::SelfAttention) {
        inputs_of(at, library, qkv, site, findings);
    }
}

/// The longest way of nodes that do work to each node.
fn levels(at: &Surroundings) -> Vec<u32> {
    let mut levels = vec![0_u32; at.graph.node_count()];
    for (id, node) in at.graph.nodes() {
        let before = node.inputs.iter().filter_map(|&input| at.graph.producer(input));
        let deepest = before.map(|maker| levels[maker.index()]).max().unwrap_or(0);
        levels[id.index()] = deepest.saturating_add(u32::from(!at.storage.is_free(id)));
    }
    levels
}

fn weight_value(graph: &Graph, node: NodeId) -> Option<ValueId> {
    use fusewright_ir::ops::Contraction;
    let node = graph.node(node);
    let at = if matches!(node.op, Op::Contraction(Contraction::MatMulAdd { .. })) { 2 } else { 1 };
    node.inputs.get(at).copied()
}

fn roles(at: &Surroundings) -> FxHashMap<NodeId, Role> {
    let mut roles = FxHashMap::default();
    for site in &at.attentions.sites {
        let [query, key, value] = site.projections;
        for node in [key, value].into_iter().flatten() {
            roles.insert(node, Role::KeyOrValue);
        }
        if let Some(query) = query {
            roles.insert(query, Role::Query);
        }
    }
    roles
}

/// Which rule a set of projections goes by.
fn purpose(at: &Surroundings, roles: &FxHashMap<NodeId, Role>, members: &[Member]) -> &'static str {
    let role = |member: &Member| roles.get(&member.node).copied();
    let has = |wanted: Role| members.iter().any(|member| role(member) == Some(wanted));
    if has(Role::Query) && has(Role::KeyOrValue) {
        return QKV;
    }
    if members.iter().all(|member| role(member) == Some(Role::KeyOrValue)) {
        return KV;
    }
    let ends: Vec<Vec<NodeId>> = members.iter().map(|member| products_of(at, member.node)).collect();
    let meet = |a: &[NodeId], b: &[NodeId]| a.iter().any(|node| b.contains(node));
    let pairs = ends.iter().enumerate().any(|(first, a)| ends[first + 1..].iter().any(|b| meet(a, b)));
    if pairs {
        return GATE_UP;
    }
    if members.iter().all(|member| modulates(at, member.node)) { MODULATION } else { SIBLINGS }
}

/// The products that a projection's result reaches through views, functions of one tensor and its own SiLU.
fn products_of(at: &Surroundings, node: NodeId) -> Vec<NodeId> {
    let mut products = Vec::new();
    let mut open: Vec<ValueId> = at.graph.node(node).outputs.to_vec();
    for _ in 0..STEPS {
        let Some(value) = open.pop() else { break };
        for &reader in at.consumers.of_value(value).iter().take(4) {
            let node = at.graph.node(reader);
            let product = matches!(node.op, Op::Pointwise(Pointwise::Binary(Binary::Mul)));
            if product {
                products.push(reader);
            }
            let passes = is_transparent(at.graph, at.storage, reader)
                || matches!(node.op, Op::Pointwise(Pointwise::Unary(_) | Pointwise::WithScalar { .. }))
                || product && is_own_gate(at, reader)
                || matches!(node.op, Op::Pointwise(Pointwise::Binary(Binary::Add))) && adds_bias(at, reader);
            if passes {
                open.extend(node.outputs.iter().copied());
            }
        }
    }
    products
}

/// The node multiplies a tensor with a function of itself.
fn is_own_gate(at: &Surroundings, id: NodeId) -> bool {
    let &[a, b] = &at.graph.node(id).inputs[..] else { return false };
    let source = |value: ValueId| {
        let maker = at.graph.producer(value).map(|id| at.graph.node(id))?;
        matches!(maker.op, Op::Pointwise(Pointwise::Unary(Unary::Sigmoid))).then(|| maker.inputs[0])
    };
    source(a) == Some(b) || source(b) == Some(a)
}

fn adds_bias(at: &Surroundings, id: NodeId) -> bool {
    at.graph.node(id).inputs.iter().any(|&input| crate::projection::weight_of(at.graph, input).is_some())
}

/// Some part of the projection's result is a scale: one is added to it.
fn modulates(at: &Surroundings, node: NodeId) -> bool {
    let mut open: Vec<ValueId> = at.graph.node(node).outputs.to_vec();
    for _ in 0..STEPS {
        let Some(value) = open.pop() else { break };
        for &reader in at.consumers.of_value(value).iter().take(8) {
            let node = at.graph.node(reader);
            match &node.op {
                Op::Pointwise(Pointwise::WithScalar { kind: Binary::Add, scalar, .. })
                    if super::settings::near(*scalar, 1.0, 0.0) =>
                {
                    return true;
                }
                Op::Pointwise(Pointwise::Binary(Binary::Add)) if adds_bias(at, reader) => {
                    open.extend(node.outputs.iter().copied());
                }
                Op::View(_) => open.extend(node.outputs.iter().copied()),
                _ if is_moving(at.graph, reader) => open.extend(node.outputs.iter().copied()),
                _ => {}
            }
        }
    }
    false
}

/// Projections that may be one product; those with a weight of their own only.
fn merge(
    at: &Surroundings,
    library: &Library,
    rule: RuleId,
    input: ValueId,
    members: &[&Member],
    findings: &mut Findings,
) {
    let mut kept: Vec<&Member> = Vec::new();
    for member in members {
        let twin = kept.iter().find(|known| member.weight.is_some() && known.weight == member.weight);
        let same_part = |a: NodeId, b: NodeId| weight_value(at.graph, a) == weight_value(at.graph, b);
        match twin {
            Some(twin) if same_part(twin.node, member.node) => {
                let name = at.graph.node_name(twin.node);
                let evidence = Evidence {
                    node: Some(member.node),
                    value: weight_value(at.graph, member.node),
                    found: format!("the weight of {name}"),
                    expected: "a weight of its own".to_owned(),
                };
                let nodes = vec![twin.node, member.node];
                findings.misses.push(miss(at, library, rule, Reason::SharedWeight, evidence, nodes));
            }
            _ => kept.push(member),
        }
    }
    if kept.len() < 2 {
        return;
    }
    let mut nodes: Vec<NodeId> = kept.iter().map(|member| member.node).collect();
    nodes.sort_unstable();
    let anchor = nodes[0];
    let saving = region::saving(at, &nodes, &outputs(at, &nodes));
    let values = vec![("input".to_owned(), input)];
    findings.candidates.push(Candidate { rule, also: Vec::new(), nodes, anchor, values, saving });
}

fn outputs(at: &Surroundings, nodes: &[NodeId]) -> Vec<ValueId> {
    nodes.iter().flat_map(|&node| at.graph.node(node).outputs.iter().copied()).collect()
}

fn miss(
    at: &Surroundings,
    library: &Library,
    rule: RuleId,
    reason: Reason,
    evidence: Evidence,
    mut nodes: Vec<NodeId>,
) -> Miss {
    nodes.sort_unstable();
    nodes.dedup();
    let saving = region::saving(at, &nodes, &outputs(at, &nodes));
    let change = library.rule(rule).change(&reason);
    Miss { rule, reason, evidence, anchor: nodes[0], nodes, saving, change }
}

/// Why some projections of one input stay apart: each is compared with the first.
fn apart(at: &Surroundings, library: &Library, rule: RuleId, members: &[Member], findings: &mut Findings) {
    let Some((first, others)) = members.split_first() else { return };
    let mut told: Vec<Reason> = Vec::new();
    for other in others {
        let (a, b) = (&first.projection, &other.projection);
        let name = at.graph.node_name(first.node);
        let (reason, found, expected) = if a.dtype != b.dtype {
            (Reason::DTypeDiffers, b.dtype.name().to_owned(), format!("{}, as in {name}", a.dtype.name()))
        } else if a.out_first != b.out_first {
            let layout = |out_first: bool| if out_first { "[out, in]" } else { "[in, out]" };
            let expected = format!("{}, as in {name}", layout(a.out_first));
            (Reason::LayoutDiffers, layout(b.out_first).to_owned(), expected)
        } else if first.level != other.level {
            (Reason::DependsOnSibling, format!("{} steps deep", other.level), format!("{}, as {name}", first.level))
        } else {
            continue;
        };
        // One line for each reason: the sets on either side are candidates of their own.
        if told.contains(&reason) {
            continue;
        }
        told.push(reason.clone());
        let value = weight_value(at.graph, other.node);
        let evidence = Evidence { node: Some(other.node), value, found, expected };
        findings.misses.push(miss(at, library, rule, reason, evidence, vec![first.node, other.node]));
    }
}

/// Queries, keys and values of a self-attention whose inputs are nearly one value.
fn inputs_of(at: &Surroundings, library: &Library, rule: RuleId, site: &AttentionSite, findings: &mut Findings) {
    let [Some(query), Some(key), Some(value)] = site.projections else { return };
    let of = |node: NodeId| projection_of(at.graph, at.storage, node).map(|projection| (node, projection.input));
    let (Some(query), Some(key), Some(value)) = (of(query), of(key), of(value)) else { return };
    let pairs = [(query, key), (query, value), (key, value)];
    let apart = pairs.into_iter().find(|((_, a), (_, b))| a != b && nearly_one(at, *a, *b));
    let Some(((first, a), (second, b))) = apart else { return };
    let evidence = Evidence {
        node: Some(second),
        value: Some(b),
        found: format!("%{}", at.graph.value_name(b)),
        expected: format!("%{}, as {} reads", at.graph.value_name(a), at.graph.node_name(first)),
    };
    let mut nodes = vec![query.0, key.0, value.0];
    nodes.sort_unstable();
    nodes.dedup();
    findings.misses.push(miss(at, library, rule, Reason::InputDiffers, evidence, nodes));
}

/// One value is the other with something added, or both are the same function of one value.
fn nearly_one(at: &Surroundings, a: ValueId, b: ValueId) -> bool {
    let graph = at.graph;
    let parts = |value: ValueId| {
        let maker = graph.producer(value).map(|id| graph.node(id))?;
        matches!(maker.op, Op::Pointwise(Pointwise::Binary(Binary::Add))).then(|| maker.inputs.clone())
    };
    let adds = |sum: ValueId, part: ValueId| parts(sum).is_some_and(|parts| parts.contains(&part));
    let twins = || {
        let (Some(a), Some(b)) = (graph.producer(a), graph.producer(b)) else { return false };
        let (a, b) = (graph.node(a), graph.node(b));
        matches!(a.op, Op::Normalization(_) | Op::Copy(_)) && a.op == b.op && a.inputs.first() == b.inputs.first()
    };
    adds(a, b) || adds(b, a) || twins()
}
