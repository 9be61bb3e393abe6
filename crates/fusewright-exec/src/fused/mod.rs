//! Plans executed: each group of nodes runs as the kernels of the grammar where one fits, node by node where none does.

mod attention;
mod chain;
mod compile;
mod grow;
mod guard;
mod product;
mod row;

use std::time::Instant;

use fusewright_ir::{Consumers, Graph, ValueId};
use fusewright_plan::Plan;
use rayon::prelude::*;

use crate::ExecError;
use crate::generate::extents;
use crate::interpret::{Outcome, Values};
use crate::tensor::Tensor;
use crate::weights::Weights;
use compile::{Compiler, Kernel, Planned};
use product::Made;
use row::{Bound, Registers, RowLoop};

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
    kernels: Vec<Planned>,
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
        let consumers = Consumers::of(graph);
        let compiler = Compiler { graph, weights, consumers: &consumers };
        let mut groups = Vec::with_capacity(plan.groups.count());
        for &number in &plan.schedule {
            let mut nodes = plan.groups.members(number as usize).to_vec();
            nodes.sort_unstable();
            if nodes.iter().any(|node| node.index() >= graph.node_count()) {
                return Err(ExecError::Plan { problem: format!("group {number} has nodes that the graph has not") });
            }
            groups.push(Group { number, kernels: compiler.group(&nodes) });
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
            for planned in &group.kernels {
                self.kernel(&mut values, planned)?;
            }
            group_us[group.number as usize] = start.elapsed().as_secs_f64() * 1e6;
        }
        Ok(Timed { outcome: values.finish()?, group_us })
    }

    /// How many kernels stand for more than one node, or for a product or an attention that the interpreter would take
    /// apart.
    pub fn fused_kernels(&self) -> usize {
        let planned = self.groups.iter().flat_map(|group| &group.kernels);
        planned.filter(|planned| !matches!(planned.kernel, Kernel::Node(_))).count()
    }

    fn kernel(&self, values: &mut Values<'_>, planned: &Planned) -> Result<(), ExecError> {
        let first = planned.nodes.first().copied();
        let failed = |problem: String| ExecError::Failed {
            node: first.map_or_else(String::new, |id| self.graph.node_name(id).to_owned()),
            op: first.map_or("", |id| self.graph.node(id).op.mnemonic()),
            problem,
        };
        let get = |value: ValueId| values.get(value).cloned();
        let made: Made = match &planned.kernel {
            Kernel::Node(id) => {
                values.run_node(*id)?;
                values.done(&self.graph.node(*id).inputs);
                return Ok(());
            }
            Kernel::Rows(rows) => run_rows(rows, get).map_err(failed)?,
            Kernel::Product(product) => {
                let input = get(product.input).ok_or_else(|| failed("its input is missing".to_owned()))?;
                product.run(&input, get).map_err(failed)?
            }
            Kernel::Attention(attention) => {
                vec![(attention.output, attention.run(get).map_err(failed)?)]
            }
        };
        for (value, elements) in made {
            if let Some(ty) = self.graph.tensor(value) {
                values.set(value, Tensor::from_floats(ty.dtype, &extents(&ty.shape), elements));
            }
        }
        for &id in &planned.nodes {
            values.done(&self.graph.node(id).inputs);
        }
        Ok(())
    }
}

/// Runs a loop over all its rows, blocks of them on several threads.
fn run_rows(rows: &RowLoop, get: impl Fn(ValueId) -> Option<Tensor>) -> Result<Made, String> {
    let bound = Bound::new(&rows.inputs, get).ok_or("an operand is missing")?;
    let (width, count) = (rows.width, rows.rows);
    let mut made: Made = rows.outputs.iter().map(|&(_, value)| (value, vec![0.0; width * count])).collect();
    let block = count.div_ceil(4 * rayon::current_num_threads().max(1)).max((1 << 13) / width.max(1)).max(1);
    let mut blocks: Vec<Vec<&mut [f32]>> = (0..count.div_ceil(block)).map(|_| Vec::new()).collect();
    for (_, values) in &mut made {
        for (target, part) in blocks.iter_mut().zip(values.chunks_mut((block * width).max(1))) {
            target.push(part);
        }
    }
    blocks.into_par_iter().enumerate().for_each(|(index, mut targets)| {
        let mut registers = Registers::new(rows.registers, width);
        for row in 0..block.min(count - index * block) {
            rows.run(&bound, &mut registers, index * block + row, 0, width);
            for (target, &(register, _)) in targets.iter_mut().zip(&rows.outputs) {
                target[row * width..][..width].copy_from_slice(registers.row(register));
            }
        }
    });
    Ok(made)
}
