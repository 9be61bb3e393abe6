"""Calling a model with example inputs, however they are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def call(model: nn.Module, inputs: Any) -> Any:
    """``inputs`` are a tensor, a sequence of arguments or a mapping of keyword arguments."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(*arguments(inputs))


def arguments(inputs: Any) -> tuple[Any, ...]:
    """Positional arguments; a lone tensor counts as one."""
    return (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)


def tensors(result: Any) -> list[Tensor]:
    """The tensors in whatever a model gives, in a fixed order."""
    if isinstance(result, Tensor):
        return [result]
    if isinstance(result, Mapping):
        return [tensor for key in result for tensor in tensors(result[key])]
    if isinstance(result, (tuple, list)):
        return [tensor for item in result for tensor in tensors(item)]
    layers = getattr(result, "layers", None)
    if isinstance(layers, (list, tuple)):
        # A cache of transformers: what it keeps of each layer.
        kept = [[getattr(layer, "keys", None), getattr(layer, "values", None)] for layer in layers]
        return tensors([each for pair in kept for each in pair if isinstance(each, Tensor)])
    return []


def difference(expected: Tensor, found: Tensor) -> float:
    """Largest difference over the largest magnitude; infinite where NaN or shape differ."""
    if expected.shape != found.shape or expected.dtype != found.dtype:
        return float("inf")
    if expected.numel() == 0:
        return 0.0
    if not expected.is_floating_point():
        return 0.0 if torch.equal(expected, found) else float("inf")
    finite = expected.isfinite()
    if not torch.equal(finite, found.isfinite()):
        return float("inf")
    expected, found = expected[finite].double(), found[finite].double()
    if expected.numel() == 0:
        return 0.0
    largest = expected.abs().max().item()
    apart = (expected - found).abs().max().item()
    return apart / largest if largest > 0 else apart
