"""``nn.MultiheadAttention`` written out, step by step, for every way to call it.

Batched or not, either axis order, equal or unequal widths and lengths: all shapes go through the
same steps, because every step counts its axes from the end.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusewright.transform.masks import appended_keys, causal_scores, masked_scores, padded_scores


class DecomposedMultiheadAttention(nn.MultiheadAttention):
    """``nn.MultiheadAttention`` whose ``forward`` is plain operations.

    Takes the same arguments, has the same parameters under the same names, and gives the same
    results, gradients and (with one seed) dropout. ``of`` makes one that shares the parameters of
    an existing layer.
    """

    @classmethod
    def of(cls, layer: nn.MultiheadAttention) -> DecomposedMultiheadAttention:
        """The layer itself, parameters and all, with its steps written out."""
        decomposed = cls.__new__(cls)
        nn.Module.__init__(decomposed)
        # The same objects, so that what trains or moves one moves both.
        decomposed.__dict__.update(vars(layer))
        return decomposed

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """As ``nn.MultiheadAttention.forward``: output ``(N, L, E)``, weights or ``None``."""
        return attend(
            self,
            query,
            key,
            value,
            key_padding_mask,
            need_weights,
            attn_mask,
            average_attn_weights,
            is_causal,
        )


def is_plain_attention(module: nn.Module) -> bool:
    """An attention layer whose ``forward`` is torch's own or the one of this module."""
    known = (nn.MultiheadAttention.forward, DecomposedMultiheadAttention.forward)
    return isinstance(module, nn.MultiheadAttention) and type(module).forward in known


def attend(
    layer: nn.MultiheadAttention,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """The steps of one call. ``is_causal`` without a mask is refused, as torch does."""
    if is_causal and attn_mask is None:
        raise RuntimeError("is_causal needs attn_mask: give the mask that the flag stands for")
    width, heads = layer.embed_dim, layer.num_heads
    q, k, v = _project(layer, query, key, value)
    q, k, v = (_split(x.unflatten(-1, (heads, width // heads)), layer) for x in (q, k, v))
    appended = int(layer.bias_k is not None) + int(layer.add_zero_attn)
    if appended:
        k = appended_keys(k, layer.bias_k, layer.add_zero_attn)
        v = appended_keys(v, layer.bias_v, layer.add_zero_attn)

    scores = torch.matmul(q, k.transpose(-2, -1)) * (1.0 / math.sqrt(width // heads))
    # Where no weights are asked for torch takes the flag for the mask.
    by_flag = is_causal and key_padding_mask is None and not need_weights
    if by_flag:
        scores = causal_scores(scores)
    elif attn_mask is not None:
        scores = masked_scores(scores, attn_mask, appended)
    if key_padding_mask is not None:
        scores = padded_scores(scores, key_padding_mask, appended)
    hides = not by_flag and (attn_mask is not None or key_padding_mask is not None)
    # A query that sees nothing gets zeros where torch runs its fused kernel, NaN where it does not.
    zero_hidden = hides and not need_weights
    weights = torch._safe_softmax(scores, -1) if zero_hidden else F.softmax(scores, dim=-1)
    if layer.training and layer.dropout > 0.0:
        weights = F.dropout(weights, p=layer.dropout)

    context = _merge(torch.matmul(weights, v), layer).flatten(-2).contiguous()
    out = F.linear(context, layer.out_proj.weight, layer.out_proj.bias)
    if not need_weights:
        return _pair(out, None)
    return _pair(out, weights.mean(dim=-3) if average_attn_weights else weights)


def _project(layer: nn.MultiheadAttention, *inputs: Tensor) -> list[Tensor]:
    """Query, key and value projections; each reads its rows of a packed weight in place."""
    width, packed, biases = layer.embed_dim, layer.in_proj_weight, layer.in_proj_bias
    rows = [slice(0, width), slice(width, 2 * width), slice(2 * width, 3 * width)]
    if packed is not None:
        weights = [packed[part] for part in rows]
    else:
        weights = [layer.q_proj_weight, layer.k_proj_weight, layer.v_proj_weight]
    rows_of_bias = [None if biases is None else biases[part] for part in rows]
    return [F.linear(x, w, b) for x, w, b in zip(inputs, weights, rows_of_bias, strict=True)]


def _split(x: Tensor, layer: nn.MultiheadAttention) -> Tensor:
    """``(…, heads, length, d)`` from the layout of the call."""
    return x.transpose(-3, -2) if layer.batch_first else x.movedim(0, -2)


def _merge(x: Tensor, layer: nn.MultiheadAttention) -> Tensor:
    """The layout of the call from ``(…, heads, length, d)``."""
    return x.transpose(-3, -2) if layer.batch_first else x.movedim(-2, 0)


def _pair(out: Any, weights: Any) -> Any:
    """Output and weights; in a traced graph one node, as the layer was."""
    if isinstance(out, torch.fx.Proxy):
        return out.tracer.create_proxy("call_function", tuple, ((out, weights),), {})
    return out, weights
