//! The partitioner `as-written`: one kernel per op of the file.
//!
//! Readers open fused ops of a format, such as ONNX Runtime's `SkipLayerNormalization` or `Attention`, into the steps
//! that they consist of. Here the steps of one op are one group again: what a runtime launches that runs the file op by
//! op. An optimized file is scored by it with the measures of every other plan.

use fusewright_ir::{Graph, Node, NodeId};

use crate::attach::attach;
use crate::dataflow::Dataflow;
use crate::parallel::Merges;
use crate::{Analysis, CertificateError, Partitioner, Plan, Profile};

/// The ops of the file, each one kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct WrittenPartitioner;

impl Partitioner for WrittenPartitioner {
    fn name(&self) -> &'static str {
        "as-written"
    }

    fn partition(&self, analysis: &Analysis, profile: Profile) -> Result<Plan, CertificateError> {
        let flow = Dataflow::new(analysis, profile);
        let graph = analysis.graph;
        let mut group_of = vec![None; graph.node_count()];
        let mut count = 0_u32;
        let mut op: Option<NodeId> = None;
        let mut open: Option<u32> = None;
        for (id, node) in graph.nodes() {
            if !op.is_some_and(|first| is_step(graph, graph.node(first), node)) {
                (op, open) = (Some(id), None);
            }
            if flow.takes_part(id) {
                let number = *open.get_or_insert_with(|| {
                    count += 1;
                    count - 1
                });
                group_of[id.index()] = Some(number);
            }
        }
        let groups = attach(analysis, profile, group_of, count);
        Plan::new(self.name(), profile, analysis, &flow, groups, count as usize, Merges::default())
    }
}

/// Whether a node is a further step of the op whose first step is `first`: readers name the steps of the op `name`
/// `name`, `name.2`, `name.3` and so on.
fn is_step(graph: &Graph, first: &Node, node: &Node) -> bool {
    let number = graph.text(node.name).strip_prefix(graph.text(first.name)).and_then(|rest| rest.strip_prefix('.'));
    node.source.op == first.source.op
        && number.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use fusewright_ir::text::parse;

    use super::*;

    #[test]
    fn the_steps_of_one_op_are_one_kernel() {
        let graph = parse(
            r#"graph "skip" {
              input %x: f32[4, 8]
              parameter %w: f32[8]
              %a: f32[4, 8] = add(%x, %x) @function "com.microsoft.SkipLayerNormalization" named "skip"
              %b: f32[4, 8] = rms_norm(%a, %w) {axes = 1, epsilon = 1e-6} @function "com.microsoft.SkipLayerNormalization" named "skip.2"
              %c: f32[4, 8] = relu(%b) @function "Relu" named "skip.3"
              %d: f32[4, 8] = relu(%c) @function "Relu" named "other"
              output %d
            }"#,
        )
        .expect("the graph is valid");
        let analysis = Analysis::of(&graph);
        let plan = WrittenPartitioner.partition(&analysis, Profile::Default).expect("a plan");
        assert_eq!(plan.sizes, [2, 1, 1]);
        assert_eq!(plan.pattern(0), "add_rms_norm");
    }
}
