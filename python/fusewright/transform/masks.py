"""Steps of attention whose form depends on the values at hand: masks and appended keys.

While a graph is traced nobody knows whether a mask is boolean or added, shared by all heads or
one a head. So each of these stays one node; it decides when it runs. ``lowering`` opens the nodes
once shapes are known. Keys that a layer appends to those it is given are never hidden by a mask.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

HELPERS: list[Callable[..., Any]] = []
"""Every function of this module that stays one node."""


def one_node(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Calls with traced arguments become one node that calls the function."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Tensor:
        for arg in args:
            if isinstance(arg, torch.fx.Proxy):
                return arg.tracer.create_proxy("call_function", call, args, kwargs)
        return function(*args, **kwargs)

    HELPERS.append(call)
    return call


@one_node
def masked_scores(scores: Tensor, mask: Tensor, appended: int) -> Tensor:
    """Applies an attention mask ``(L, S)`` or ``(batch·heads, L, S)`` to ``(…, heads, L, S)``.

    A boolean mask hides where it is true; any other is added.
    """
    if appended:
        mask = F.pad(mask, (0, appended))
    if mask.dim() > 2:
        mask = mask.reshape(scores.shape)
    if mask.dtype == torch.bool:
        return scores.masked_fill(mask, float("-inf"))
    return scores + mask


@one_node
def padded_scores(scores: Tensor, padding: Tensor, appended: int) -> Tensor:
    """Applies a key padding mask ``(batch, S)`` or ``(S,)`` to ``(…, heads, L, S)``."""
    if appended:
        padding = F.pad(padding, (0, appended))
    if padding.dim() > 1:
        padding = padding[:, None, None, :]
    if padding.dtype == torch.bool:
        return scores.masked_fill(padding, float("-inf"))
    return scores + padding


@one_node
def causal_scores(scores: Tensor) -> Tensor:
    """Hides from query ``i`` of ``(…, L, S)`` every key behind ``i``, appended ones too."""
    queries, keys = scores.shape[-2:]
    later = torch.ones(queries, keys, dtype=torch.bool, device=scores.device).triu(1)
    return scores.masked_fill(later, float("-inf"))


@one_node
def appended_keys(heads: Tensor, learned: Tensor | None, zero: bool) -> Tensor:
    """``(…, heads, S, d)`` with a learned row ``(1, 1, heads·d)`` and a row of zeros behind it."""
    *batch, count, _, width = heads.shape
    rows = [heads]
    if learned is not None:
        rows.append(learned.reshape(count, 1, width).expand(*batch, count, 1, width))
    if zero:
        rows.append(heads.new_zeros(*batch, count, 1, width))
    return torch.cat(rows, dim=-2)
