"""Models of torchvision, timm and torch itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import timm
import torch
from torch import nn
from torchvision import models as tv

from agreement.model import Input, Model, NotOffered, image, modules_of, no_attention

Attentions = Callable[[nn.Module], int]


def torchvision(
    name: str,
    attentions: Attentions = no_attention,
    how: str = "convolutions only",
    *,
    short: Callable[[], nn.Module] | None = None,
    tiny: Callable[[], nn.Module] | None = None,
    side: int = 224,
    tags: str = "main",
) -> Model:
    """A model by the name that torchvision has for it; without ``short`` it is small enough."""
    builders = {
        "full": partial(tv.get_model, name, weights=None),
        "short": short or partial(tv.get_model, name, weights=None),
    }
    if tiny is not None:
        builders["tiny"] = tiny

    def make(size: str, eager: bool) -> nn.Module:
        if eager:
            raise NotOffered("torchvision has one form of attention")
        return builders[size]()

    return Model(
        name,
        make,
        image(side),
        attentions,
        how,
        frozenset(tags.split()),
        tuple(builders),
    )


def timm_model(
    name: str,
    attentions: Attentions = no_attention,
    how: str = "convolutions only",
    *,
    short: dict[str, Any] | None = None,
    tiny: dict[str, Any] | None = None,
    side: int = 224,
    tags: str = "main",
) -> Model:
    """A model by the name that timm has for it, with arguments that make it smaller."""
    arguments: dict[str, dict[str, Any]] = {"full": {}, "short": short or {}}
    if tiny is not None:
        arguments["tiny"] = tiny

    def make(size: str, eager: bool) -> nn.Module:
        if eager and attentions is no_attention:
            raise NotOffered("no attention")
        timm.layers.set_fused_attn(not eager)
        try:
            return timm.create_model(name, pretrained=False, **arguments[size])
        finally:
            timm.layers.set_fused_attn(True)

    return Model(
        f"timm-{name}",
        make,
        image(side),
        attentions,
        how,
        frozenset(tags.split()),
        tuple(arguments),
    )


def vision_transformer(patch: int, layers: int, heads: int, width: int, **more: int) -> nn.Module:
    """torchvision's ViT with any number of layers."""
    return tv.VisionTransformer(
        image_size=more.get("image_size", 224),
        patch_size=patch,
        num_layers=layers,
        num_heads=heads,
        hidden_dim=width,
        mlp_dim=4 * width,
        num_classes=more.get("num_classes", 1000),
    )


def swin(width: int = 96, heads: int = 3, depths: tuple[int, ...] = (2, 2, 2, 2)) -> nn.Module:
    """torchvision's Swin with any number of layers."""
    return tv.SwinTransformer(
        patch_size=[4, 4],
        embed_dim=width,
        depths=list(depths),
        num_heads=[heads << stage for stage in range(len(depths))],
        window_size=[7, 7],
    )


def encoder(size: str, eager: bool) -> nn.Module:
    """``nn.TransformerEncoder`` in the proportions of the paper that introduced it."""
    if eager:
        raise NotOffered("torch has one form of attention")
    width, layers = {"tiny": (32, 2), "short": (512, 3), "full": (512, 6)}[size]
    layer = nn.TransformerEncoderLayer(width, 8, 4 * width, batch_first=True)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


def encoder_input(size: str) -> tuple[Input, ...]:
    """Embedded words."""
    return (Input("src", (1, 16, 32) if size == "tiny" else (1, 128, 512), torch.float32),)


_VIT_ATTENTIONS = modules_of("EncoderBlock")
_TIMM_ATTENTIONS = modules_of("Attention")
_WINDOWS = modules_of("WindowAttention")

TRANSFORMERS: tuple[Model, ...] = (
    torchvision(
        "vit_b_16",
        _VIT_ATTENTIONS,
        "layers",
        short=partial(vision_transformer, 16, 2, 12, 768),
        tiny=partial(vision_transformer, 16, 2, 4, 64, image_size=64, num_classes=10),
        tags="main worked quick",
    ),
    torchvision(
        "vit_l_16",
        _VIT_ATTENTIONS,
        "layers",
        short=partial(vision_transformer, 16, 2, 16, 1024),
        tags="worked",
    ),
    torchvision(
        "swin_t", modules_of("ShiftedWindowAttention"), "layers", short=swin, tags="main worked"
    ),
    timm_model(
        "deit_small_patch16_224",
        _TIMM_ATTENTIONS,
        "layers",
        short={"depth": 3},
        tags="main worked",
    ),
    timm_model("vit_base_patch16_224", _TIMM_ATTENTIONS, "layers", short={"depth": 2}),
    timm_model("beit_base_patch16_224", _TIMM_ATTENTIONS, "layers", short={"depth": 2}),
    timm_model(
        "swin_tiny_patch4_window7_224",
        _WINDOWS,
        "layers",
        short={"depths": (2, 2, 2, 2)},
    ),
    Model(
        "nn.TransformerEncoder",
        encoder,
        encoder_input,
        modules_of("TransformerEncoderLayer"),
        "layers",
        frozenset({"main", "quick"}),
        ("tiny", "short", "full"),
    ),
)

CONVOLUTIONAL: tuple[Model, ...] = (
    torchvision("resnet50", tags="main worked"),
    torchvision("convnext_tiny", tags="main worked"),
    torchvision("efficientnet_b0"),
    torchvision(
        "mobilenet_v3_large",
        tiny=partial(tv.mobilenet_v3_small, num_classes=10),
        tags="main quick",
    ),
    torchvision("regnet_y_400mf"),
    torchvision("densenet121"),
    torchvision(
        "maxvit_t",
        modules_of("RelativePositionalMultiHeadAttention"),
        "window and grid attention of every layer",
    ),
    timm_model("coatnet_0_rw_224", modules_of("AttentionCl", "Attention2d"), "attention blocks"),
    timm_model("mobilevit_s", _TIMM_ATTENTIONS, "attention blocks"),
)

WIDE: tuple[Model, ...] = (
    torchvision(
        "vit_b_32",
        _VIT_ATTENTIONS,
        "layers",
        short=partial(vision_transformer, 32, 2, 12, 768),
        tags="wide",
    ),
    torchvision(
        "swin_v2_s",
        modules_of("ShiftedWindowAttentionV2"),
        "layers",
        short=partial(tv.get_model, "swin_v2_t", weights=None),
        tags="wide",
    ),
    *(
        timm_model(name, attentions, "attention blocks", short=short, side=side, tags="wide")
        for name, attentions, short, side in (
            ("eva02_tiny_patch14_224", modules_of("EvaAttention"), {"depth": 3}, 224),
            ("vit_small_patch14_dinov2", _TIMM_ATTENTIONS, {"depth": 3}, 518),
            (
                "vit_base_patch16_siglip_224",
                modules_of("Attention", "AttentionPoolLatent"),
                {"depth": 2},
                224,
            ),
            ("levit_128s", modules_of("Attention", "AttentionDownsample"), None, 224),
            ("xcit_nano_12_p16_224", modules_of("XCA", "ClassAttn"), None, 224),
            ("pvt_v2_b0", _TIMM_ATTENTIONS, None, 224),
            ("cait_xxs24_224", modules_of("TalkingHeadAttn", "ClassAttn"), {"depth": 3}, 224),
            ("twins_svt_small", modules_of("LocallyGroupedAttn", "GlobalSubSampleAttn"), None, 224),
            ("poolformer_s12", no_attention, None, 224),
            ("mixer_s16_224", no_attention, None, 224),
            ("gmlp_s16_224", no_attention, None, 224),
            ("convnextv2_atto", no_attention, None, 224),
            ("resnetv2_50", no_attention, None, 224),
            ("ghostnet_100", no_attention, None, 224),
        )
    ),
    *(
        torchvision(name, tags="wide")
        for name in (
            "resnext50_32x4d",
            "shufflenet_v2_x1_0",
            "mnasnet1_0",
            "squeezenet1_1",
            "googlenet",
            "efficientnet_v2_s",
            "mobilenet_v2",
        )
    ),
)
