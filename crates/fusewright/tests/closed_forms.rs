//! Multiply-accumulates, parameters and activations of plain transformers, against their closed forms.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fusewright::{Model, Session};
use fusewright_ir::ops::Attention;
use fusewright_ir::{Op, TensorType, total_work};

fn macs(model: &Model) -> u64 {
    total_work(model.graph()).macs
}

fn parameters(model: &Model) -> u64 {
    fusewright_hf::parameters(model.graph())
}

/// Elements of the results of linear, convolution and matmul nodes; of an attention op, of its two products.
fn activations(model: &Model) -> u64 {
    let graph = model.decomposed();
    let elements = |value| graph.tensor(value).map_or(0, TensorType::elements);
    let of_node = |node: &fusewright_ir::Node| match &node.op {
        Op::Contraction(_) | Op::Convolution(_) => elements(node.outputs[0]),
        Op::Attention(Attention::ScaledDotProduct(_)) => {
            let shape = |at: usize| graph.tensor(node.inputs[at]).unwrap().shape.clone();
            let (queries, keys) = (shape(0), shape(1));
            let rows: u64 = queries[..queries.len() - 1].iter().product();
            elements(node.outputs[0]) + rows * keys[keys.len() - 2]
        }
        _ => 0,
    };
    graph.nodes().map(|(_, node)| of_node(node)).sum()
}

struct Vit {
    name: &'static str,
    image: u64,
    patch: u64,
    width: u64,
    depth: u64,
    heads: u64,
    expected: [u64; 3],
}

impl Vit {
    fn tokens(&self) -> u64 {
        let side = self.image / self.patch;
        side * side + 1
    }

    /// Multiply-accumulates, parameters, activations.
    #[allow(clippy::many_single_char_names, reason = "the letters of the published closed form")]
    fn closed_form(&self) -> [u64; 3] {
        let (p, t, d, l, h) = (self.patch, self.tokens(), self.width, self.depth, self.heads);
        let (n, r, c) = (t - 1, 4, 1000);
        let macs = 3 * n * p * p * d + l * (4 * t * d * d + 2 * t * t * d + 2 * r * t * d * d) + d * c;
        let block = 4 * d * d + 4 * d + 2 * r * d * d + r * d + d + 4 * d;
        let parameters = 3 * p * p * d + d + d + t * d + l * block + 2 * d + d * c + c;
        let activations = n * d + l * (6 * t * d + r * t * d + t * t * h) + c;
        [macs, parameters, activations]
    }

    fn config(&self) -> String {
        format!(
            r#"{{"architectures": ["ViTForImageClassification"], "model_type": "vit", "num_labels": 1000,
            "image_size": {}, "patch_size": {}, "hidden_size": {}, "num_hidden_layers": {},
            "num_attention_heads": {}, "intermediate_size": {}}}"#,
            self.image,
            self.patch,
            self.width,
            self.depth,
            self.heads,
            4 * self.width
        )
    }
}

const fn vit(name: &'static str, image: u64, patch: u64, shape: [u64; 3], expected: [u64; 3]) -> Vit {
    let [width, depth, heads] = shape;
    Vit { name, image, patch, width, depth, heads, expected }
}

const VITS: [Vit; 9] = [
    vit("ViT-Ti/16", 224, 16, [192, 12, 3], [1_253_683_200, 5_717_416, 5_974_636]),
    vit("ViT-S/16", 224, 16, [384, 12, 6], [4_598_882_304, 22_050_664, 11_948_272]),
    vit("ViT-B/16", 224, 16, [768, 12, 12], [17_563_828_224, 86_567_656, 23_895_544]),
    vit("ViT-B/32", 224, 32, [768, 12, 12], [4_409_186_304, 88_224_232, 5_006_632]),
    vit("ViT-L/16", 224, 16, [1024, 24, 16], [61_554_712_576, 304_326_632, 63_519_080]),
    vit("ViT-L/32", 224, 32, [1024, 24, 16], [15_377_539_072, 306_535_400, 13_299_176]),
    vit("ViT-H/14", 224, 14, [1280, 32, 16], [167_295_109_120, 632_045_800, 139_412_968]),
    vit("ViT-B/16 at 384", 384, 16, [768, 12, 12], [55_484_350_464, 86_859_496, 101_561_464]),
    vit("ViT-H/14 at 518", 518, 14, [1280, 32, 16], [1_016_716_764_160, 633_470_440, 1_523_878_120]),
];

#[test]
fn image_classifiers_count_as_their_closed_forms() {
    for vit in VITS {
        assert_eq!(vit.closed_form(), vit.expected, "{}", vit.name);
        let model = Session::new().load_bytes(vit.config().into_bytes(), "config.json").unwrap();
        assert_eq!([macs(&model), parameters(&model), activations(&model)], vit.expected, "{}", vit.name);
    }
}

#[test]
fn captured_image_classifiers_count_the_same() {
    for (name, [macs_expected, parameters_expected, activations_expected]) in
        [("vit_b_16", VITS[2].expected), ("vit_l_16", VITS[4].expected)]
    {
        let model = Session::new().load(name).unwrap();
        assert_eq!(macs(&model), macs_expected, "{name}");
        assert_eq!(parameters(&model), parameters_expected, "{name}");
        assert_eq!(activations(&model), activations_expected, "{name}");
    }
}

#[test]
fn encoders_count_as_their_closed_form() {
    // The built-in model of this name has a head for masked words.
    const BERT_LARGE: &str = r#"{"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 1024,
        "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}"#;
    let cases = [
        ("bert-base", 128, [768, 12, 3072], 11_173_625_856, 109_482_240),
        ("bert-base", 512, [768, 12, 3072], 48_318_382_080, 109_482_240),
        (BERT_LARGE, 512, [1024, 24, 4096], 167_503_724_544, 335_141_888),
    ];
    for (name, s, [d, l, u], macs_expected, parameters_expected) in cases {
        assert_eq!(l * (s * (4 * d * d + 2 * d * u) + 2 * s * s * d), macs_expected, "{name} at {s}");
        let layer = 4 * (d * d + d) + 2 * d * u + u + d + 4 * d;
        let whole = 30_522 * d + 512 * d + 2 * d + 2 * d + l * layer + d * d + d;
        assert_eq!(whole, parameters_expected, "{name}");
        let session = Session::new().with_dim("seq", s);
        let model = match name {
            BERT_LARGE => session.load_bytes(name.as_bytes().to_vec(), "config.json"),
            _ => session.load(name),
        };
        let model = model.unwrap();
        // The closed form leaves out the pooler, one row by a square matrix.
        assert_eq!(macs(&model), macs_expected + d * d, "{name} at {s}");
        assert_eq!(parameters(&model), parameters_expected, "{name}");
    }
}

#[test]
fn gpt2_counts_as_its_closed_form() {
    let cases =
        [("gpt2", [768, 12], 145_824_153_600, 124_439_808), ("gpt2-xl", [1600, 48], 1_753_351_782_400, 1_557_611_200)];
    for (name, [d, l], macs_expected, parameters_expected) in cases {
        let (s, v): (u64, u64) = (1024, 50_257);
        assert_eq!(l * (12 * d * d * s + 2 * s * s * d) + s * d * v, macs_expected, "{name}");
        assert_eq!(v * d + 1024 * d + l * (12 * d * d + 13 * d) + 2 * d, parameters_expected, "{name}");
        let model = Session::new().with_dim("seq", s).load(name).unwrap();
        assert_eq!(macs(&model), macs_expected, "{name}");
        assert_eq!(parameters(&model), parameters_expected, "{name}");
    }
}

#[test]
fn llamas_count_as_their_closed_form() {
    const LLAMA_2_70B: &str = r#"{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 8192,
        "intermediate_size": 28672, "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8,
        "max_position_embeddings": 4096, "vocab_size": 32000}"#;
    // Width, layers, query heads, key heads, inner width, vocabulary.
    let cases = [
        ("llama-2-7b", [4096, 32, 32, 32, 11_008, 32_000], 14_630_806_093_824, 6_738_415_616),
        (LLAMA_2_70B, [8192, 80, 64, 8, 28_672, 32_000], 146_222_161_592_320, 68_976_648_192),
        ("llama-3-8b", [4096, 32, 32, 8, 14_336, 128_256], 16_469_052_096_512, 8_030_261_248),
        ("mistral-7b", [4096, 32, 32, 8, 14_336, 32_000], 15_661_598_244_864, 7_241_732_096),
    ];
    for (name, [d, l, h, k, u, v], macs_expected, parameters_expected) in cases {
        let (s, e): (u64, u64) = (2048, d / h);
        let weights = l * (d * h * e + 2 * d * k * e + h * e * d + 3 * d * u);
        assert_eq!(weights * s + 2 * l * s * s * h * e + s * d * v, macs_expected, "{name}");
        assert_eq!(weights + 2 * v * d + 2 * l * d + d, parameters_expected, "{name}");
        let session = Session::new().with_dim("seq", s);
        let model = match name {
            LLAMA_2_70B => session.load_bytes(name.as_bytes().to_vec(), "config.json"),
            _ => session.load(name),
        };
        let model = model.unwrap();
        // The closed form leaves out the table of rotary angles, a column of frequencies by a row of positions.
        assert_eq!(macs(&model), macs_expected + s * e / 2, "{name}");
        assert_eq!(parameters(&model), parameters_expected, "{name}");
    }
}
