//! Opening macro-ops: a graph with attention layers as single nodes becomes one with their steps.
//!
//! The rewritten graph has the same inputs, parameters and outputs; a packed projection weight becomes parts of itself,
//! never a copy. Every new node keeps the module path of the layer it came from.

mod multihead_attention;
mod shifted_window;
mod steps;

use fusewright_ir::ops::{Attention, ShapeError};
use fusewright_ir::{Graph, NodeId, Op, Origin, Source, ValueId};

use steps::Steps;

/// A macro-op that could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("node `{node}` cannot be decomposed: {problem}")]
pub struct DecomposeError {
    /// The node's name.
    pub node: String,
    /// What does not fit.
    pub problem: String,
}

/// Opens every attention layer of `graph`; the rest, bare scaled dot products among it, is taken over as it is.
pub fn decompose(graph: &Graph) -> Result<Graph, DecomposeError> {
    let mut result = Graph::new(graph.name.clone());
    result.dims.clone_from(&graph.dims);
    result.training = graph.training;
    let mut map: Vec<Option<ValueId>> = vec![None; graph.value_count()];
    for (id, value) in graph.values() {
        let origin = match value.origin {
            Origin::Node { .. } => continue,
            Origin::Part { of, start } => Origin::Part { of: mapped(&map, of), start },
            ref origin => origin.clone(),
        };
        map[id.index()] = Some(result.add_source(graph.value_name(id), value.ty.clone(), origin));
    }
    for (id, node) in graph.nodes() {
        let inputs: Vec<ValueId> = node.inputs.iter().map(|&input| mapped(&map, input)).collect();
        let Op::Attention(attention) = &node.op else {
            copy_node(graph, id, inputs, &mut result, &mut map);
            continue;
        };
        let scope = graph.text(node.source.scope);
        let mut steps = Steps::new(&mut result, graph.node_name(id), scope);
        let outputs = match attention {
            Attention::Multihead(layer) => multihead_attention::expand(&mut steps, layer, &inputs),
            Attention::ShiftedWindow(layer) => shifted_window::expand(&mut steps, layer, &inputs),
            Attention::ScaledDotProduct(_) => {
                copy_node(graph, id, inputs, &mut result, &mut map);
                continue;
            }
        };
        let outputs =
            outputs.map_err(|ShapeError(problem)| DecomposeError { node: graph.node_name(id).to_owned(), problem })?;
        for (&old, new) in node.outputs.iter().zip(outputs) {
            map[old.index()] = Some(new);
        }
    }
    for &output in graph.outputs() {
        result.add_output(mapped(&map, output));
    }
    Ok(result)
}

fn mapped(map: &[Option<ValueId>], value: ValueId) -> ValueId {
    map[value.index()].expect("values are defined before their use")
}

fn copy_node(graph: &Graph, id: NodeId, inputs: Vec<ValueId>, result: &mut Graph, map: &mut [Option<ValueId>]) {
    let node = graph.node(id);
    let outputs: Vec<_> = node
        .outputs
        .iter()
        .map(|&output| (graph.value_name(output).to_owned(), graph.value(output).ty.clone()))
        .collect();
    let source = Source {
        form: node.source.form,
        op: result.intern(graph.text(node.source.op)),
        scope: result.intern(graph.text(node.source.scope)),
    };
    let new = result.add_node(graph.node_name(id), node.op.clone(), inputs, outputs, source);
    for (&old, &new) in node.outputs.iter().zip(&result.node(new).outputs) {
        map[old.index()] = Some(new);
    }
}
