//! Whether a loop compiler lets the images of a model lie with their channels innermost.
//!
//! TorchInductor decides once for a graph: it weighs the FLOPs of its convolutions by how much faster each kind was found
//! to run that way, and converts where the sum falls (`decide_layout_opt` in torch/_inductor/graph.py). It leaves graphs
//! alone that have few convolutions among very many nodes.

use fusewright_ir::{Graph, Node, NodeId, Op, node_work};

/// Time with channels innermost over time with channels outermost, by kind of convolution.
const GROUPED: f64 = 1.358;
const FEW_CHANNELS: f64 = 0.783;
const NARROWING: f64 = 0.725;
const OTHERS: f64 = 0.823;

/// Up to this many channels, in and out, are few.
const FEW: u64 = 64;
/// Nodes for each convolution from which a graph is left alone.
const NODES_FOR_EACH: usize = 300;

/// The convolutions of the graph run with channels innermost.
pub(crate) fn channels_innermost(graph: &Graph) -> bool {
    let convolutions: Vec<(NodeId, &Node)> =
        graph.nodes().filter(|(_, node)| matches!(node.op, Op::Convolution(_))).collect();
    if convolutions.is_empty() || graph.node_count() / NODES_FOR_EACH >= convolutions.len() {
        return false;
    }
    let (mut before, mut after) = (0.0, 0.0);
    for (id, node) in convolutions {
        let flops = node_work(graph, id).flops() as f64;
        before += flops;
        after += flops * share(graph, node).unwrap_or(OTHERS);
    }
    after <= before
}

fn share(graph: &Graph, node: &Node) -> Option<f64> {
    let Op::Convolution(convolution) = &node.op else { return None };
    let weight = graph.tensor(*node.inputs.get(1)?)?;
    let (&out, &input) = (weight.shape.first()?, weight.shape.get(1)?);
    let has_window = weight.shape.get(2).is_some_and(|&extent| extent > 1);
    Some(if convolution.groups > 1 && input > 1 {
        GROUPED
    } else if out <= FEW && input <= FEW {
        FEW_CHANNELS
    } else if out.saturating_mul(2) <= input && has_window {
        NARROWING
    } else {
        OTHERS
    })
}
