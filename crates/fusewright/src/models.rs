//! The built-in models: configurations from which graphs are built, and graphs captured without weights.

use serde::Serialize;

use crate::similar::similar_names;

/// A built-in model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BuiltIn {
    /// Name, as given on the command line.
    pub name: &'static str,
    /// What it is.
    pub description: &'static str,
    /// Where it comes from: what the exporter makes it from, or the model on the Hugging Face hub that has this
    /// configuration.
    pub source: &'static str,
    /// What is embedded.
    #[serde(skip)]
    pub graph: BuiltInGraph,
}

/// How a built-in model is embedded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltInGraph {
    /// A graph: FX JSON.
    Capture {
        /// Compressed with gzip.
        packed: &'static [u8],
    },
    /// A Hugging Face `config.json`.
    Config(&'static str),
}

impl BuiltIn {
    /// What the exporter makes a capture from.
    pub(crate) fn exporter(&self) -> Option<&'static str> {
        matches!(self.graph, BuiltInGraph::Capture { .. }).then_some(self.source)
    }
}

macro_rules! capture {
    ($name:literal, $description:literal) => {
        BuiltIn {
            name: $name,
            description: concat!($description, ", 1x3x224x224"),
            source: concat!("torchvision:", $name),
            graph: BuiltInGraph::Capture { packed: include_bytes!(concat!("../models/", $name, ".fx.json.gz")) },
        }
    };
}

macro_rules! config {
    ($name:literal, $source:literal, $description:literal) => {
        BuiltIn {
            name: $name,
            description: $description,
            source: $source,
            graph: BuiltInGraph::Config(include_str!(concat!("../../fusewright-hf/configs/", $name, ".json"))),
        }
    };
}

/// One row per model, sorted by name.
pub const BUILT_IN: &[BuiltIn] = &[
    config!("albert-base-v2", "albert/albert-base-v2", "ALBERT base 12M, one layer's weights for all"),
    config!("bart-base", "facebook/bart-base", "BART base 139M, encoder-decoder"),
    config!("bart-large", "facebook/bart-large", "BART large 406M, encoder-decoder"),
    config!("beit-base", "microsoft/beit-base-patch16-224", "BEiT base 87M, relative positions"),
    config!("bert-base", "google-bert/bert-base-uncased", "BERT base 110M, encoder"),
    config!("bert-large", "google-bert/bert-large-uncased", "BERT large 335M, encoder"),
    config!("bloom-560m", "bigscience/bloom-560m", "BLOOM 560M, decoder with ALiBi"),
    config!("clip-vit-base-patch32", "openai/clip-vit-base-patch32", "CLIP ViT-B/32 151M, image and text encoders"),
    config!("clip-vit-large-patch14", "openai/clip-vit-large-patch14", "CLIP ViT-L/14 428M, image and text encoders"),
    config!("command-r", "CohereForAI/c4ai-command-r-v01", "Command R 35B, decoder with parallel blocks"),
    config!("convnext-tiny", "facebook/convnext-tiny-224", "ConvNeXt tiny 29M, image classifier"),
    config!("deberta-v3-base", "microsoft/deberta-v3-base", "DeBERTa v3 base 184M, disentangled positions"),
    config!("deepseek-v2-lite", "deepseek-ai/DeepSeek-V2-Lite", "DeepSeek-V2 Lite 16B, latent attention, 64 experts"),
    config!("deepseek-v3", "deepseek-ai/DeepSeek-V3", "DeepSeek-V3 671B, latent attention, 256 experts"),
    config!("deit-small", "facebook/deit-small-patch16-224", "DeiT small 22M, image classifier"),
    config!("dinov2-base", "facebook/dinov2-base", "DINOv2 base 87M, image encoder"),
    config!("distilbert-base", "distilbert/distilbert-base-uncased", "DistilBERT base 66M, encoder"),
    capture!("efficientnet_b0", "EfficientNet-B0, image classifier"),
    config!("electra-base", "google/electra-base-discriminator", "ELECTRA base 109M, encoder"),
    config!("falcon-40b", "tiiuae/falcon-40b", "Falcon 40B, decoder with grouped queries"),
    config!("falcon-7b", "tiiuae/falcon-7b", "Falcon 7B, decoder with one key head"),
    config!("flan-t5-xl", "google/flan-t5-xl", "Flan-T5 XL 2.8B, encoder-decoder"),
    config!("gemma-2-9b", "google/gemma-2-9b", "Gemma 2 9B, decoder, alternating windows"),
    config!("gemma-2b", "google/gemma-2b", "Gemma 2B, decoder"),
    config!("gemma-3-1b", "google/gemma-3-1b-pt", "Gemma 3 1B, decoder, alternating windows"),
    config!("gemma-7b", "google/gemma-7b", "Gemma 7B, decoder"),
    config!("glm-4-9b", "THUDM/GLM-4-9B-0414", "GLM-4 9B, decoder"),
    config!("gpt-j-6b", "EleutherAI/gpt-j-6b", "GPT-J 6B, decoder with parallel blocks"),
    config!("gpt-neo-1.3b", "EleutherAI/gpt-neo-1.3B", "GPT-Neo 1.3B, decoder, alternating windows"),
    config!("gpt-neox-20b", "EleutherAI/gpt-neox-20b", "GPT-NeoX 20B, decoder with parallel blocks"),
    config!("gpt-oss-20b", "openai/gpt-oss-20b", "gpt-oss 20B, 32 experts, attention sinks"),
    config!("gpt2", "openai-community/gpt2", "GPT-2 124M, decoder"),
    config!("gpt2-xl", "openai-community/gpt2-xl", "GPT-2 XL 1.6B, decoder"),
    config!("granite-3-2b", "ibm-granite/granite-3.0-2b-base", "Granite 3 2B, decoder"),
    config!("llama-2-7b", "meta-llama/Llama-2-7b-hf", "Llama 2 7B, decoder"),
    config!("llama-3-70b", "meta-llama/Meta-Llama-3-70B", "Llama 3 70B, decoder with grouped queries"),
    config!("llama-3-8b", "meta-llama/Meta-Llama-3-8B", "Llama 3 8B, decoder with grouped queries"),
    config!("llama-4-scout", "meta-llama/Llama-4-Scout-17B-16E", "Llama 4 Scout 109B, 16 experts, chunked attention"),
    config!("m2m100-418m", "facebook/m2m100_418M", "M2M100 418M, encoder-decoder"),
    config!("mbart-large", "facebook/mbart-large-50", "mBART large 611M, encoder-decoder"),
    config!("mistral-7b", "mistralai/Mistral-7B-v0.1", "Mistral 7B, decoder, sliding window"),
    config!("mistral-nemo", "mistralai/Mistral-Nemo-Base-2407", "Mistral Nemo 12B, decoder"),
    config!("mixtral-8x7b", "mistralai/Mixtral-8x7B-v0.1", "Mixtral 8x7B, 8 experts"),
    config!("modernbert-base", "answerdotai/ModernBERT-base", "ModernBERT base 149M, alternating windows"),
    config!("mpnet-base", "microsoft/mpnet-base", "MPNet base 109M, encoder, relative positions"),
    config!("mt5-small", "google/mt5-small", "mT5 small 300M, encoder-decoder"),
    config!("olmo-7b", "allenai/OLMo-7B-hf", "OLMo 7B, decoder"),
    config!("olmo2-7b", "allenai/OLMo-2-1124-7B", "OLMo 2 7B, decoder with norms after blocks"),
    config!("olmoe-1b-7b", "allenai/OLMoE-1B-7B-0924", "OLMoE 7B, 64 experts"),
    config!("opt-1.3b", "facebook/opt-1.3b", "OPT 1.3B, decoder"),
    config!("opt-350m", "facebook/opt-350m", "OPT 350M, decoder with norms after blocks"),
    config!("opus-mt", "Helsinki-NLP/opus-mt-en-de", "Marian English to German 74M, encoder-decoder"),
    config!("pegasus-large", "google/pegasus-large", "Pegasus large 568M, encoder-decoder"),
    config!("phi-2", "microsoft/phi-2", "Phi-2 2.7B, decoder with parallel blocks"),
    config!("phi-3-mini", "microsoft/Phi-3-mini-4k-instruct", "Phi-3 mini 3.8B, decoder, merged projections"),
    config!("pythia-410m", "EleutherAI/pythia-410m", "Pythia 410M, decoder with parallel blocks"),
    config!("qwen1.5-moe-a2.7b", "Qwen/Qwen1.5-MoE-A2.7B", "Qwen1.5 MoE 14B, 60 experts and a shared one"),
    config!("qwen2.5-0.5b", "Qwen/Qwen2.5-0.5B", "Qwen2.5 0.5B, decoder"),
    config!("qwen2.5-7b", "Qwen/Qwen2.5-7B", "Qwen2.5 7B, decoder"),
    config!("qwen3-0.6b", "Qwen/Qwen3-0.6B", "Qwen3 0.6B, decoder"),
    config!("qwen3-30b-a3b", "Qwen/Qwen3-30B-A3B", "Qwen3 MoE 30B, 128 experts"),
    config!("qwen3-8b", "Qwen/Qwen3-8B", "Qwen3 8B, decoder"),
    capture!("resnet50", "ResNet-50, image classifier"),
    config!("roberta-base", "FacebookAI/roberta-base", "RoBERTa base 125M, encoder"),
    config!("roberta-large", "FacebookAI/roberta-large", "RoBERTa large 355M, encoder"),
    config!("segformer-b0", "nvidia/segformer-b0-finetuned-ade-512-512", "SegFormer B0, image segmentation"),
    config!("siglip-base", "google/siglip-base-patch16-224", "SigLIP base 203M, image and text encoders"),
    config!("smollm2-135m", "HuggingFaceTB/SmolLM2-135M", "SmolLM2 135M, decoder"),
    config!("smollm3-3b", "HuggingFaceTB/SmolLM3-3B", "SmolLM3 3B, decoder, some layers without positions"),
    config!("stablelm-3b", "stabilityai/stablelm-3b-4e1t", "StableLM 3B, decoder"),
    config!("starcoder2-3b", "bigcode/starcoder2-3b", "StarCoder2 3B, decoder, sliding window"),
    config!("starcoderbase-1b", "bigcode/starcoderbase-1b", "StarCoder base 1B, decoder with one key head"),
    config!("swin-base", "microsoft/swin-base-patch4-window7-224", "Swin base 88M, image classifier, windows"),
    config!("swin-tiny", "microsoft/swin-tiny-patch4-window7-224", "Swin tiny 28M, image classifier, windows"),
    config!("t5-base", "google-t5/t5-base", "T5 base 223M, encoder-decoder"),
    config!("t5-small", "google-t5/t5-small", "T5 small 60M, encoder-decoder"),
    config!("tinyllama-1.1b", "TinyLlama/TinyLlama_v1.1", "TinyLlama 1.1B, decoder"),
    config!("vit-base", "google/vit-base-patch16-224", "ViT base 86M, image classifier"),
    config!("vit-large", "google/vit-large-patch16-224", "ViT large 304M, image classifier"),
    capture!("vit_b_16", "Vision Transformer B/16, image classifier"),
    capture!("vit_l_16", "Vision Transformer L/16, image classifier"),
    config!("whisper-base", "openai/whisper-base", "Whisper base 73M, speech encoder-decoder"),
    config!("whisper-large-v3", "openai/whisper-large-v3", "Whisper large v3 1.5B, speech encoder-decoder"),
    config!("whisper-tiny", "openai/whisper-tiny", "Whisper tiny 38M, speech encoder-decoder"),
    config!("xlm-roberta-base", "FacebookAI/xlm-roberta-base", "XLM-RoBERTa base 278M, encoder"),
];

/// The built-in model of this name.
pub fn built_in(name: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|model| model.name == name)
}

/// Built-in models whose names are near to one that does not exist.
pub(crate) fn similar(name: &str) -> Vec<&'static str> {
    similar_names(name, BUILT_IN.iter().map(|model| model.name))
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
        assert!(similar("no-such-model").is_empty());
    }
}
