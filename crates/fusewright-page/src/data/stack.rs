//! Which layer of a stack a module path belongs to.

/// Names of stacks that stand inside of stages: `stages.2.blocks.3`.
const INNER: [&str; 2] = ["blocks", "layers"];

/// Up to the first part that ends in a number, and on through numbers and stacks of blocks that follow it at once:
/// `features.5.3.attn` → `features.5.3`, `encoder.layers.2.blocks.1.mlp` → `encoder.layers.2.blocks.1`. A path without
/// numbers belongs to its first two parts.
pub(super) fn layer_of(path: &str) -> &str {
    let parts: Vec<&str> = path.split('.').collect();
    let Some(first) = parts.iter().position(|part| ends_in_number(part)) else { return prefix(path, &parts, 2) };
    let mut taken = first + 1;
    loop {
        let next = parts.get(taken).copied().unwrap_or("");
        if is_number(next) {
            taken += 1;
        } else if INNER.contains(&next) && parts.get(taken + 1).is_some_and(|part| is_number(part)) {
            taken += 2;
        } else {
            return prefix(path, &parts, taken);
        }
    }
}

/// One path is the other, or contains it.
pub(super) fn contains(outer: &str, inner: &str) -> bool {
    outer.is_empty() || inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn prefix<'a>(path: &'a str, parts: &[&str], taken: usize) -> &'a str {
    let dots = taken.min(parts.len()).saturating_sub(1);
    let end: usize = parts.iter().take(taken).map(|part| part.len()).sum::<usize>() + dots;
    &path[..end.min(path.len())]
}

fn is_number(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}

fn ends_in_number(part: &str) -> bool {
    part.ends_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_ends_at_its_number() {
        for (path, layer) in [
            ("encoder.layers.encoder_layer_3.mlp.0", "encoder.layers.encoder_layer_3"),
            ("features.5.3.attn", "features.5.3"),
            ("layer1.0.conv1", "layer1.0"),
            ("encoder.layers.2.blocks.1.mlp", "encoder.layers.2.blocks.1"),
            ("encoder.block.0.layer.1.wi", "encoder.block.0"),
            ("bert.embeddings.norm", "bert.embeddings"),
            ("classifier", "classifier"),
            ("é.ü.1", "é.ü.1"),
            ("", ""),
        ] {
            assert_eq!(layer_of(path), layer, "{path}");
        }
    }

    #[test]
    fn paths_contain_paths_not_texts() {
        assert!(contains("", "a") && contains("a", "a") && contains("a", "a.b"));
        assert!(!contains("a", "ab") && !contains("a.b", "a"));
    }
}
