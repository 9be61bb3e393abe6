//! The built-in models: graphs captured without weights, compressed, inside the binary.

use serde::Serialize;

/// A built-in model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BuiltIn {
    /// Name, as given on the command line.
    pub name: &'static str,
    /// What it is, and the input that it was captured with.
    pub description: &'static str,
    /// What the exporter makes it from.
    pub source: &'static str,
    /// The capture: FX JSON, compressed with gzip.
    #[serde(skip)]
    pub(crate) capture: &'static [u8],
}

/// One row per model, sorted by name.
pub const BUILT_IN: &[BuiltIn] = &[
    BuiltIn {
        name: "efficientnet_b0",
        description: "EfficientNet-B0, image classifier, 1x3x224x224",
        source: "torchvision:efficientnet_b0",
        capture: include_bytes!("../models/efficientnet_b0.fx.json.gz"),
    },
    BuiltIn {
        name: "resnet50",
        description: "ResNet-50, image classifier, 1x3x224x224",
        source: "torchvision:resnet50",
        capture: include_bytes!("../models/resnet50.fx.json.gz"),
    },
    BuiltIn {
        name: "vit_b_16",
        description: "Vision Transformer B/16, image classifier, 1x3x224x224",
        source: "torchvision:vit_b_16",
        capture: include_bytes!("../models/vit_b_16.fx.json.gz"),
    },
    BuiltIn {
        name: "vit_l_16",
        description: "Vision Transformer L/16, image classifier, 1x3x224x224",
        source: "torchvision:vit_l_16",
        capture: include_bytes!("../models/vit_l_16.fx.json.gz"),
    },
];

/// The built-in model of this name.
pub fn built_in(name: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|model| model.name == name)
}

/// Names near to one that does not exist, nearest first.
pub(crate) fn similar(name: &str) -> Vec<&'static str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', '/', ' '], "");
    let wanted = plain(name);
    let near = |model: &BuiltIn| {
        let distance = strsim::damerau_levenshtein(&wanted, &plain(model.name));
        (distance <= 2).then_some((distance, model.name))
    };
    // The distance takes time in the product of the lengths; no name is this long.
    let mut near: Vec<_> = if wanted.len() > 64 { Vec::new() } else { BUILT_IN.iter().filter_map(near).collect() };
    near.sort_unstable();
    near.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_by_unique_names() {
        assert!(BUILT_IN.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn near_names_are_offered_nearest_first() {
        assert_eq!(similar("vit-b-16"), ["vit_b_16", "vit_l_16"]);
        assert_eq!(similar("resnet5"), ["resnet50"]);
        assert!(similar("llama-3-8b").is_empty());
    }
}
