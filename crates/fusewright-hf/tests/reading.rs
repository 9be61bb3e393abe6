//! What a graph of a configuration looks like, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright_hf::{HfError, Options, Phase, parameters, probe, read};
use fusewright_ir::ops::Attention;
use fusewright_ir::{DType, Graph, Op, Origin, total_work};
use serde_json::{Value, json};

fn small() -> Value {
    json!({"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 100})
}

fn with(changes: &Value) -> Value {
    let mut config = small();
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

fn load(config: &Value, options: &Options) -> Result<Graph, HfError> {
    read(config.to_string().as_bytes(), options).map(|loaded| loaded.graph)
}

fn graph(config: &Value) -> Graph {
    load(config, &Options::default()).unwrap()
}

fn options(phase: Phase, sizes: &[(&str, u64)]) -> Options {
    Options { bindings: sizes.iter().map(|&(name, size)| (name.to_owned(), size)).collect(), phase }
}

fn counts(graph: &Graph) -> (u64, u64, usize) {
    (parameters(graph), total_work(graph).contraction_flops(), graph.node_count())
}

fn names(graph: &Graph, origin: &Origin) -> Vec<String> {
    let found = graph.values().filter(|(_, value)| value.origin == *origin);
    found.map(|(id, _)| graph.value_name(id).to_owned()).collect()
}

#[test]
fn parameters_and_nodes_have_the_names_of_their_modules() {
    let graph = graph(&small());
    let parameters = names(&graph, &Origin::Parameter);
    for name in ["model.embed_tokens.weight", "model.layers.1.self_attn.q_proj.weight", "model.norm.weight"] {
        assert!(parameters.contains(&name.to_owned()), "{name} is not among {parameters:?}");
    }
    let (_, node) = graph.nodes().find(|(_, node)| matches!(node.op, Op::Attention(_))).unwrap();
    assert_eq!(graph.text(node.source.scope), "model.layers.0.self_attn");
    assert_eq!(graph.text(node.source.op), "scaled_dot_product_attention");
    assert_eq!(names(&graph, &Origin::Input), ["input_ids"]);
    let bare = load(&with(&json!({"architectures": ["LlamaModel"]})), &Options::default()).unwrap();
    assert!(names(&bare, &Origin::Parameter).contains(&"layers.0.mlp.up_proj.weight".to_owned()));
}

#[test]
fn sizes_are_those_of_the_bindings_and_are_recorded() {
    let graph = load(&small(), &options(Phase::Prefill, &[("batch", 3), ("seq", 7)])).unwrap();
    let dims: Vec<(&str, u64)> = graph.dims.iter().map(|dim| (dim.name.as_str(), dim.size)).collect();
    assert_eq!(dims, [("batch", 3), ("seq", 7)]);
    assert_eq!(graph.tensor(graph.outputs()[0]).unwrap().shape.as_slice(), [3, 7, 100]);
}

#[test]
fn a_decode_step_reads_and_extends_the_cache() {
    let graph = load(&small(), &options(Phase::Decode, &[("batch", 2), ("context", 30)])).unwrap();
    let inputs = names(&graph, &Origin::Input);
    assert_eq!(inputs.len(), 1 + 2 * 2);
    assert_eq!(inputs[1], "past_key_values.0.key");
    assert_eq!(graph.tensor(graph.inputs()[1]).unwrap().shape.as_slice(), [2, 2, 30, 16]);
    let outputs: Vec<_> = graph.outputs().iter().map(|&id| graph.tensor(id).unwrap().shape.to_vec()).collect();
    assert_eq!(outputs.len(), 1 + 2 * 2);
    assert_eq!(outputs.first().unwrap(), &[2, 1, 100]);
    assert_eq!(outputs.last().unwrap(), &[2, 2, 31, 16]);
    for (_, node) in graph.nodes() {
        if let Op::Attention(Attention::ScaledDotProduct(core)) = &node.op {
            assert_eq!((core.causal, core.offset), (true, 30));
        }
    }
}

#[test]
fn a_window_bounds_the_cache() {
    let config = with(&json!({"model_type": "mistral", "sliding_window": 8}));
    let graph = load(&config, &options(Phase::Decode, &[("context", 30)])).unwrap();
    assert_eq!(graph.tensor(graph.inputs()[1]).unwrap().shape.as_slice(), [1, 2, 7, 16]);
}

#[test]
fn both_spellings_of_a_key_mean_the_same() {
    let pairs = [
        (
            json!({"model_type": "gpt2", "n_embd": 64, "n_head": 4, "n_layer": 2}),
            json!({"model_type": "gpt2", "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2}),
        ),
        (
            with(&json!({"model_type": "stablelm", "partial_rotary_factor": 0.5})),
            with(&json!({"model_type": "stablelm", "rope_parameters": {"partial_rotary_factor": 0.5}})),
        ),
        (with(&json!({"torch_dtype": "bfloat16"})), with(&json!({"dtype": "bfloat16"}))),
        (
            with(&json!({"num_key_value_heads": null, "head_dim": null})),
            with(&json!({"num_key_value_heads": 4, "head_dim": 16})),
        ),
        (
            with(&json!({"rope_scaling": {"type": "yarn", "factor": 4.0}})),
            with(&json!({"rope_parameters": {"rope_type": "yarn", "factor": 4.0}})),
        ),
    ];
    for (one, other) in pairs {
        let (one, other) = (graph(&one), graph(&other));
        assert_eq!(fusewright_ir::text::print(&one), fusewright_ir::text::print(&other));
    }
}

#[test]
fn elements_are_f32_unless_the_configuration_says_otherwise() {
    let dtype = |config: &Value| {
        let graph = graph(config);
        let (_, value) = graph.values().find(|(_, value)| value.origin == Origin::Parameter).unwrap();
        value.ty.as_tensor().unwrap().dtype
    };
    assert_eq!(dtype(&small()), DType::F32);
    assert_eq!(dtype(&with(&json!({"torch_dtype": "float16"}))), DType::F16);
    assert_eq!(dtype(&with(&json!({"dtype": "torch.bfloat16"}))), DType::Bf16);
}

#[test]
fn a_language_model_inside_another_configuration_is_the_same_model() {
    let text = json!({"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 7, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 24, "vocab_size": 100, "sliding_window": 16});
    let mut alone = text.clone();
    alone["model_type"] = json!("gemma3_text");
    let nested = json!({"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"],
        "text_config": text, "vision_config": {"hidden_size": 32}});
    assert_eq!(counts(&graph(&alone)), counts(&graph(&nested)));
    let notes = read(nested.to_string().as_bytes(), &Options::default()).unwrap().notes;
    assert!(notes[0].contains("vision tower"), "{notes:?}");
}

#[test]
fn worked_figures_come_out_to_the_digit() {
    let rows = [
        ("gpt2", 124_439_808, 32_228_179_968),
        ("llama-2-7b", 6_738_415_616, 1_700_001_759_232),
        ("llama-3-8b", 8_030_261_248, 1_929_782_509_568),
        ("mistral-7b", 7_241_732_096, 1_828_850_778_112),
        ("mixtral-8x7b", 46_702_792_704, 3_272_228_225_024),
        ("qwen2.5-0.5b", 494_032_768, 127_863_365_632),
        ("gemma-2b", 2_506_172_416, 643_976_691_712),
        ("falcon-7b", 6_921_720_704, 1_781_413_191_680),
        ("deepseek-v2-lite", 15_706_484_224, 632_064_843_776),
    ];
    for (name, expected_parameters, expected_flops) in rows {
        let path = format!("{}/configs/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let loaded = read(&std::fs::read(path).unwrap(), &Options::default()).unwrap();
        let found = (parameters(&loaded.graph), total_work(&loaded.graph).contraction_flops());
        assert_eq!(found, (expected_parameters, expected_flops), "{name}");
    }
}

#[test]
fn what_cannot_be_read_is_named_with_what_was_expected() {
    let cases = [
        ("nonsense".to_owned(), "not JSON"),
        ("[1]".to_owned(), "expected an object"),
        ("{}".to_owned(), "no `model_type`"),
        (json!({"model_type": 3}).to_string(), "`model_type` is 3"),
        (json!({"model_type": "llama5"}).to_string(), "similar ones are `llama`"),
        (with(&json!({"model_type": "nothing like it"})).to_string(), "export the model"),
        (
            with(&json!({"architectures": ["LlamaForMaskedLM"]})).to_string(),
            "expected a name that ends in `ForCausalLM`",
        ),
        (with(&json!({"hidden_size": -4})).to_string(), "`hidden_size` is -4, expected an integer from 1"),
        (with(&json!({"hidden_size": 0})).to_string(), "`hidden_size` is 0"),
        (with(&json!({"hidden_size": "64"})).to_string(), "`hidden_size` is \"64\""),
        (with(&json!({"hidden_size": 1e300})).to_string(), "expected an integer"),
        (with(&json!({"hidden_size": null})).to_string(), "`hidden_size` is missing"),
        (with(&json!({"num_hidden_layers": 10_001})).to_string(), "expected an integer from 0 to 10000"),
        (with(&json!({"num_key_value_heads": 3})).to_string(), "a divisor of num_attention_heads = 4"),
        (with(&json!({"hidden_act": "sine"})).to_string(), "`hidden_act` is \"sine\", expected silu"),
        (with(&json!({"dtype": "int3"})).to_string(), "`dtype` is \"int3\""),
        (with(&json!({"attention_bias": 1})).to_string(), "true or false"),
        (with(&json!({"head_dim": 16_777_216, "num_attention_heads": 16_777_216})).to_string(), "2^48"),
        (with(&json!({"rope_parameters": {"partial_rotary_factor": 7.0}})).to_string(), "from 0 to 1"),
        (
            with(&json!({"model_type": "mixtral", "num_local_experts": 2, "num_experts_per_tok": 5})).to_string(),
            "at most 2",
        ),
        (
            with(&json!({"model_type": "qwen3", "use_sliding_window": true, "layer_types": ["full_attention"]}))
                .to_string(),
            "one entry for each of 2 layers",
        ),
        (
            json!({"model_type": "gpt_neo", "attention_types": [[["global"], 9_000_000_000_u64]]}).to_string(),
            "for 24 layers",
        ),
        (json!({"model_type": "gemma3", "text_config": 5}).to_string(), "`text_config` is 5"),
        (json!({"model_type": "gemma3", "text_config": {"hidden_size": []}}).to_string(), "`text_config.hidden_size`"),
        ("[".repeat(1_000_000), "not JSON"),
    ];
    for (text, expected) in cases {
        let message = match read(text.as_bytes(), &Options::default()) {
            Ok(_) => panic!("{text} was read"),
            Err(problem) => problem.to_string(),
        };
        assert!(message.contains(expected), "{message}\n  should contain: {expected}");
    }
}

#[test]
fn dims_that_a_model_has_not_are_refused() {
    let message = |phase, sizes: &[(&str, u64)]| load(&small(), &options(phase, sizes)).unwrap_err().to_string();
    assert!(message(Phase::Prefill, &[("context", 4)]).contains("this model has `batch`, `seq`"));
    assert!(message(Phase::Decode, &[("image", 4)]).contains("`context`"));
    assert!(message(Phase::Prefill, &[("seq", 0)]).contains("expected 1 to"));
    assert!(message(Phase::Prefill, &[("seq", 1 << 40)]).contains("expected 1 to"));
}

#[test]
fn as_many_layers_as_may_be_end_in_a_graph_or_a_message() {
    let config = with(&json!({"model_type": "deepseek_v3", "num_hidden_layers": 10_000, "n_routed_experts": 8,
        "moe_intermediate_size": 4}));
    let message = load(&config, &Options::default()).unwrap_err().to_string();
    assert!(message.contains("400000 nodes"), "{message}");
}

#[test]
fn configurations_are_recognised() {
    assert!(probe(small().to_string().as_bytes()));
    assert!(probe(b" \n{\"architectures\": [\"BertModel\"]}"));
    assert!(!probe(b"{\"format\": \"fx-graph\", \"name\": \"\\\"model_type\\\"\"}"));
    assert!(!probe(b"PK\x03\x04"));
    assert!(!probe(b""));
}
