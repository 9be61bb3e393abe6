//! Whether some nodes can run as one kernel, and what that saves.

use fusewright_cost::region_cost;
use fusewright_ir::{NodeId, ValueId};
use smallvec::SmallVec;

use super::findings::{Evidence, Saving};
use super::reason::Reason;
use super::search::Surroundings;

/// Most views behind a value that are followed to see who reads it.
const MOST_VIEWS: usize = 16;
/// Most nodes between the first and the last of a region that are looked at for a way around it.
const WIDEST: usize = 1 << 12;

type Refused = Option<(Reason, Evidence)>;

/// Checks that what is made inside is read inside, but for `outputs`, and that no way leads out and back in. `nodes` ascend.
/// `Err(None)` stands for more than one thing wrong.
pub(super) fn check(at: &Surroundings, nodes: &[NodeId], outputs: &[ValueId]) -> Result<(), Refused> {
    let graph = at.graph;
    let mut broken: Refused = None;
    let mut broken_root = None;
    for &id in nodes {
        for &value in &graph.node(id).outputs {
            if outputs.contains(&value) {
                continue;
            }
            let Some((reason, node)) = read_outside(at, nodes, value) else { continue };
            let root = at.storage.root(value);
            if outputs.iter().any(|&output| at.storage.root(output) == root) {
                continue;
            }
            if broken_root.is_some_and(|known| known != root) {
                return Err(None);
            }
            if broken.is_none() {
                broken_root = Some(root);
                let found = match node {
                    Some(node) => format!("read by {}", graph.node_name(node)),
                    None => "a result of the model".to_owned(),
                };
                let expected = "read inside only".to_owned();
                broken = Some((reason, Evidence { node, value: Some(value), found, expected }));
            }
        }
    }
    if broken.is_some() {
        return Err(broken);
    }
    if outputs.len() > 1
        && let Some(evidence) = way_around(at, nodes)
    {
        return Err(Some((Reason::Circular, evidence)));
    }
    Ok(())
}

/// Somebody outside reads a value: the node that does, or none where it is a result of the model.
fn read_outside(at: &Surroundings, nodes: &[NodeId], value: ValueId) -> Option<(Reason, Option<NodeId>)> {
    let graph = at.graph;
    let mut open: SmallVec<[ValueId; 4]> = SmallVec::from_iter([value]);
    let mut looked = 0;
    while let Some(value) = open.pop() {
        if at.is_result(value) {
            return Some((Reason::IsResult, None));
        }
        for &reader in at.consumers.of_value(value) {
            let node = graph.node(reader);
            if node.op.is_host() || nodes.binary_search(&reader).is_ok() {
                continue;
            }
            looked += 1;
            let view = matches!(node.op, fusewright_ir::Op::View(_)) && at.storage.is_free(reader);
            if !view || looked > MOST_VIEWS {
                return Some((Reason::SecondReader, Some(reader)));
            }
            open.extend(node.outputs.iter().copied());
        }
    }
    None
}

/// A node outside that depends on the region and feeds it.
fn way_around(at: &Surroundings, nodes: &[NodeId]) -> Option<Evidence> {
    let graph = at.graph;
    let (&first, &last) = (nodes.first()?, nodes.last()?);
    if last.index() - first.index() > WIDEST {
        return Some(Evidence {
            node: Some(last),
            value: None,
            found: format!("{} nodes between the first and the last step", last.index() - first.index()),
            expected: format!("at most {WIDEST}"),
        });
    }
    let mut reached = vec![false; last.index() - first.index() + 1];
    for index in first.index()..=last.index() {
        let id = NodeId::new(index);
        let inside = nodes.binary_search(&id).is_ok();
        let makers = graph.node(id).inputs.iter().filter_map(|&input| graph.producer(input));
        for maker in makers.filter(|maker| *maker >= first) {
            let maker_inside = nodes.binary_search(&maker).is_ok();
            if reached[maker.index() - first.index()] && inside && !maker_inside {
                return Some(Evidence {
                    node: Some(maker),
                    value: graph.node(maker).outputs.first().copied(),
                    found: "depends on the steps and feeds them".to_owned(),
                    expected: "one or the other".to_owned(),
                });
            }
            if !inside && (maker_inside || reached[maker.index() - first.index()]) {
                reached[index - first.index()] = true;
            }
        }
    }
    None
}

/// Adds steps at the border that belong inside: what copies or casts an operand for nobody else.
pub(super) fn grown(at: &Surroundings, mut nodes: Vec<NodeId>) -> Vec<NodeId> {
    for _ in 0..4 {
        let mut added = Vec::new();
        for &id in &nodes {
            for &input in &at.graph.node(id).inputs {
                let Some(maker) = at.graph.producer(input) else { continue };
                let passes = super::transparent::is_transparent(at.graph, at.storage, maker)
                    || super::transparent::is_moving(at.graph, maker) && at.storage.is_free(maker);
                let fits = passes && nodes.binary_search(&maker).is_err() && !added.contains(&maker);
                if fits && read_outside(at, &nodes, input).is_none() {
                    added.push(maker);
                }
            }
        }
        if added.is_empty() {
            break;
        }
        nodes.extend(added);
        nodes.sort_unstable();
        nodes.dedup();
    }
    nodes
}

/// What one kernel for these nodes saves; values but for `outputs` stay inside.
pub(super) fn saving(at: &Surroundings, nodes: &[NodeId], outputs: &[ValueId]) -> Saving {
    let launches: Vec<NodeId> = nodes.iter().copied().filter(|&id| !at.storage.is_free(id)).collect();
    let alone = |&id: &NodeId| {
        let results = &at.graph.node(id).outputs;
        region_cost(at.graph, at.storage, &[id], results).moved()
    };
    let apart = launches.iter().map(alone).fold(0_u64, u64::saturating_add);
    let together = region_cost(at.graph, at.storage, &launches, outputs).moved();
    let kernels = u32::try_from(launches.len().saturating_sub(1)).unwrap_or(u32::MAX);
    Saving { kernels, bytes: apart.saturating_sub(together) }
}
