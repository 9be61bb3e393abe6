"""Example inputs for a model that was given without: from what it says of itself.

Only shapes and dtypes matter. A guess is always reported, so that nobody takes figures for a
224-pixel image when the model is fed something else.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

IMAGE = 224
TOKENS = 128


def guess_inputs(model: nn.Module) -> tuple[tuple[Any, ...], str] | None:
    """Inputs on the meta device and what was assumed, or nothing where the model gives no hint."""
    inputs = _declared(model) or _by_first_layer(model)
    if inputs is None or len(inputs) < len(_required(model)):
        return None
    shapes = ", ".join(
        f"{'×'.join(map(str, x.shape))} {str(x.dtype).removeprefix('torch.')}" for x in inputs
    )
    return inputs, f"inputs were not given; assumed {shapes}"


def _required(model: nn.Module) -> list[str]:
    if isinstance(model, torch.fx.GraphModule):
        places = [node for node in model.graph.nodes if node.op == "placeholder"]
        return [node.name for node in places if not node.args]
    parameters = inspect.signature(model.forward).parameters.values()
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind in plain]


def _declared(model: nn.Module) -> tuple[torch.Tensor, ...] | None:
    """What timm, torchvision and others write on a model."""
    config = getattr(model, "default_cfg", None) or getattr(model, "pretrained_cfg", None)
    size = config.get("input_size") if isinstance(config, dict) else None
    if size:
        return (_floats(model, (1, *size)),)
    image = getattr(model, "image_size", None)
    if isinstance(image, int):
        return (_floats(model, (1, 3, image, image)),)
    return None


def _by_first_layer(model: nn.Module) -> tuple[torch.Tensor, ...] | None:
    """The layer that reads the input says how wide it is."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            return (_floats(model, (1, module.in_channels, IMAGE, IMAGE)),)
        if isinstance(module, nn.Conv1d):
            return (_floats(model, (1, module.in_channels, 16 * TOKENS)),)
        if isinstance(module, nn.Conv3d):
            return (_floats(model, (1, module.in_channels, 16, IMAGE // 2, IMAGE // 2)),)
        if isinstance(module, nn.Embedding):
            tokens = torch.empty((1, TOKENS), dtype=torch.int64, device="meta")
            return (tokens,) * max(1, len(_required(model)))
        if isinstance(module, nn.MultiheadAttention):
            count = max(1, len(_required(model)))
            lead = (1, TOKENS) if module.batch_first else (TOKENS, 1)
            widths = (module.embed_dim, module.kdim, module.vdim)
            if isinstance(model, torch.fx.GraphModule) and count <= len(widths):
                return tuple(_floats(model, (*lead, width)) for width in widths[:count])
            return (_floats(model, (*lead, module.embed_dim)),) * count
        if isinstance(module, nn.Linear):
            return (_floats(model, (1, TOKENS, module.in_features)),)
    return None


def _floats(model: nn.Module, shape: tuple[int, ...]) -> torch.Tensor:
    dtypes = [p.dtype for p in model.parameters() if p.is_floating_point()]
    return torch.empty(shape, dtype=dtypes[0] if dtypes else torch.float32, device="meta")
