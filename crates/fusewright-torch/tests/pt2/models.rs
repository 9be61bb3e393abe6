//! The captured models of `models/make.py`: their counts are PyTorch's own.

use std::collections::BTreeSet;

use fusewright_ir::{Bindings, Loaded, Op, Origin, text, total_work, verify};
use fusewright_torch::pt2;
use serde_json::Value;

use crate::support::{bindings, models, parameters};

fn archive(model: &str) -> Vec<u8> {
    std::fs::read(models().join(format!("{model}.pt2"))).unwrap()
}

fn load(model: &str) -> Loaded {
    pt2::read(&archive(model), &Bindings::default()).unwrap_or_else(|error| panic!("{model}: {error}"))
}

fn counts() -> Vec<(String, Value)> {
    let table = std::fs::read_to_string(models().join("counts.json")).unwrap();
    let Value::Object(rows) = serde_json::from_str(&table).unwrap() else { panic!("counts.json is no object") };
    rows.into_iter().collect()
}

fn uncounted(loaded: &Loaded) -> BTreeSet<String> {
    let opaque = |op: &Op| if let Op::Opaque(op) = op { Some(op.name.clone()) } else { None };
    loaded.graph.nodes().filter_map(|(_, node)| opaque(&node.op)).collect()
}

#[test]
fn every_model_has_its_counts_and_every_count_its_model() {
    let listed: BTreeSet<String> = counts().into_iter().map(|row| row.0).collect();
    let names = std::fs::read_dir(models()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let present: BTreeSet<String> = names.filter_map(|name| name.strip_suffix(".pt2").map(str::to_owned)).collect();
    assert_eq!(listed, present);
}

#[test]
fn parameters_and_flops_are_those_of_pytorch() {
    for (model, counts) in counts() {
        assert!(pt2::probe(&archive(&model)), "{model}");
        let loaded = load(&model);
        // Archives with pickled weights do not say which parameters are tied.
        let pickled = ["2.6.0", "2.8.0"].contains(&counts["torch"].as_str().unwrap());
        let expected = if pickled { &counts["parameters_by_name"] } else { &counts["parameters"] };
        assert_eq!(parameters(&loaded), expected.as_u64().unwrap(), "{model}: parameters");
        assert_eq!(total_work(&loaded.graph).contraction_flops(), counts["flops"].as_u64().unwrap(), "{model}: FLOPs");
        assert_eq!(loaded.notes, ["the weights are not in the archive; they are not needed"], "{model}");
        assert!(!loaded.graph.outputs().is_empty(), "{model}: outputs");
        verify(&loaded.graph).unwrap();
    }
}

#[test]
fn counts_follow_the_bound_dims() {
    let (archive, all) = (archive("bert_tiny.dynamic"), counts());
    let sizes = &all.iter().find(|row| row.0 == "bert_tiny.dynamic").unwrap().1["sizes"];
    assert_eq!(sizes.as_array().unwrap().len(), 2);
    for row in sizes.as_array().unwrap() {
        let dims = row["dims"].as_object().unwrap();
        let given: Vec<(&str, u64)> = dims.iter().map(|(name, size)| (name.as_str(), size.as_u64().unwrap())).collect();
        let loaded = pt2::read(&archive, &bindings(&given)).unwrap();
        assert_eq!(total_work(&loaded.graph).contraction_flops(), row["flops"].as_u64().unwrap(), "{dims:?}");
    }
}

#[test]
fn no_op_is_uncounted() {
    for (model, _) in counts() {
        let loaded = load(&model);
        assert_eq!(loaded.warnings, [], "{model}");
        assert_eq!(uncounted(&loaded), BTreeSet::new(), "{model}");
    }
}

#[test]
fn ties_persistence_and_constants_are_told_apart() {
    let loaded = load("block");
    let sources = |origin: Origin| {
        let named = |id| loaded.graph.value_name(id).to_owned();
        let of = loaded.graph.values().filter(move |(_, value)| value.origin == origin).map(move |(id, _)| named(id));
        of.collect::<Vec<String>>()
    };
    assert_eq!(sources(Origin::Input), ["tokens"]);
    assert_eq!(sources(Origin::Buffer), ["steps", "scale"]);
    assert_eq!(sources(Origin::Constant), ["offset"]);
    assert!(sources(Origin::Parameter).contains(&"embed.weight".to_owned()));
    assert!(!sources(Origin::Parameter).contains(&"head.weight".to_owned()), "tied to the embedding");
}

#[test]
fn nodes_say_which_module_they_are_from() {
    let loaded = load("vit_b_16");
    let scopes: Vec<&str> = loaded.graph.nodes().map(|(_, node)| loaded.graph.text(node.source.scope)).collect();
    assert_eq!(scopes.iter().filter(|scope| **scope == "encoder.layers.encoder_layer_11.self_attention").count(), 25);
}

#[test]
fn models_survive_the_text_form() {
    for model in ["vit_b_16", "bert_tiny.dynamic", "llama_tiny", "swin_t.decomposed"] {
        let printed = text::print(&load(model).graph);
        let parsed = text::parse(&printed).unwrap_or_else(|error| panic!("{model}: {error}"));
        verify(&parsed).unwrap();
        assert_eq!(text::print(&parsed), printed, "{model}");
    }
}
