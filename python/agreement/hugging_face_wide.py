"""More Hugging Face models, for a final run: none of them served to develop a reader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agreement.hugging_face import (
    BERT,
    LLAMA,
    STAGES,
    TWO_SIDED,
    VIT,
    Config,
    hugging_face,
    pixels,
    stages,
    text_pair,
)
from agreement.model import Input, Model

GROUPED = LLAMA | {"num_key_value_heads": 4}
EXPERTS = GROUPED | {
    "intermediate_size": 512,
    "moe_intermediate_size": 128,
    "num_experts": 8,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
}
LATENT = {
    "num_hidden_layers": 2,
    "vocab_size": 2000,
    "hidden_size": 512,
    "intermediate_size": 1024,
    "moe_intermediate_size": 128,
    "n_routed_experts": 8,
    "n_group": 2,
    "topk_group": 1,
    "num_experts_per_tok": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "q_lora_rank": 128,
    "kv_lora_rank": 64,
    "first_k_dense_replace": 1,
}
NUMBERS = {"num_layers": 2, "vocab_size": 2000, "hidden_size": 512}


def _text(name: str, class_name: str, short: Config, **more: Any) -> Model:
    return hugging_face(name, class_name, {}, short, tags="wide", **more)


def sound(length: int) -> Callable[[str], tuple[Input, ...]]:
    """A recording of so many samples."""
    return lambda size: (Input("input_values", (1, length)),)


ENCODERS: tuple[Model, ...] = (
    _text(
        "albert",
        "AlbertModel",
        {
            "num_hidden_layers": 3,
            "vocab_size": 2000,
            "hidden_size": 768,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
        },
    ),
    _text("electra", "ElectraModel", BERT),
    _text("mpnet", "MPNetModel", BERT),
    _text(
        "deberta-v2",
        "DebertaV2Model",
        BERT
        | {
            "hidden_size": 768,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
            "relative_attention": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_buckets": 256,
            "share_att_key": True,
        },
    ),
    _text("xlm-roberta", "XLMRobertaModel", BERT | {"max_position_embeddings": 514}),
    _text("camembert", "CamembertForMaskedLM", BERT | {"max_position_embeddings": 514}),
    _text(
        "modernbert",
        "ModernBertModel",
        BERT
        | {
            "num_hidden_layers": 3,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "cls_token_id": 1,
            "sep_token_id": 2,
        },
    ),
    _text(
        "blip-text",
        "BlipTextModel",
        BERT | {"is_decoder": False, "pad_token_id": 0, "bos_token_id": 1, "sep_token_id": 2},
    ),
    _text("squeezebert", "SqueezeBertModel", BERT),
    _text("convbert", "ConvBertModel", BERT),
    _text("fnet", "FNetModel", BERT, attentions=lambda config: 0, how="Fourier transforms"),
)

DECODERS: tuple[Model, ...] = (
    _text(
        "gpt_neo",
        "GPTNeoForCausalLM",
        NUMBERS | {"attention_types": [[["global", "local"], 1]], "num_heads": 8},
    ),
    _text(
        "gptj",
        "GPTJForCausalLM",
        {"n_layer": 2, "vocab_size": 2000, "n_embd": 512, "n_head": 8, "rotary_dim": 32},
    ),
    _text(
        "gpt_neox",
        "GPTNeoXForCausalLM",
        {
            "num_hidden_layers": 2,
            "vocab_size": 2000,
            "hidden_size": 512,
            "num_attention_heads": 8,
            "intermediate_size": 2048,
        },
    ),
    _text("gpt_bigcode", "GPTBigCodeForCausalLM", {"n_layer": 2, "vocab_size": 2000}),
    _text("opt", "OPTForCausalLM", {"num_hidden_layers": 2, "vocab_size": 2000}),
    _text(
        "bloom",
        "BloomForCausalLM",
        {"n_layer": 2, "vocab_size": 2000, "hidden_size": 512, "n_head": 8},
    ),
    _text(
        "mpt", "MptForCausalLM", {"n_layers": 2, "vocab_size": 2000, "d_model": 512, "n_heads": 8}
    ),
    _text("phi", "PhiForCausalLM", GROUPED),
    _text("phi3", "Phi3ForCausalLM", GROUPED | {"pad_token_id": 0}),
    _text("stablelm", "StableLmForCausalLM", GROUPED),
    _text("starcoder2", "Starcoder2ForCausalLM", GROUPED),
    _text("cohere", "CohereForCausalLM", GROUPED),
    _text("olmo2", "Olmo2ForCausalLM", GROUPED),
    _text("granite", "GraniteForCausalLM", GROUPED),
    _text("smollm3", "SmolLM3ForCausalLM", GROUPED | {"pad_token_id": 0}),
    _text("glm4", "Glm4ForCausalLM", GROUPED | {"head_dim": 64, "pad_token_id": 0}),
    _text("gemma3", "Gemma3ForCausalLM", GROUPED | {"num_hidden_layers": 3, "head_dim": 64}),
    _text("qwen2_moe", "Qwen2MoeForCausalLM", EXPERTS | {"shared_expert_intermediate_size": 256}),
    _text("qwen3_moe", "Qwen3MoeForCausalLM", EXPERTS | {"head_dim": 64}),
    _text("olmoe", "OlmoeForCausalLM", EXPERTS),
    _text("gpt_oss", "GptOssForCausalLM", EXPERTS | {"head_dim": 64, "pad_token_id": 0}),
    _text("deepseek_v3", "DeepseekV3ForCausalLM", LATENT),
)

TWO_SIDED_MODELS: tuple[Model, ...] = (
    _text(
        "mt5",
        "MT5ForConditionalGeneration",
        {"num_layers": 2, "num_decoder_layers": 2, "vocab_size": 2000},
        inputs=text_pair(),
        attentions=lambda config: config.num_layers + 2 * config.num_decoder_layers,
        how=TWO_SIDED,
    ),
    *(
        _text(
            name,
            class_name,
            STAGES
            | {
                "d_model": 512,
                "encoder_ffn_dim": 1024,
                "decoder_ffn_dim": 1024,
                "encoder_attention_heads": 8,
                "decoder_attention_heads": 8,
            }
            | tokens,
            inputs=text_pair(),
            attentions=stages,
            how=TWO_SIDED,
        )
        for name, class_name, tokens in (
            ("marian", "MarianMTModel", {"pad_token_id": 1, "decoder_start_token_id": 1}),
            ("pegasus", "PegasusForConditionalGeneration", {}),
            ("mbart", "MBartForConditionalGeneration", {}),
            ("m2m_100", "M2M100ForConditionalGeneration", {}),
            ("blenderbot-small", "BlenderbotSmallForConditionalGeneration", {}),
        )
    ),
)

OTHERS: tuple[Model, ...] = (
    _text("deit", "DeiTModel", VIT, inputs=pixels()),
    _text("beit", "BeitModel", VIT | {"use_relative_position_bias": True}, inputs=pixels()),
    _text(
        "segformer",
        "SegformerForImageClassification",
        {},
        inputs=pixels(),
        attentions=lambda config: sum(config.depths),
        how="layers of all stages",
    ),
    _text(
        "swin",
        "SwinModel",
        {"depths": [2, 2, 2, 2]},
        inputs=pixels(),
        attentions=lambda config: sum(config.depths),
        how="layers of all stages",
    ),
    _text(
        "siglip-vision",
        "SiglipVisionModel",
        VIT,
        inputs=pixels(),
        attentions=lambda config: config.num_hidden_layers + 1,
        how="layers + attention pooling",
    ),
    _text("vit_msn", "ViTMSNModel", VIT, inputs=pixels()),
    _text(
        "convnext",
        "ConvNextModel",
        {},
        inputs=pixels(),
        attentions=lambda config: 0,
        how="convolutions only",
    ),
    _text("wav2vec2", "Wav2Vec2Model", {"num_hidden_layers": 2}, inputs=sound(16000)),
    _text("hubert", "HubertModel", {"num_hidden_layers": 2}, inputs=sound(16000)),
    _text(
        "audio-spectrogram",
        "ASTModel",
        VIT,
        inputs=lambda size: (Input("input_values", (1, 1024, 128)),),
    ),
)

WIDE: tuple[Model, ...] = (*ENCODERS, *DECODERS, *TWO_SIDED_MODELS, *OTHERS)
