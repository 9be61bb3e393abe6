//! The cost of every group of a partition, in one pass over the graph.

use fusewright_ir::{Graph, NodeId, Op, Origin, Rows, Storage, ValueId, Work, node_work};

/// A partition of a graph's nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// Group of each node.
    pub group_of: Vec<u32>,
    /// Nodes by group, ascending inside a group.
    pub members: Rows<NodeId>,
}

impl Groups {
    /// The partition in which node `n` belongs to group `group_of[n]`; groups are numbered from 0 to `count` − 1.
    pub fn from_assignment(group_of: Vec<u32>, count: usize) -> Self {
        let pairs: Vec<_> = group_of.iter().copied().zip((0..).map(NodeId::new)).collect();
        Self { group_of, members: Rows::from_pairs(count, &pairs) }
    }

    /// Number of groups.
    pub fn count(&self) -> usize {
        self.members.count()
    }

    /// The nodes of a group.
    pub fn members(&self, group: usize) -> &[NodeId] {
        self.members.row(group)
    }

    /// The group of a node.
    #[inline]
    pub fn of(&self, node: NodeId) -> u32 {
        self.group_of[node.index()]
    }
}

/// What one group costs. All bytes are bytes of tensor storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupCost {
    /// Arithmetic.
    pub work: Work,
    /// Bytes read from outside, weights included; each outside value once.
    pub read: u64,
    /// Of these, bytes of parameters and buffers.
    pub weights: u64,
    /// Bytes written for others: kernels or the graph's results.
    pub written: u64,
    /// Bytes of values made and used inside only.
    pub internal: u64,
    /// Launches: 1 if any member does device work, else 0.
    pub kernels: u32,
}

impl GroupCost {
    /// Bytes moved.
    pub fn moved(&self) -> u64 {
        self.read.saturating_add(self.written)
    }

    /// FLOPs per byte moved; 0 when nothing moves.
    pub fn intensity(&self) -> f64 {
        if self.moved() == 0 { 0.0 } else { self.work.flops() as f64 / self.moved() as f64 }
    }
}

impl std::ops::AddAssign<&GroupCost> for GroupCost {
    fn add_assign(&mut self, other: &GroupCost) {
        self.work += other.work;
        self.read = self.read.saturating_add(other.read);
        self.weights = self.weights.saturating_add(other.weights);
        self.written = self.written.saturating_add(other.written);
        self.internal = self.internal.saturating_add(other.internal);
        self.kernels = self.kernels.saturating_add(other.kernels);
    }
}

impl<'a> std::iter::Sum<&'a GroupCost> for GroupCost {
    fn sum<I: Iterator<Item = &'a GroupCost>>(parts: I) -> GroupCost {
        let mut total = GroupCost::default();
        for part in parts {
            total += part;
        }
        total
    }
}

/// How the memory that a node makes is used.
#[derive(Clone, Copy, Default)]
struct Use {
    inside: bool,
    outside: bool,
}

/// The cost of every group, in time linear in nodes and edges.
pub fn group_costs(graph: &Graph, storage: &Storage, groups: &Groups) -> Vec<GroupCost> {
    let uses = uses_of_roots(graph, storage, groups);
    let mut reads = Reads::new(graph.value_count());
    let mut costs = Vec::with_capacity(groups.count());
    for group in 0..groups.count() {
        let mut cost = GroupCost::default();
        reads.start(group);
        for &id in groups.members(group) {
            if storage.is_free(id) {
                continue;
            }
            cost.kernels = 1;
            cost.work += node_work(graph, id);
            for (value, elements) in operands_read(graph, storage, id) {
                let made_here = graph.producer(storage.root(value)).is_some_and(|p| groups.of(p) as usize == group);
                if !made_here {
                    reads.add(value, storage.root(value), elements);
                }
            }
            for &output in &graph.node(id).outputs {
                let bytes = graph.value(output).ty.bytes();
                let usage = uses[output.index()];
                if usage.inside && !usage.outside {
                    cost.internal = cost.internal.saturating_add(bytes);
                } else {
                    cost.written = cost.written.saturating_add(bytes);
                }
            }
        }
        reads.finish(graph, storage, &mut cost);
        costs.push(cost);
    }
    costs
}

/// The tensors that a node reads, each with the number of different elements: a gather reads what it picks.
pub(crate) fn operands_read<'a>(
    graph: &'a Graph,
    storage: &'a Storage,
    id: NodeId,
) -> impl Iterator<Item = (ValueId, u64)> + 'a {
    let node = graph.node(id);
    let picked = match &node.op {
        Op::Gather(gather) => Some((gather.table_operand(), node.outputs.first().and_then(|&o| graph.tensor(o)))),
        _ => None,
    };
    node.inputs.iter().enumerate().filter(|&(_, &input)| graph.tensor(input).is_some()).map(
        move |(position, &input)| {
            let all = storage.distinct_elements(input);
            let elements = match picked {
                Some((table, Some(result))) if table == position => all.min(result.elements()),
                _ => all,
            };
            (input, elements)
        },
    )
}

fn uses_of_roots(graph: &Graph, storage: &Storage, groups: &Groups) -> Vec<Use> {
    let mut uses = vec![Use::default(); graph.value_count()];
    for (id, node) in graph.nodes() {
        if storage.is_free(id) {
            continue;
        }
        for &input in &node.inputs {
            let root = storage.root(input);
            if let Some(producer) = graph.producer(root) {
                let inside = groups.of(producer) == groups.of(id);
                let usage = &mut uses[root.index()];
                usage.inside |= inside;
                usage.outside |= !inside;
            }
        }
    }
    for &output in graph.outputs() {
        uses[storage.root(output).index()].outside = true;
    }
    uses
}

/// The outside values that the group at hand reads. Stamps make starting a group free of clearing.
struct Reads {
    /// Per value, the group that last read it, counted from 1.
    value_stamp: Vec<u32>,
    elements_stamp: Vec<u64>,
    root_stamp: Vec<u32>,
    root_elements: Vec<u64>,
    touched: Vec<ValueId>,
    now: u32,
}

impl Reads {
    fn new(values: usize) -> Self {
        Self {
            value_stamp: vec![0; values],
            elements_stamp: vec![0; values],
            root_stamp: vec![0; values],
            root_elements: vec![0; values],
            touched: Vec::new(),
            now: 0,
        }
    }

    fn start(&mut self, group: usize) {
        self.now = u32::try_from(group + 1).unwrap_or(u32::MAX);
        self.touched.clear();
    }

    /// A value read twice counts once, at the larger of the two readings.
    fn add(&mut self, value: ValueId, root: ValueId, elements: u64) {
        let already = if self.value_stamp[value.index()] == self.now { self.elements_stamp[value.index()] } else { 0 };
        self.value_stamp[value.index()] = self.now;
        self.elements_stamp[value.index()] = already.max(elements);
        if self.root_stamp[root.index()] != self.now {
            self.root_stamp[root.index()] = self.now;
            self.root_elements[root.index()] = 0;
            self.touched.push(root);
        }
        let total = &mut self.root_elements[root.index()];
        *total = total.saturating_add(elements.saturating_sub(already));
    }

    /// Several views of one memory read at most that memory.
    fn finish(&mut self, graph: &Graph, storage: &Storage, cost: &mut GroupCost) {
        for &root in &self.touched {
            let Some(tensor) = graph.tensor(root) else { continue };
            let elements = self.root_elements[root.index()].min(storage.distinct_elements(root));
            let bytes = tensor.dtype.bytes(elements);
            cost.read = cost.read.saturating_add(bytes);
            if matches!(graph.value(root).origin, Origin::Parameter | Origin::Buffer) {
                cost.weights = cost.weights.saturating_add(bytes);
            }
        }
    }
}
