//! Module paths, from what exporters leave of them.

use super::flatten::Call;

/// Key under which the exporter of PyTorch writes the path of modules that a node stands in.
const SCOPES: &str = "pkg.torch.onnx.name_scopes";
/// Key of the traced operation that a node comes from, as text.
const TRACED: &str = "pkg.torch.onnx.fx_node";

/// The path of the module that a call stands in, empty when nothing says so.
pub(crate) fn module_path(call: &Call<'_>) -> String {
    if let Some(scopes) = metadata(call, SCOPES) {
        // The last entry is the operation itself.
        let mut path = quoted(scopes);
        path.pop();
        return path.pop().unwrap_or_default();
    }
    if call.node.name.starts_with('/') { from_node_name(&call.node.name) } else { String::new() }
}

/// The traced operation that a call comes from.
pub(crate) fn traced<'m>(call: &Call<'m>) -> Option<&'m str> {
    metadata(call, TRACED)
}

fn metadata<'m>(call: &Call<'m>, key: &str) -> Option<&'m str> {
    call.node.metadata.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
}

/// The texts of a list such as `['', 'encoder', 'linear']`.
fn quoted(list: &str) -> Vec<String> {
    let inside = list.trim().trim_start_matches('[').trim_end_matches(']');
    let parts = inside.split(',').map(|part| part.trim().trim_matches(['\'', '"']).to_owned());
    parts.take(256).collect()
}

/// A node of the older exporter is named by its path: `/encoder/layer.0/output/dense/MatMul`. A module in a list is
/// named with the list, which then stands there twice: `/features/features.0/features.0.0`.
fn from_node_name(name: &str) -> String {
    let mut path: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
    path.pop();
    let mut parts: Vec<&str> = Vec::with_capacity(path.len());
    for part in path {
        if let Some(last) = parts.last()
            && part.strip_prefix(last).is_some_and(|rest| rest.starts_with('.'))
        {
            parts.pop();
        }
        parts.push(part);
    }
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_from_node_names() {
        for (name, path) in [
            ("/encoder/layer.0/output/dense/MatMul", "encoder.layer.0.output.dense"),
            ("/features/features.0/features.0.0/Conv", "features.0.0"),
            ("/Add_3", ""),
            ("/", ""),
        ] {
            assert_eq!(from_node_name(name), path);
        }
    }

    #[test]
    fn lists_of_texts() {
        assert_eq!(quoted("['', 'encoder', 'encoder.layers', 'linear']"), ["", "encoder", "encoder.layers", "linear"]);
        assert_eq!(quoted("["), [""]);
    }
}
