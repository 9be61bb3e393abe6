//! The nodes of the graph.

use fusewright_ir::{Graph, ValueId, node_work};
use fusewright_pattern::canonical_name;
use fusewright_plan::Analysis;
use serde::Serialize;

use super::deltas::deltas;
use super::strings::Strings;

/// The nodes, a column for each thing known of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Ops {
    /// Name.
    #[serde(serialize_with = "deltas")]
    pub name: Vec<u32>,
    /// Op, as patterns call it.
    pub op: Vec<u32>,
    /// Module path.
    pub module: Vec<u32>,
    /// Type of the first result, e.g. `f32[1, 197, 768]`.
    pub shape: Vec<u32>,
    /// FLOPs, contractions and others.
    pub flops: Vec<u64>,
    /// 1 where nothing is launched: views, host work.
    pub free: Vec<u8>,
    /// Nodes that each reads from; row `n` is `reads[reads_start[n]..reads_start[n + 1]]`.
    #[serde(serialize_with = "deltas")]
    pub reads: Vec<u32>,
    /// Where rows of `reads` start.
    #[serde(serialize_with = "deltas")]
    pub reads_start: Vec<u32>,
}

impl Ops {
    pub(super) fn of(analysis: &Analysis, strings: &mut Strings) -> Self {
        let graph = analysis.graph;
        let mut ops = Self::default();
        ops.reads_start.push(0);
        for (id, node) in graph.nodes() {
            ops.name.push(strings.place(graph.node_name(id)));
            ops.op.push(strings.place(canonical_name(node)));
            ops.module.push(strings.place(graph.text(node.source.scope)));
            let shape = node.outputs.first().map_or_else(String::new, |&output| shape_text(graph, output));
            ops.shape.push(strings.place(&shape));
            ops.flops.push(node_work(graph, id).flops());
            ops.free.push(u8::from(analysis.storage.is_free(id)));
            let from = ops.reads.len();
            for producer in node.inputs.iter().filter_map(|&input| graph.producer(input)) {
                let producer = u32::try_from(producer.index()).unwrap_or(u32::MAX);
                if !ops.reads[from..].contains(&producer) {
                    ops.reads.push(producer);
                }
            }
            ops.reads_start.push(u32::try_from(ops.reads.len()).unwrap_or(u32::MAX));
        }
        ops
    }
}

fn shape_text(graph: &Graph, value: ValueId) -> String {
    let Some(tensor) = graph.tensor(value) else { return "host".to_owned() };
    let extents: Vec<String> = tensor.shape.iter().map(u64::to_string).collect();
    format!("{}[{}]", tensor.dtype.name(), extents.join(", "))
}
