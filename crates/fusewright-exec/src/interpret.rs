//! The interpreter: node by node in topological order, each value freed after its last reader.

use std::collections::BTreeMap;

use fusewright_ir::{Graph, NodeId, Op, Type, ValueId};

use crate::tensor::Tensor;
use crate::weights::Weights;
use crate::{ExecError, ops};

/// What a run gives.
#[derive(Debug)]
pub struct Outcome {
    /// The results of the graph, in its order.
    pub outputs: Vec<Tensor>,
    /// Most bytes of inputs and intermediate values alive at once, weights apart.
    pub peak_bytes: u64,
}

/// Runs every node of a graph.
pub fn run(graph: &Graph, weights: &Weights, inputs: &[Tensor]) -> Result<Outcome, ExecError> {
    run_with(graph, weights, inputs, |_, _| {})
}

/// Runs every node and shows each result to `observe` before it may be freed.
pub fn run_with(
    graph: &Graph,
    weights: &Weights,
    inputs: &[Tensor],
    mut observe: impl FnMut(ValueId, &Tensor),
) -> Result<Outcome, ExecError> {
    let mut values = Values::new(graph, weights, inputs)?;
    for (id, node) in graph.nodes() {
        values.run_node(id)?;
        for &output in &node.outputs {
            if let Some(tensor) = values.get(output) {
                observe(output, tensor);
            }
        }
        values.done(&node.inputs);
    }
    values.finish()
}

/// The values that are alive.
pub(crate) struct Values<'a> {
    pub(crate) graph: &'a Graph,
    weights: &'a Weights,
    held: Vec<Option<Tensor>>,
    /// Reads that are still to come; outputs of the graph count as one.
    readers: Vec<u32>,
    memory: Memory,
}

/// Bytes behind the values that are alive, shared memory once.
#[derive(Debug, Default)]
struct Memory {
    holders: BTreeMap<usize, (u32, u64)>,
    now: u64,
    peak: u64,
}

impl Memory {
    fn hold(&mut self, tensor: &Tensor) {
        let (address, bytes) = tensor.memory();
        let entry = self.holders.entry(address).or_insert((0, bytes));
        if entry.0 == 0 {
            self.now += bytes;
            self.peak = self.peak.max(self.now);
        }
        entry.0 += 1;
    }

    fn release(&mut self, tensor: &Tensor) {
        let (address, bytes) = tensor.memory();
        if let Some(entry) = self.holders.get_mut(&address) {
            entry.0 -= 1;
            if entry.0 == 0 {
                self.now -= bytes;
                self.holders.remove(&address);
            }
        }
    }
}

impl<'a> Values<'a> {
    /// The inputs, checked against their types.
    pub(crate) fn new(graph: &'a Graph, weights: &'a Weights, inputs: &[Tensor]) -> Result<Self, ExecError> {
        let mut readers = vec![0_u32; graph.value_count()];
        for (_, node) in graph.nodes() {
            node.inputs.iter().for_each(|value| readers[value.index()] += 1);
        }
        graph.outputs().iter().for_each(|value| readers[value.index()] += 1);
        let held = vec![None; graph.value_count()];
        let mut values = Self { graph, weights, held, readers, memory: Memory::default() };
        if inputs.len() != graph.inputs().len() {
            let problem = format!("{} are given, the graph takes {}", inputs.len(), graph.inputs().len());
            return Err(ExecError::Input { input: "all".to_owned(), problem });
        }
        for (&id, tensor) in graph.inputs().iter().zip(inputs) {
            if let Some(ty) = graph.tensor(id) {
                let shape = crate::generate::extents(&ty.shape);
                if shape != tensor.shape {
                    return Err(ExecError::Input {
                        input: graph.value_name(id).to_owned(),
                        problem: format!("it has shape {:?}, the graph takes {shape:?}", tensor.shape),
                    });
                }
                values.set(id, tensor.cast(ty.dtype));
            }
        }
        Ok(values)
    }

    /// A value, of the run or of the model.
    pub(crate) fn get(&self, value: ValueId) -> Option<&Tensor> {
        self.held[value.index()].as_ref().or_else(|| self.weights.get(value))
    }

    /// Gives a value its tensor.
    pub(crate) fn set(&mut self, value: ValueId, tensor: Tensor) {
        self.memory.hold(&tensor);
        if let Some(old) = self.held[value.index()].replace(tensor) {
            self.memory.release(&old);
        }
    }

    /// Computes the results of a node.
    pub(crate) fn run_node(&mut self, id: NodeId) -> Result<(), ExecError> {
        let node = self.graph.node(id);
        if matches!(node.op, Op::Host(_)) {
            return Ok(());
        }
        let operands: Vec<&Tensor> = node.inputs.iter().filter_map(|&value| self.get(value)).collect();
        let results: Vec<_> = node.outputs.iter().filter_map(|&value| self.graph.tensor(value)).collect();
        let failed = |problem: String| match node.op {
            Op::Opaque(_) | Op::Attention(_) => {
                ExecError::Unsupported { node: self.graph.node_name(id).to_owned(), problem }
            }
            _ => ExecError::Failed { node: self.graph.node_name(id).to_owned(), op: node.op.mnemonic(), problem },
        };
        let made = ops::run(&node.op, &operands, &results).map_err(failed)?;
        let outputs = node.outputs.iter().filter(|&&value| matches!(self.graph.value(value).ty, Type::Tensor(_)));
        let mut checked = Vec::with_capacity(made.len());
        for (&value, tensor) in outputs.zip(made) {
            let Some(ty) = self.graph.tensor(value) else { continue };
            let shape = crate::generate::extents(&ty.shape);
            if tensor.shape != shape {
                return Err(failed(format!("the result has shape {:?}, expected {shape:?}", tensor.shape)));
            }
            let tensor = if tensor.dtype == ty.dtype { tensor } else { tensor.cast(ty.dtype) };
            // Other kernels round as they store.
            checked.push((value, if matches!(node.op, Op::Pointwise(_)) { tensor.rounded() } else { tensor }));
        }
        for (value, tensor) in checked {
            self.set(value, tensor);
        }
        for &output in &node.outputs {
            if self.readers[output.index()] == 0 {
                self.drop_value(output);
            }
        }
        Ok(())
    }

    /// One reader fewer for each of these values.
    pub(crate) fn done(&mut self, inputs: &[ValueId]) {
        for &value in inputs {
            let readers = &mut self.readers[value.index()];
            *readers = readers.saturating_sub(1);
            if *readers == 0 {
                self.drop_value(value);
            }
        }
    }

    fn drop_value(&mut self, value: ValueId) {
        if let Some(old) = self.held[value.index()].take() {
            self.memory.release(&old);
        }
    }

    /// The results of the graph.
    pub(crate) fn finish(self) -> Result<Outcome, ExecError> {
        let outputs = self.graph.outputs().iter().map(|&value| {
            let missing = || ExecError::Unsupported {
                node: self.graph.value_name(value).to_owned(),
                problem: "it is an output of the graph that no tensor was made for".to_owned(),
            };
            self.get(value).map(Tensor::contiguous).ok_or_else(missing)
        });
        let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
        Ok(Outcome { outputs, peak_bytes: self.memory.peak })
    }
}
