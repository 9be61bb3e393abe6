//! The captured models: counts known from elsewhere, and that nothing is read inexactly.

use std::io::Read;
use std::path::Path;

use fusewright_ir::{Bindings, Loaded};
use fusewright_ir::{Graph, Op, Origin, text, total_work};
use fusewright_torch::fx;

fn load(model: &str) -> Loaded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fusewright/models").join(format!("{model}.fx.json.gz"));
    let packed = std::fs::read(&path).unwrap();
    let mut json = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut json).unwrap();
    assert!(fx::probe(&json));
    fx::read(&json, &Bindings::default()).unwrap()
}

fn parameters(graph: &Graph) -> u64 {
    let own = graph.values().filter(|(_, value)| value.origin == Origin::Parameter);
    own.filter_map(|(_, value)| value.ty.as_tensor()).map(fusewright_ir::TensorType::elements).sum()
}

#[test]
fn counts_of_the_captures_are_the_published_ones() {
    let cases = [
        ("vit_b_16", 232, 86_567_656, 35_127_656_448),
        ("vit_l_16", 436, 304_326_632, 123_109_425_152),
        ("resnet50", 175, 25_557_032, 8_178_368_512),
        ("efficientnet_b0", 249, 5_288_548, 771_629_504),
    ];
    for (model, nodes, parameter_count, contraction_flops) in cases {
        let Loaded { graph, warnings, .. } = load(model);
        assert_eq!(warnings, [], "{model}");
        assert_eq!(graph.node_count(), nodes, "{model}: nodes");
        assert_eq!(parameters(&graph), parameter_count, "{model}: parameters");
        assert_eq!(total_work(&graph).contraction_flops(), contraction_flops, "{model}: FLOPs");
        assert!(!graph.nodes().any(|(_, node)| matches!(node.op, Op::Opaque(_))), "{model}: opaque nodes");
        assert_eq!(graph.outputs().len(), 1, "{model}: outputs");
    }
}

#[test]
fn captures_survive_the_text_form() {
    for model in ["vit_b_16", "resnet50", "efficientnet_b0"] {
        let printed = text::print(&load(model).graph);
        let parsed = text::parse(&printed).unwrap_or_else(|error| panic!("{model}: {error}"));
        fusewright_ir::verify(&parsed).unwrap();
        assert_eq!(text::print(&parsed), printed, "{model}");
    }
}
