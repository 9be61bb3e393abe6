"""Hugging Face models: a class, what its configuration says per size, and what it is fed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import transformers
from torch import nn

from agreement.model import Input, Model, NotOffered, image, words

Config = dict[str, Any]
Inputs = Callable[[str], tuple[Input, ...]]

# Small vocabularies lack the words that begin and end a text; nothing here generates one.
transformers.logging.set_verbosity_error()

TEXT_INPUT = words()


def hugging_face(
    name: str,
    class_name: str,
    full: Config,
    short: Config,
    *,
    inputs: Inputs = TEXT_INPUT,
    attentions: Callable[[Any], int] = lambda config: config.num_hidden_layers,
    how: str = "layers",
    tiny: Config | None = None,
    tags: str = "main",
) -> Model:
    """A model of a class; ``short`` and ``tiny`` change what ``full`` says.

    An item ``parent.key`` is one of a nested configuration. ``attentions`` reads the
    configuration.
    """
    sizes = {"full": full, "short": full | short}
    if tiny is not None:
        sizes["tiny"] = full | tiny

    def make(size: str, eager: bool) -> nn.Module:
        wanted = getattr(transformers, class_name)
        if eager and not wanted._supports_sdpa:
            raise NotOffered("eager is its only form of attention")
        if eager and attentions is _none:
            raise NotOffered("no attention")
        config = wanted.config_class(**_nested(sizes[size], wanted.config_class))
        config.architectures = [class_name]
        for each in _with_parts(config):
            each.use_cache = False
        return wanted._from_config(config, **({"attn_implementation": "eager"} if eager else {}))

    return Model(
        name,
        make,
        inputs,
        lambda model: attentions(model.config),
        how,
        frozenset(tags.split()),
        tuple(sizes),
    )


def _none(_: Any) -> int:
    return 0


def _nested(flat: Config, config_class: Any) -> Config:
    made: Config = {}
    for key, value in flat.items():
        parent, _, child = key.rpartition(".")
        if parent:
            made.setdefault(parent, {})[child] = value
        else:
            made[key] = value
    return made


def _with_parts(config: Any) -> list[Any]:
    parts = [getattr(config, name, None) for name in config.sub_configs]
    return [each for each in (config, *parts) if hasattr(each, "use_cache")]


def pixels(side: int = 224) -> Inputs:
    """One picture under the name that these models have for it."""
    return image(side, "pixel_values")


def text_pair(length: int = 128) -> Inputs:
    """A text to read and one to write."""
    return words(length, ("input_ids", "decoder_input_ids"))


def both(length: int, side: int) -> Inputs:
    """A text and a picture."""
    return lambda size: (*words(length)(size), *pixels(side)(size))


def _speech(size: str) -> tuple[Input, ...]:
    import torch

    frames, length = (64, 16) if size == "tiny" else (3000, 128)
    return (
        Input("input_features", (1, 80, frames)),
        Input("decoder_input_ids", (1, length), torch.int64),
    )


def stages(config: Any) -> int:
    """Attentions of an encoder and of a decoder that looks at it."""
    return config.encoder_layers + 2 * config.decoder_layers


TWO_SIDED = "encoder layers + 2 × decoder layers"

BERT = {"num_hidden_layers": 2, "vocab_size": 2000}
TINY_BERT = {
    "num_hidden_layers": 2,
    "vocab_size": 100,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 32,
}
LLAMA = {
    "num_hidden_layers": 2,
    "vocab_size": 2000,
    "hidden_size": 768,
    "intermediate_size": 2048,
    "num_attention_heads": 12,
}
TINY_LLAMA = LLAMA | {
    "vocab_size": 100,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
STAGES = {"encoder_layers": 2, "decoder_layers": 2, "vocab_size": 2000}
VIT = {"num_hidden_layers": 2}

TEXT: tuple[Model, ...] = (
    hugging_face("bert-base", "BertModel", {}, BERT, tiny=TINY_BERT, tags="main worked quick"),
    hugging_face("bert-base-masked-lm", "BertForMaskedLM", {}, BERT, tags="main worked"),
    hugging_face("distilbert", "DistilBertModel", {}, {"n_layers": 2, "vocab_size": 2000}),
    hugging_face(
        "roberta-base",
        "RobertaModel",
        {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1},
        BERT,
    ),
    hugging_face(
        "gpt2",
        "GPT2LMHeadModel",
        {},
        {"n_layer": 2, "vocab_size": 2000},
        tiny={"n_layer": 2, "vocab_size": 100, "n_embd": 32, "n_head": 4, "n_positions": 32},
        tags="main worked quick",
    ),
    hugging_face("llama-2-7b", "LlamaForCausalLM", {}, LLAMA, tags="main worked"),
    hugging_face(
        "llama-3-8b",
        "LlamaForCausalLM",
        {
            "vocab_size": 128256,
            "num_key_value_heads": 8,
            "intermediate_size": 14336,
            "rope_theta": 500000.0,
        },
        LLAMA | {"num_key_value_heads": 4},
        tiny=TINY_LLAMA,
        tags="main worked quick",
    ),
    hugging_face(
        "mistral-7b",
        "MistralForCausalLM",
        {},
        LLAMA | {"num_key_value_heads": 4},
        tags="main worked",
    ),
    hugging_face(
        "qwen2.5-0.5b",
        "Qwen2ForCausalLM",
        {
            "vocab_size": 151936,
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_hidden_layers": 24,
            "num_attention_heads": 14,
            "num_key_value_heads": 2,
            "tie_word_embeddings": True,
        },
        {"num_hidden_layers": 2, "vocab_size": 2000},
        tags="main worked",
    ),
    hugging_face(
        "qwen3-0.6b",
        "Qwen3ForCausalLM",
        {
            "vocab_size": 151936,
            "hidden_size": 1024,
            "intermediate_size": 3072,
            "num_hidden_layers": 28,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "tie_word_embeddings": True,
        },
        {"num_hidden_layers": 1, "vocab_size": 2000},
    ),
    hugging_face(
        "gemma-2b",
        "GemmaForCausalLM",
        {
            "hidden_size": 2048,
            "intermediate_size": 16384,
            "num_hidden_layers": 18,
            "num_attention_heads": 8,
            "num_key_value_heads": 1,
            "head_dim": 256,
            "vocab_size": 256000,
        },
        LLAMA | {"num_attention_heads": 4},
        tags="main worked",
    ),
    hugging_face(
        "gemma2-2b",
        "Gemma2ForCausalLM",
        {},
        LLAMA | {"num_attention_heads": 4, "num_key_value_heads": 2},
    ),
    hugging_face(
        "mixtral-8x7b",
        "MixtralForCausalLM",
        {},
        LLAMA | {"num_key_value_heads": 4, "intermediate_size": 512},
        tags="worked wide",
    ),
    hugging_face(
        "falcon-7b",
        "FalconForCausalLM",
        {},
        {"num_hidden_layers": 2, "vocab_size": 2000, "hidden_size": 512, "num_attention_heads": 8},
        tags="worked wide",
    ),
    hugging_face(
        "deepseek-v2-lite",
        "DeepseekV2ForCausalLM",
        {
            "vocab_size": 102400,
            "hidden_size": 2048,
            "intermediate_size": 10944,
            "moe_intermediate_size": 1408,
            "num_hidden_layers": 27,
            "num_attention_heads": 16,
            "num_key_value_heads": 16,
            "q_lora_rank": None,
            "kv_lora_rank": 512,
            "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64,
            "v_head_dim": 128,
            "n_routed_experts": 64,
            "n_shared_experts": 2,
            "num_experts_per_tok": 6,
            "first_k_dense_replace": 1,
        },
        {
            "num_hidden_layers": 2,
            "vocab_size": 2000,
            "hidden_size": 512,
            "intermediate_size": 1024,
            "moe_intermediate_size": 128,
            "n_routed_experts": 8,
            "num_experts_per_tok": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
        },
        tags="worked wide",
    ),
)

TWO_SIDED_MODELS: tuple[Model, ...] = (
    hugging_face(
        "t5-small",
        "T5ForConditionalGeneration",
        {
            "vocab_size": 32128,
            "d_model": 512,
            "d_ff": 2048,
            "num_layers": 6,
            "num_heads": 8,
            "d_kv": 64,
        },
        {"num_layers": 2, "num_decoder_layers": 2, "vocab_size": 2000},
        inputs=text_pair(),
        attentions=lambda config: config.num_layers + 2 * config.num_decoder_layers,
        how=TWO_SIDED,
        tiny={
            "num_layers": 2,
            "num_decoder_layers": 2,
            "vocab_size": 100,
            "d_model": 32,
            "d_ff": 64,
            "num_heads": 4,
            "d_kv": 8,
        },
        tags="main worked quick",
    ),
    hugging_face(
        "bart-base",
        "BartForConditionalGeneration",
        {
            "d_model": 768,
            "encoder_layers": 6,
            "decoder_layers": 6,
            "encoder_attention_heads": 12,
            "decoder_attention_heads": 12,
            "encoder_ffn_dim": 3072,
            "decoder_ffn_dim": 3072,
        },
        STAGES | {"encoder_layers": 1, "decoder_layers": 1},
        inputs=text_pair(),
        attentions=stages,
        how=TWO_SIDED,
    ),
    hugging_face(
        "whisper-tiny",
        "WhisperForConditionalGeneration",
        {},
        STAGES
        | {
            # The words that begin and pad a text have to be in the vocabulary.
            "pad_token_id": 1,
            "bos_token_id": 1,
            "eos_token_id": 1,
            "decoder_start_token_id": 1,
        },
        inputs=_speech,
        attentions=stages,
        how=TWO_SIDED,
        tags="main worked",
    ),
    hugging_face(
        "clip-vit-base-patch32",
        "CLIPModel",
        {},
        {
            "text_config.num_hidden_layers": 2,
            "text_config.vocab_size": 2000,
            "vision_config.num_hidden_layers": 2,
        },
        inputs=both(77, 224),
        attentions=lambda config: (
            config.text_config.num_hidden_layers + config.vision_config.num_hidden_layers
        ),
        how="layers of both towers",
        tags="main worked",
    ),
)

VISION: tuple[Model, ...] = (
    hugging_face("vit-base", "ViTForImageClassification", {}, VIT, inputs=pixels()),
    hugging_face(
        "dinov2-base", "Dinov2Model", {"image_size": 518, "patch_size": 14}, VIT, inputs=pixels(518)
    ),
    hugging_face(
        "detr-resnet-50",
        "DetrForObjectDetection",
        {
            "use_timm_backbone": False,
            "use_pretrained_backbone": False,
            "backbone": None,
            "backbone_config": {"model_type": "resnet", "out_features": ["stage4"]},
        },
        {
            "encoder_layers": 1,
            "decoder_layers": 1,
            "backbone_config": {
                "model_type": "resnet",
                "out_features": ["stage4"],
                "layer_type": "basic",
                "depths": [2, 2, 2, 2],
                "hidden_sizes": [64, 128, 256, 512],
            },
        },
        inputs=pixels(),
        attentions=stages,
        how=TWO_SIDED,
    ),
)
