//! Where groups stand in the model: the module path of their nodes, and the layer that a path belongs to.

use fusewright_ir::NodeId;
use fusewright_pattern::canonical_name;
use fusewright_plan::Analysis;

/// Those of `nodes` that do work on the device; all of them if none does. Views only travel along: where they were
/// written says nothing about a group.
fn workers(analysis: &Analysis, nodes: &[NodeId]) -> impl Iterator<Item = NodeId> {
    let storage = &analysis.storage;
    let idle = nodes.iter().all(|&id| storage.is_free(id));
    nodes.iter().copied().filter(move |&id| idle || !storage.is_free(id))
}

/// The longest module path that contains the workers among `nodes`; empty for the model itself.
pub(crate) fn common<'a>(analysis: &Analysis<'a>, nodes: &[NodeId]) -> &'a str {
    let graph = analysis.graph;
    let mut scopes = workers(analysis, nodes).map(|id| graph.text(graph.node(id).source.scope));
    let Some(first) = scopes.next() else { return "" };
    scopes.fold(first, shared_prefix)
}

/// Name of the first worker among `nodes`.
pub(crate) fn first_worker<'a>(analysis: &Analysis<'a>, nodes: &[NodeId]) -> &'a str {
    workers(analysis, nodes).next().map_or("", |id| analysis.graph.node_name(id))
}

/// Op of the first worker among `nodes`, as patterns call it.
pub(crate) fn first_worker_op(analysis: &Analysis, nodes: &[NodeId]) -> &'static str {
    workers(analysis, nodes).next().map_or("", |id| canonical_name(analysis.graph.node(id)))
}

/// The longest module path that contains both.
pub fn shared_prefix<'a>(a: &'a str, b: &str) -> &'a str {
    if a == b {
        return a;
    }
    let mut end = 0;
    let mut position = 0;
    for (left, right) in a.split('.').zip(b.split('.')) {
        if left != right {
            break;
        }
        position += left.len();
        end = position;
        position += 1;
    }
    &a[..end]
}

/// The layer that a path belongs to: up to the first part that ends in a number, which is how stacks of equal layers
/// are named (`encoder.layers.encoder_layer_3.mlp` → `encoder.layers.encoder_layer_3`), else the first part.
pub(crate) fn layer(path: &str) -> &str {
    let mut end = 0;
    for part in path.split('.') {
        end += part.len();
        if part.ends_with(|c: char| c.is_ascii_digit()) {
            return &path[..end];
        }
        end += 1;
    }
    path.split('.').next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_between_parts() {
        assert_eq!(shared_prefix("a.layer_1.mlp", "a.layer_1.attention"), "a.layer_1");
        assert_eq!(shared_prefix("a.layer_1", "a.layer_10"), "a");
        assert_eq!(shared_prefix("a", "b"), "");
        assert_eq!(shared_prefix("a.b", "a.b.c"), "a.b");
    }

    #[test]
    fn a_layer_ends_at_its_number() {
        assert_eq!(layer("encoder.layers.encoder_layer_3.mlp.0"), "encoder.layers.encoder_layer_3");
        assert_eq!(layer("features.3.0.block"), "features.3");
        assert_eq!(layer("classifier"), "classifier");
        assert_eq!(layer("heads.head"), "heads");
        assert_eq!(layer(""), "");
    }
}
