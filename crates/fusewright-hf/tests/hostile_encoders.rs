//! Configurations of encoders, encoder-decoders and vision models that make no model: errors, never a panic or a hang.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use fusewright_hf::{HfError, Options, Phase, read};
use serde_json::{Map, Value, json};

/// Small configurations of every family, by name.
fn configurations() -> Vec<(String, Map<String, Value>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let rows: Map<String, Value> =
        serde_json::from_slice(&std::fs::read(root.join("encoders_expected.json")).unwrap()).unwrap();
    let small = rows.keys().filter_map(|name| {
        let text = std::fs::read(root.join("configs").join(format!("{name}.json"))).ok()?;
        Some((name.clone(), serde_json::from_slice(&text).unwrap()))
    });
    let found: Vec<_> = small.collect();
    assert!(found.len() > 50);
    found
}

fn attempt(config: &Map<String, Value>, options: &Options) -> Result<(), HfError> {
    read(serde_json::to_string(config).unwrap().as_bytes(), options).map(|_| ())
}

/// Values that are wrong for most keys, and too large or too small for the others.
fn wrong_values() -> Vec<Value> {
    vec![
        json!(0),
        json!(-1),
        json!(1),
        json!(3),
        json!(16_777_216),
        json!(1_u64 << 40),
        json!(u64::MAX),
        json!(1e300),
        json!(0.37),
        json!("gelu_new"),
        json!(""),
        json!([]),
        json!([7, 0]),
        json!([16_777_216, 16_777_216, 16_777_216, 16_777_216]),
        json!({}),
        json!(true),
        Value::Null,
    ]
}

#[test]
fn every_key_of_every_family_with_wrong_values() {
    let decode = Options { phase: Phase::Decode, ..Options::default() };
    for (_, config) in configurations() {
        for key in config.keys() {
            for value in wrong_values() {
                let mut hostile = config.clone();
                hostile.insert(key.clone(), value);
                let _ = attempt(&hostile, &Options::default());
                let _ = attempt(&hostile, &decode);
            }
        }
    }
}

#[test]
fn all_sizes_are_huge() {
    for (name, config) in configurations() {
        let huge = |value: &Value| match value {
            Value::Number(_) => json!(16_777_216),
            Value::Array(list) => json!(vec![16_777_216; list.len()]),
            other => other.clone(),
        };
        let hostile: Map<String, Value> = config.iter().map(|(key, value)| (key.clone(), huge(value))).collect();
        assert!(attempt(&hostile, &Options::default()).is_err(), "{name}");
        let mut wide = hostile;
        for key in ["num_hidden_layers", "num_layers", "n_layers", "encoder_layers", "decoder_layers"] {
            if wide.contains_key(key) {
                wide.insert(key.to_owned(), json!(2));
            }
        }
        let _ = attempt(&wide, &Options::default());
    }
}

fn error(config: &Value) -> String {
    read(config.to_string().as_bytes(), &Options::default()).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn errors_name_the_key() {
    let cases = [
        (json!({"model_type": "bert", "num_attention_heads": 0}), "`num_attention_heads` is 0"),
        (json!({"model_type": "bert", "num_attention_heads": 7}), "`num_attention_heads` is 7, expected a divisor"),
        (json!({"model_type": "bert", "hidden_act": "gelus"}), "`hidden_act` is \"gelus\""),
        (json!({"model_type": "bert", "hidden_size": "wide"}), "`hidden_size` is \"wide\""),
        (json!({"model_type": "albert", "num_hidden_groups": 2}), "`num_hidden_groups` is 2"),
        (json!({"model_type": "modernbert", "layer_types": ["full_attention"]}), "`layer_types`"),
        (json!({"model_type": "t5", "feed_forward_proj": "gated-swoosh"}), "`feed_forward_proj` is \"gated-swoosh\""),
        (json!({"model_type": "t5", "relative_attention_num_buckets": 1}), "buckets"),
        (json!({"model_type": "bart", "decoder_attention_heads": 5}), "`decoder_attention_heads` is 5"),
        (json!({"model_type": "whisper", "max_source_positions": 0}), "`max_source_positions` is 0"),
        (json!({"model_type": "vit", "image_size": [224]}), "`image_size` is [224]"),
        (json!({"model_type": "vit", "patch_size": 300}), "smaller than the kernel"),
        (json!({"model_type": "swin", "num_heads": [3, 6]}), "`num_heads` is [3,6], expected a list of 4"),
        (json!({"model_type": "swin", "depths": []}), "`depths` is []"),
        (json!({"model_type": "swin", "depths": [1, 1, 1, 16_000_000]}), "`depths`"),
        (json!({"model_type": "swin", "mlp_ratio": -4.0}), "`mlp_ratio` is -4.0"),
        (json!({"model_type": "clip", "text_config": 3}), "`text_config` is 3"),
        (json!({"model_type": "clip", "vision_config": {"hidden_size": -1}}), "`vision_config.hidden_size` is -1"),
        (json!({"model_type": "segformer", "sr_ratios": [8, 4]}), "`sr_ratios`"),
        (json!({"model_type": "convnext", "num_stages": 3}), "`num_stages` is 3"),
        (
            json!({"model_type": "deberta-v2", "relative_attention": true, "position_buckets": 1000}),
            "`position_buckets`",
        ),
        (
            json!({"model_type": "bert", "architectures": ["BertForNextSentencePrediction"]}),
            "BertForNextSentencePrediction",
        ),
    ];
    for (config, expected) in cases {
        let found = error(&config);
        assert!(found.contains(expected), "{config}: {found}");
    }
}

#[test]
fn more_tokens_than_positions() {
    let bind =
        |name: &str, size| Options { bindings: [(name.to_owned(), size)].into_iter().collect(), ..Options::default() };
    let bert = json!({"model_type": "bert"}).to_string();
    assert!(read(bert.as_bytes(), &bind("seq", 512)).is_ok());
    let problem = read(bert.as_bytes(), &bind("seq", 513)).map(|_| ()).unwrap_err();
    assert_eq!(problem, HfError::BadBinding { name: "seq".to_owned(), size: 513, limit: 512 });
    let whisper = json!({"model_type": "whisper"}).to_string();
    assert!(read(whisper.as_bytes(), &bind("target_seq", 449)).is_err());
    assert!(read(whisper.as_bytes(), &bind("seq", 100)).is_err());
    let marian = json!({"model_type": "marian"}).to_string();
    for config in [whisper, marian] {
        for size in [1, 400, 1 << 24] {
            let bindings = [("context".to_owned(), size), ("target_seq".to_owned(), 1)].into_iter().collect();
            let built = read(config.as_bytes(), &Options { bindings, phase: Phase::Decode });
            assert_eq!(built.is_ok(), size <= 400, "{size}");
        }
    }
}

#[test]
fn encoders_have_no_decode_phase() {
    let options = Options { phase: Phase::Decode, ..Options::default() };
    for model_type in ["bert", "vit", "clip"] {
        let config = json!({"model_type": model_type}).to_string();
        let problem = read(config.as_bytes(), &options).map(|_| ()).unwrap_err();
        assert_eq!(problem, HfError::NoDecode { model_type: model_type.to_owned() });
    }
}

#[test]
fn labels_choose_the_head_of_an_image_model() {
    let results = |config: Value| {
        let graph = read(config.to_string().as_bytes(), &Options::default()).unwrap().graph;
        graph.outputs().iter().map(|&output| graph.tensor(output).unwrap().shape.to_vec()).collect::<Vec<_>>()
    };
    let labels = json!({"0": "a", "1": "b", "2": "c"});
    assert_eq!(results(json!({"model_type": "vit", "id2label": labels})), [[1, 3]]);
    assert_eq!(results(json!({"model_type": "vit"})), [vec![1, 197, 768], vec![1, 768]]);
}

#[test]
fn images_of_any_size_where_there_are_no_positions() {
    let options = || Options { bindings: [("image".to_owned(), 448)].into_iter().collect(), ..Options::default() };
    for (model_type, fits) in [("swin", true), ("convnext", true), ("segformer", true), ("vit", false), ("beit", false)]
    {
        let config = json!({"model_type": model_type}).to_string();
        assert_eq!(read(config.as_bytes(), &options()).is_ok(), fits, "{model_type}");
    }
}

/// More than one sequence or image.
#[test]
fn batches() {
    let bindings = || [("batch".to_owned(), 3)].into_iter().collect();
    for (name, config) in configurations() {
        let options = Options { bindings: bindings(), ..Options::default() };
        attempt(&config, &options).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        if config.get("architectures").is_some_and(|names| names.to_string().contains("ConditionalGeneration")) {
            let options = Options { bindings: bindings(), phase: Phase::Decode };
            attempt(&config, &options).unwrap_or_else(|problem| panic!("{name} (decode): {problem}"));
        }
    }
}
