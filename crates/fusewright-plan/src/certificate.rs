//! The certificate: what is checked of every plan before anyone sees it.
//!
//! 1. cover: each node is in exactly one group, and the tables that say so agree;
//! 2. acyclic quotient: the groups can run one after the other;
//! 3. convexity: no path leaves a group and comes back (implied by 2, and named when it is what fails);
//! 4. costs: recomputed by going through the values instead of the groups, they are those that the plan states.

use fusewright_cost::{GroupCost, Groups};
use fusewright_ir::{Graph, Node, NodeId, Op, Origin, ValueId, node_work};

use crate::Analysis;
use crate::quotient::{Quotient, awaited};

/// What was checked of a plan; a plan that fails a check has no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Nodes that were found in exactly one group.
    pub nodes: usize,
    /// Groups whose order and costs were checked.
    pub groups: usize,
}

/// A plan that must not be shown: the partitioner that made it has a bug.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Check 1.
    #[error("node `{node}` is not in exactly one group")]
    Cover {
        /// The node's name.
        node: String,
    },
    /// Check 3.
    #[error("the group of node `{node}` is not convex: a path leaves it and comes back")]
    NotConvex {
        /// A node of the group.
        node: String,
    },
    /// Check 2.
    #[error("groups wait for each other in a circle, and the group of node `{node}` with them")]
    Cycle {
        /// A node of a group in the circle or behind it.
        node: String,
    },
    /// Check 4.
    #[error("the cost of group {group} (with node `{node}`) is stated as {stated:?} but is {found:?}")]
    Cost {
        /// The group.
        group: usize,
        /// A node of the group.
        node: String,
        /// What the plan says.
        stated: Box<GroupCost>,
        /// What was recomputed.
        found: Box<GroupCost>,
    },
}

/// Checks a partition with its costs; gives the certificate and a schedule.
pub(crate) fn certify(
    analysis: &Analysis,
    groups: &Groups,
    costs: &[GroupCost],
) -> Result<(Certificate, Vec<u32>), CertificateError> {
    let graph = analysis.graph;
    check_cover(graph, groups)?;
    let quotient = Quotient::of(graph, &analysis.storage, groups);
    let schedule = quotient.schedule(groups).map_err(|stuck| circle(analysis, groups, stuck))?;
    let recomputed = costs_by_value(analysis, groups);
    for (group, (stated, found)) in costs.iter().zip(&recomputed).enumerate() {
        if stated != found {
            let node = groups.members(group).first().map_or_else(String::new, |&id| graph.node_name(id).to_owned());
            let (stated, found) = (Box::new(*stated), Box::new(*found));
            return Err(CertificateError::Cost { group, node, stated, found });
        }
    }
    Ok((Certificate { nodes: graph.node_count(), groups: groups.count() }, schedule))
}

fn check_cover(graph: &Graph, groups: &Groups) -> Result<(), CertificateError> {
    let mut seen = vec![0_u8; graph.node_count()];
    for group in 0..groups.count() {
        for &id in groups.members(group) {
            let agrees = groups.group_of.get(id.index()).is_some_and(|&of| of as usize == group);
            if let Some(count) = seen.get_mut(id.index()) {
                *count = count.saturating_add(if agrees { 1 } else { 2 });
            }
        }
    }
    match seen.iter().position(|&count| count != 1) {
        None => Ok(()),
        Some(index) => Err(CertificateError::Cover { node: graph.node_name(NodeId::new(index)).to_owned() }),
    }
}

/// Names what closes the circle: one group that is not convex, or several.
fn circle(analysis: &Analysis, groups: &Groups, stuck: u32) -> CertificateError {
    let graph = analysis.graph;
    let waits_for = |node: &Node, holds: &dyn Fn(NodeId) -> bool| {
        node.inputs.iter().any(|&input| awaited(graph, &analysis.storage, input).is_some_and(holds))
    };
    for group in (0_u32..).take(groups.count()).filter(|&group| groups.members(group as usize).len() > 1) {
        let mut left_group = vec![false; graph.node_count()];
        for (id, node) in graph.nodes() {
            let after_leaving = waits_for(node, &|producer| left_group[producer.index()]);
            if groups.of(id) == group && after_leaving {
                return CertificateError::NotConvex { node: graph.node_name(id).to_owned() };
            }
            let reads_group = waits_for(node, &|producer| groups.of(producer) == group);
            left_group[id.index()] = groups.of(id) != group && (after_leaving || reads_group);
        }
    }
    let first = groups.members(stuck as usize).first();
    CertificateError::Cycle { node: first.map_or_else(String::new, |&id| graph.node_name(id).to_owned()) }
}

/// One reading of a piece of memory.
#[derive(Clone, Copy)]
struct Reading {
    root: ValueId,
    group: u32,
    value: ValueId,
    elements: u64,
}

/// Costs from the point of view of the memory: who reads each piece of it, and who made it.
fn costs_by_value(analysis: &Analysis, groups: &Groups) -> Vec<GroupCost> {
    let (graph, storage) = (analysis.graph, &analysis.storage);
    let mut costs = vec![GroupCost::default(); groups.count()];
    let mut readings = Vec::new();
    for (id, node) in graph.nodes().filter(|&(id, _)| !storage.is_free(id)) {
        let group = groups.of(id);
        let cost = &mut costs[group as usize];
        cost.kernels = 1;
        cost.work += node_work(graph, id);
        for (position, &value) in node.inputs.iter().enumerate().filter(|(_, value)| graph.tensor(**value).is_some()) {
            let stored = storage.distinct_elements(value);
            let elements = match &node.op {
                Op::Gather(gather) if gather.table_operand() == position => {
                    let picked = node.outputs.first().and_then(|&output| graph.tensor(output));
                    picked.map_or(stored, |tensor| tensor.elements().min(stored))
                }
                _ => stored,
            };
            readings.push(Reading { root: storage.root(value), group, value, elements });
        }
    }
    readings.sort_unstable_by_key(|reading| (reading.root, reading.group, reading.value, reading.elements));
    let mut is_result = vec![false; graph.value_count()];
    for &output in graph.outputs() {
        is_result[storage.root(output).index()] = true;
    }
    let mut inside_only = vec![false; graph.value_count()];
    for of_root in readings.chunk_by(|a, b| a.root == b.root) {
        let root = of_root[0].root;
        let maker = graph.producer(root).map(|producer| groups.of(producer));
        inside_only[root.index()] =
            of_root.iter().all(|reading| Some(reading.group) == maker) && !is_result[root.index()];
        let Some(tensor) = graph.tensor(root) else { continue };
        for of_group in of_root.chunk_by(|a, b| a.group == b.group) {
            if Some(of_group[0].group) == maker {
                continue;
            }
            // Sorted by value and elements: the last reading of a value is its largest.
            let pieces = of_group.chunk_by(|a, b| a.value == b.value);
            let elements: u64 = pieces.filter_map(|same| same.last()).fold(0, |sum, r| sum.saturating_add(r.elements));
            let bytes = tensor.dtype.bytes(elements.min(storage.distinct_elements(root)));
            let cost = &mut costs[of_group[0].group as usize];
            cost.read = cost.read.saturating_add(bytes);
            if matches!(graph.value(root).origin, Origin::Parameter | Origin::Buffer) {
                cost.weights = cost.weights.saturating_add(bytes);
            }
        }
    }
    for (id, node) in graph.nodes().filter(|&(id, _)| !storage.is_free(id)) {
        let cost = &mut costs[groups.of(id) as usize];
        for &output in &node.outputs {
            let bytes = graph.value(output).ty.bytes();
            let place = if inside_only[output.index()] { &mut cost.internal } else { &mut cost.written };
            *place = place.saturating_add(bytes);
        }
    }
    costs
}

#[cfg(test)]
mod tests {
    use fusewright_cost::group_costs;
    use fusewright_ir::{Rows, text};

    use super::*;

    const NODES: &str = r#"
        graph "two chains that meet" {
          input %x: f32[4]
          %a: f32[4] = exp(%x)
          %b: f32[4] = tanh(%x)
          %after_a: f32[4] = neg(%a)
          %after_b: f32[4] = neg(%b)
          %sum: f32[4] = add(%after_a, %after_b)
          output %sum
        }"#;

    /// Certifies the partition that gives each node, in order, its group.
    fn certify_groups(
        group_of: &[u32],
        tamper: impl Fn(&mut Groups, &mut Vec<GroupCost>),
    ) -> Result<(), CertificateError> {
        let graph = text::parse(NODES).unwrap();
        let analysis = Analysis::of(&graph);
        let count = *group_of.iter().max().unwrap() as usize + 1;
        let mut groups = Groups::from_assignment(group_of.to_vec(), count);
        let mut costs = group_costs(&graph, &analysis.storage, &groups);
        tamper(&mut groups, &mut costs);
        certify(&analysis, &groups, &costs).map(|_| ())
    }

    fn without_last(group_of: &[u32]) -> Rows<NodeId> {
        let pairs: Vec<_> = group_of.iter().copied().zip((0..).map(NodeId::new)).collect();
        Rows::from_pairs(2, &pairs[..pairs.len() - 1])
    }

    #[test]
    fn legal_partitions_pass() {
        for group_of in [[0, 1, 2, 3, 4], [0, 0, 0, 0, 0], [0, 1, 0, 1, 2], [0, 0, 1, 1, 1]] {
            assert_eq!(certify_groups(&group_of, |_, _| {}), Ok(()), "{group_of:?}");
        }
    }

    #[test]
    fn a_group_that_waits_for_itself_is_named() {
        let error = certify_groups(&[0, 1, 2, 3, 0], |_, _| {}).unwrap_err();
        assert_eq!(error, CertificateError::NotConvex { node: "sum".to_owned() });
    }

    #[test]
    fn groups_that_wait_for_each_other_are_found() {
        let error = certify_groups(&[0, 1, 1, 0, 2], |_, _| {}).unwrap_err();
        assert_eq!(error, CertificateError::Cycle { node: "a".to_owned() });
    }

    #[test]
    fn wrong_costs_and_lost_nodes_are_found() {
        let error = certify_groups(&[0, 0, 1, 1, 1], |_, costs| costs[1].read -= 4).unwrap_err();
        assert!(matches!(error, CertificateError::Cost { group: 1, .. }), "{error}");
        let error = certify_groups(&[0, 0, 1, 1, 1], |groups, _| groups.group_of[2] = 0).unwrap_err();
        assert_eq!(error, CertificateError::Cover { node: "after_a".to_owned() });
        let error =
            certify_groups(&[0, 0, 1, 1, 1], |groups, _| groups.members = without_last(&groups.group_of)).unwrap_err();
        assert_eq!(error, CertificateError::Cover { node: "sum".to_owned() });
    }
}
