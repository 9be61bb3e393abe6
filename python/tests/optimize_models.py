"""Small transformers with random weights, exported to ONNX in every way that exporters have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

FORMS: dict[str, tuple[bool, int]] = {
    "ts-17": (False, 17),
    "dynamo-20": (True, 20),
    "dynamo-23": (True, 23),
}
"""For each form whether the newer exporter writes it, and for which version of operators."""


@dataclass(frozen=True)
class Feed:
    """An argument: its extents, the words it may hold (none: noise), and its open axes."""

    shape: tuple[int, ...]
    words: int | None = None
    open: tuple[str | None, ...] = ()
    mask: bool = False

    def tensor(self, seed: int, sizes: dict[str, int] | None = None) -> torch.Tensor:
        """A value for it, with other extents where axes are open."""
        shape = list(self.shape)
        for axis, name in enumerate(self.open):
            if name is not None and sizes:
                shape[axis] = sizes[name]
        generator = torch.Generator().manual_seed(seed)
        if self.mask:
            mask = torch.ones(shape, dtype=torch.int64)
            # The last rows of the batch end early, as padded texts do.
            mask[-1, -max(1, shape[1] // 4) :] = 0
            return mask
        if self.words is not None:
            return torch.randint(3, self.words, shape, generator=generator)
        return torch.randn(shape, generator=generator)


@dataclass(frozen=True)
class Case:
    """A model: how it is built, what it is fed, how many attentions a pass computes."""

    name: str
    build: Callable[[], nn.Module]
    feeds: dict[str, Feed]
    attentions: int
    sizes: tuple[dict[str, int], ...] = ()
    """Two bindings of the open axes."""


class Positional(nn.Module):
    """A model that takes its arguments in order and gives tensors only."""

    def __init__(self, model: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *values: torch.Tensor) -> Any:
        found = self.model(**dict(zip(self.names, values, strict=True)))
        if isinstance(found, dict):
            return tuple(each for each in found.values() if isinstance(each, torch.Tensor))
        return found


def _hugging_face(class_name: str, attention: str | None = "sdpa", **config: Any) -> nn.Module:
    import transformers

    transformers.logging.set_verbosity_error()
    wanted = getattr(transformers, class_name)
    made = wanted.config_class(**config)
    for each in (made, *(getattr(made, part, None) for part in made.sub_configs)):
        if hasattr(each, "use_cache"):
            each.use_cache = False
    options = {} if attention is None else {"attn_implementation": attention}
    return wanted._from_config(made, **options)


def _vit() -> nn.Module:
    from torchvision.models import VisionTransformer

    return VisionTransformer(
        image_size=32,
        patch_size=16,
        num_layers=2,
        num_heads=4,
        hidden_dim=32,
        mlp_dim=64,
        num_classes=5,
    )


def _swin() -> nn.Module:
    from torchvision.models import SwinTransformer

    return SwinTransformer(
        patch_size=[4, 4], embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=[4, 4]
    )


def _deit() -> nn.Module:
    import timm

    return timm.create_model(
        "deit_small_patch16_224", pretrained=False, img_size=32, depth=2, embed_dim=32, num_heads=4
    )


def _encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


TEXT = ("batch", "seq")
SIZES = ({"batch": 2, "seq": 7}, {"batch": 3, "seq": 12})
PAIR_SIZES = (
    {"batch": 2, "seq": 7, "target": 5},
    {"batch": 3, "seq": 12, "target": 9},
)


def _words(shape: tuple[int, ...] = (2, 8), axes: tuple[str, ...] = TEXT) -> Feed:
    return Feed(shape, 90, axes)


_BERT = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 32,
}
_GPT2 = {
    "vocab_size": 100,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 32,
    "eos_token_id": 1,
    "bos_token_id": 1,
}
_LLAMA = _BERT | {"num_key_value_heads": 2}
_MASK = Feed((2, 8), open=TEXT, mask=True)
_TEXT = {"input_ids": _words()}
_MASKED = _TEXT | {"attention_mask": _MASK}
_PAIR = {"input_ids": _words(), "decoder_input_ids": _words((2, 6), ("batch", "target"))}

CASES: tuple[Case, ...] = (
    Case(
        "vit", _vit, {"x": Feed((2, 3, 32, 32), open=("batch",))}, 2, ({"batch": 1}, {"batch": 3})
    ),
    Case(
        "deit", _deit, {"x": Feed((2, 3, 32, 32), open=("batch",))}, 2, ({"batch": 1}, {"batch": 3})
    ),
    Case(
        "swin", _swin, {"x": Feed((1, 3, 64, 64), open=("batch",))}, 4, ({"batch": 1}, {"batch": 3})
    ),
    Case("bert", partial(_hugging_face, "BertModel", **_BERT), _TEXT, 2, SIZES),
    Case("bert-masked", partial(_hugging_face, "BertModel", **_BERT), _MASKED, 2, SIZES),
    Case("bert-eager", partial(_hugging_face, "BertModel", "eager", **_BERT), _MASKED, 2, SIZES),
    Case(
        "distilbert",
        partial(
            _hugging_face,
            "DistilBertModel",
            vocab_size=100,
            dim=32,
            n_layers=2,
            n_heads=4,
            hidden_dim=64,
            max_position_embeddings=32,
        ),
        _MASKED,
        2,
        SIZES,
    ),
    Case("gpt2", partial(_hugging_face, "GPT2LMHeadModel", **_GPT2), _TEXT, 2, SIZES),
    Case("gpt2-masked", partial(_hugging_face, "GPT2LMHeadModel", **_GPT2), _MASKED, 2, SIZES),
    Case(
        "gpt2-eager", partial(_hugging_face, "GPT2LMHeadModel", "eager", **_GPT2), _MASKED, 2, SIZES
    ),
    Case("llama", partial(_hugging_face, "LlamaForCausalLM", **_LLAMA), _TEXT, 2, SIZES),
    Case("llama-masked", partial(_hugging_face, "LlamaForCausalLM", **_LLAMA), _MASKED, 2, SIZES),
    Case(
        "qwen3", partial(_hugging_face, "Qwen3ForCausalLM", **_LLAMA, head_dim=8), _TEXT, 2, SIZES
    ),
    Case(
        "qwen3-masked",
        partial(_hugging_face, "Qwen3ForCausalLM", **_LLAMA, head_dim=8),
        _MASKED,
        2,
        SIZES,
    ),
    Case(
        "falcon",
        partial(
            _hugging_face,
            "FalconForCausalLM",
            vocab_size=100,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            multi_query=True,
        ),
        _TEXT,
        2,
        SIZES,
    ),
    Case(
        "deberta",
        partial(
            _hugging_face,
            "DebertaV2Model",
            "eager",
            **_BERT,
            relative_attention=True,
            pos_att_type=["p2c", "c2p"],
            position_buckets=8,
            max_relative_positions=16,
            norm_rel_ebd="layer_norm",
            share_att_key=True,
        ),
        _MASKED,
        2,
        SIZES,
    ),
    Case(
        "t5",
        partial(
            _hugging_face,
            "T5ForConditionalGeneration",
            vocab_size=100,
            d_model=32,
            d_kv=8,
            d_ff=64,
            num_layers=2,
            num_decoder_layers=2,
            num_heads=4,
        ),
        _PAIR,
        6,
        PAIR_SIZES,
    ),
    Case(
        "bart",
        partial(
            _hugging_face,
            "BartForConditionalGeneration",
            vocab_size=100,
            d_model=32,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            max_position_embeddings=32,
        ),
        _PAIR,
        3,
        PAIR_SIZES,
    ),
    Case(
        "whisper",
        partial(
            _hugging_face,
            "WhisperForConditionalGeneration",
            vocab_size=100,
            d_model=32,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            num_mel_bins=8,
            max_source_positions=20,
            max_target_positions=32,
            pad_token_id=1,
            bos_token_id=1,
            eos_token_id=1,
            decoder_start_token_id=1,
        ),
        {
            "input_features": Feed((2, 8, 40), open=("batch",)),
            "decoder_input_ids": _words((2, 6), ("batch", "target")),
        },
        3,
        PAIR_SIZES,
    ),
    Case(
        "clip",
        partial(
            _hugging_face,
            "CLIPModel",
            text_config={
                "vocab_size": 100,
                "hidden_size": 32,
                "num_hidden_layers": 1,
                "num_attention_heads": 4,
                "intermediate_size": 64,
                "max_position_embeddings": 32,
                "eos_token_id": 99,
            },
            vision_config={
                "hidden_size": 32,
                "num_hidden_layers": 1,
                "num_attention_heads": 4,
                "intermediate_size": 64,
                "image_size": 32,
                "patch_size": 16,
            },
            projection_dim=16,
        ),
        {"input_ids": _words(), "pixel_values": Feed((2, 3, 32, 32), open=("images",))},
        2,
        ({"batch": 2, "seq": 7, "images": 3}, {"batch": 3, "seq": 12, "images": 1}),
    ),
    Case(
        "detr",
        partial(
            _hugging_face,
            "DetrForObjectDetection",
            None,
            use_timm_backbone=False,
            use_pretrained_backbone=False,
            backbone=None,
            backbone_config={
                "model_type": "resnet",
                "out_features": ["stage4"],
                "layer_type": "basic",
                "depths": [1, 1, 1, 1],
                "hidden_sizes": [8, 16, 16, 16],
                "embedding_size": 8,
            },
            d_model=32,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            num_queries=6,
        ),
        {"pixel_values": Feed((1, 3, 64, 64), open=("batch",))},
        3,
        ({"batch": 1}, {"batch": 2}),
    ),
    Case(
        "encoder",
        _encoder,
        {"src": Feed((2, 8, 32), open=TEXT)},
        2,
        SIZES,
    ),
)


def case(name: str) -> Case:
    """The case of this name."""
    return next(each for each in CASES if each.name == name)


def export(wanted: Case, form: str, dynamic: bool, path: Path) -> None:
    """Writes a model; what the exporter raises comes through."""
    from agreement.exports import quietly
    from fusewright.fx_shapes import slow_attention_path

    newer, opset = FORMS[form]
    torch.manual_seed(0)
    model = wanted.build().eval()
    with torch.no_grad():
        # All different, and large enough for attention to prefer some keys.
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    names = tuple(wanted.feeds)
    feeds = tuple(feed.tensor(1) for feed in wanted.feeds.values())
    called = (
        Positional(model, names).eval() if len(names) > 1 or hasattr(model, "config") else model
    )
    options: dict[str, Any] = {"input_names": list(names)}
    if dynamic:
        axes = {
            name: {axis: text for axis, text in enumerate(feed.open) if text}
            for name, feed in wanted.feeds.items()
        }
        if newer:
            dims = {
                text: torch.export.Dim.DYNAMIC for each in axes.values() for text in each.values()
            }
            shapes = tuple(
                {axis: dims[text] for axis, text in each.items()} for each in axes.values()
            )
            options["dynamic_shapes"] = (shapes,) if isinstance(called, Positional) else shapes
        else:
            options["dynamic_axes"] = axes
    with quietly(), slow_attention_path(), torch.no_grad():
        torch.onnx.export(
            called, feeds, path, dynamo=newer, opset_version=opset, verbose=False, **options
        )


def feeds(wanted: Case, dynamic: bool) -> Iterator[dict[str, np.ndarray]]:
    """Three seeds of inputs for every binding of the open axes."""
    for sizes in wanted.sizes if dynamic else (None,):
        for seed in (11, 12, 13):
            yield {name: feed.tensor(seed, sizes).numpy() for name, feed in wanted.feeds.items()}
