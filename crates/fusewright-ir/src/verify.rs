//! The verifier. A graph that a stage hands on satisfies these invariants:
//!
//! 1. every operand is defined before it is used: by the caller, the model, or an earlier node;
//! 2. every result of a node points back to that node and its position;
//! 3. node names are unique, and so are value names;
//! 4. no tensor exceeds 2⁴⁸ elements, and no node's work exceeds what 62 bits hold;
//! 5. strides, where stated, have one entry per axis;
//! 6. result types are those that the op implies for its operands (host and opaque ops imply none);
//! 7. a part lies inside the parameter that it is a part of;
//! 8. the graph's results exist.

use crate::{Graph, NodeId, Origin, Type, ValueId, checked_elements, node_work};

/// A broken invariant, with the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Invariant 1 or 8.
    #[error("node `{node}` uses a value that no earlier node defines")]
    UndefinedOperand {
        /// The node's name.
        node: String,
    },
    /// Invariant 2.
    #[error("result {index} of node `{node}` does not point back to it")]
    LostOutput {
        /// The node's name.
        node: String,
        /// Position of the result.
        index: usize,
    },
    /// Invariant 3.
    #[error("the name `{name}` is used twice; names must be unique")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// Invariants 4 and 5.
    #[error("value `{value}`: {problem}")]
    BadType {
        /// The value's name.
        value: String,
        /// What is wrong with its type.
        problem: String,
    },
    /// Invariant 4.
    #[error("node `{node}` does more work than 2^62 operations; its shapes cannot be meant")]
    TooMuchWork {
        /// The node's name.
        node: String,
    },
    /// Invariant 6.
    #[error("node `{node}`: {problem}")]
    WrongResult {
        /// The node's name.
        node: String,
        /// What the op implies.
        problem: String,
    },
    /// Invariant 7.
    #[error("`{value}` reaches outside the parameter that it is a part of")]
    BadPart {
        /// The part's name.
        value: String,
    },
}

/// Checks every invariant of the module documentation.
pub fn verify(graph: &Graph) -> Result<(), VerifyError> {
    let mut value_names = vec![false; graph.value_count()];
    let mut seen = rustc_hash::FxHashSet::default();
    for (id, value) in graph.values() {
        if !seen.insert(value.name) {
            return Err(VerifyError::DuplicateName { name: graph.value_name(id).to_owned() });
        }
        check_type(graph, id)?;
        match value.origin {
            Origin::Node { .. } => {}
            Origin::Part { of, start } => {
                check_part(graph, id, of, start)?;
                value_names[id.index()] = true;
            }
            _ => value_names[id.index()] = true,
        }
    }
    let defined = &mut value_names;
    seen.clear();
    for (id, node) in graph.nodes() {
        if !seen.insert(node.name) {
            return Err(VerifyError::DuplicateName { name: graph.node_name(id).to_owned() });
        }
        if node.inputs.iter().any(|&input| !defined.get(input.index()).is_some_and(|&d| d)) {
            return Err(VerifyError::UndefinedOperand { node: graph.node_name(id).to_owned() });
        }
        for (index, &output) in node.outputs.iter().enumerate() {
            let origin = &graph.value(output).origin;
            if !matches!(origin, Origin::Node { node, index: i } if *node == id && *i as usize == index) {
                return Err(VerifyError::LostOutput { node: graph.node_name(id).to_owned(), index });
            }
            defined[output.index()] = true;
        }
        check_node(graph, id)?;
    }
    if graph.outputs().iter().any(|output| !defined.get(output.index()).is_some_and(|&d| d)) {
        return Err(VerifyError::UndefinedOperand { node: "output".to_owned() });
    }
    Ok(())
}

fn check_type(graph: &Graph, id: ValueId) -> Result<(), VerifyError> {
    let bad = |problem: String| Err(VerifyError::BadType { value: graph.value_name(id).to_owned(), problem });
    let Type::Tensor(tensor) = &graph.value(id).ty else { return Ok(()) };
    if checked_elements(&tensor.shape).is_none() {
        return bad(format!("shape {:?} has more than 2^48 elements", tensor.shape.as_slice()));
    }
    if tensor.strides.as_ref().is_some_and(|strides| strides.len() != tensor.rank()) {
        return bad("strides need one entry per axis".to_owned());
    }
    Ok(())
}

fn check_part(graph: &Graph, id: ValueId, of: ValueId, start: u64) -> Result<(), VerifyError> {
    let inside = || {
        if of.index() >= id.index() {
            return None;
        }
        let (part, whole) = (graph.tensor(id)?, graph.tensor(of)?);
        let rows = part.shape.first()?.checked_add(start)?;
        let same = part.dtype == whole.dtype && part.shape[1..] == *whole.shape.get(1..)?;
        (same && rows <= whole.shape[0]).then_some(())
    };
    inside().ok_or_else(|| VerifyError::BadPart { value: graph.value_name(id).to_owned() })
}

fn check_node(graph: &Graph, id: NodeId) -> Result<(), VerifyError> {
    let node = graph.node(id);
    let wrong = |problem: String| VerifyError::WrongResult { node: graph.node_name(id).to_owned(), problem };
    let implied = node.op.infer(&graph.input_types(node)).map_err(|error| wrong(error.to_string()))?;
    if let Some(implied) = implied {
        let found = graph.output_types(node);
        if implied.len() != found.len() {
            return Err(wrong(format!("{} has {} results, not {}", node.op.mnemonic(), implied.len(), found.len())));
        }
        for (implied, found) in implied.iter().zip(found) {
            if !implied.agrees_with(found) {
                let (implied, found) = (crate::text::type_text(implied), crate::text::type_text(found));
                return Err(wrong(format!("{} gives {implied}, the graph says {found}", node.op.mnemonic())));
            }
        }
    }
    let work = node_work(graph, id);
    if work.macs >= 1 << 61 || work.other_flops >= 1 << 62 {
        return Err(VerifyError::TooMuchWork { node: graph.node_name(id).to_owned() });
    }
    Ok(())
}
