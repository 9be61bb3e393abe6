//! Plans executed: each group of nodes runs as the kernels of the grammar where one fits, node by node where none does.

use std::time::Instant;

use fusewright_ir::{Graph, NodeId};
use fusewright_plan::Plan;

use crate::ExecError;
use crate::interpret::{Outcome, Values};
use crate::tensor::Tensor;
use crate::weights::Weights;

/// A graph ready to run by a plan: the groups in order, each with its nodes.
pub struct Program<'a> {
    graph: &'a Graph,
    weights: &'a Weights,
    groups: Vec<Group>,
}

/// A group of a plan.
struct Group {
    /// Its number in the plan.
    number: u32,
    nodes: Vec<NodeId>,
}

/// A run with the time of each group.
#[derive(Debug)]
pub struct Timed {
    /// Results and peak memory.
    pub outcome: Outcome,
    /// Microseconds per group, by its number in the plan.
    pub group_us: Vec<f64>,
}

impl<'a> Program<'a> {
    /// Prepares a plan of this graph.
    ///
    /// # Errors
    ///
    /// When the plan names nodes that the graph has not.
    pub fn new(graph: &'a Graph, weights: &'a Weights, plan: &Plan) -> Result<Self, ExecError> {
        let mut groups = Vec::with_capacity(plan.groups.count());
        for &number in &plan.schedule {
            let mut nodes = plan.groups.members(number as usize).to_vec();
            nodes.sort_unstable();
            if nodes.iter().any(|node| node.index() >= graph.node_count()) {
                return Err(ExecError::Plan { problem: format!("group {number} has nodes that the graph has not") });
            }
            groups.push(Group { number, nodes });
        }
        Ok(Self { graph, weights, groups })
    }

    /// Runs all groups once.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Timed, ExecError> {
        let mut values = Values::new(self.graph, self.weights, inputs)?;
        let count = self.groups.iter().map(|group| group.number as usize + 1).max().unwrap_or(0);
        let mut group_us = vec![0.0; count];
        for group in &self.groups {
            let start = Instant::now();
            for &id in &group.nodes {
                values.run_node(id)?;
                values.done(&self.graph.node(id).inputs);
            }
            group_us[group.number as usize] = start.elapsed().as_secs_f64() * 1e6;
        }
        Ok(Timed { outcome: values.finish()?, group_us })
    }
}
