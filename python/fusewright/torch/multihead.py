"""``nn.MultiheadAttention`` for self-attention: one projection, one attention kernel, no copies.

torch projects packed too, but copies the result apart before it uses it. Only the class of a layer
changes: its parameters, its ``state_dict`` and everything else stay.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PackedMultiheadAttention(nn.MultiheadAttention):
    """A layer whose calls for self-attention without returned weights read the product in place."""

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
        """As ``nn.MultiheadAttention.forward``; other calls go there."""
        if need_weights or query is not key or key is not value or query.dim() != 3:
            return super().forward(
                query,
                key,
                value,
                key_padding_mask,
                need_weights,
                attn_mask,
                average_attn_weights,
                is_causal,
            )
        if is_causal and attn_mask is None:
            raise RuntimeError("is_causal needs attn_mask: give the mask that the flag stands for")
        heads = self.num_heads
        product = F.linear(query, self.in_proj_weight, self.in_proj_bias)
        parts = product.unflatten(-1, (3, heads, self.embed_dim // heads))
        # (batch, heads, length, d) of each, whichever axis comes first.
        order = (2, 0, 3, 1, 4) if self.batch_first else (2, 1, 3, 0, 4)
        q, k, v = parts.permute(order).unbind(0)
        causal = is_causal and key_padding_mask is None
        mask = None if causal else _mask(attn_mask, key_padding_mask, q)
        dropout = self.dropout if self.training else 0.0
        out = F.scaled_dot_product_attention(q, k, v, mask, dropout, causal)
        out = out.transpose(1, 2) if self.batch_first else out.permute(2, 0, 1, 3)
        return F.linear(out.flatten(-2), self.out_proj.weight, self.out_proj.bias), None


def _mask(attention: Tensor | None, padding: Tensor | None, like: Tensor) -> Tensor | None:
    """One additive mask of both; torch's boolean masks hide where they are true."""
    masks = []
    if attention is not None:
        if attention.dim() == 3:
            attention = attention.unflatten(0, (like.shape[0], -1))
        masks.append(_added(attention, like))
    if padding is not None:
        masks.append(_added(padding[:, None, None, :], like))
    if not masks:
        return None
    return masks[0] if len(masks) == 1 else masks[0] + masks[1]


def _added(mask: Tensor, like: Tensor) -> Tensor:
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill(mask, float("-inf"))


def why_not(layer: nn.Module) -> str | None:
    """What keeps a layer as it is, or nothing."""
    if type(layer) is not nn.MultiheadAttention or "forward" in vars(layer):
        return f"a {type(layer).__name__} with a forward of its own"
    if not layer._qkv_same_embed_dim:
        return "keys or values have other widths than queries"
    if layer.bias_k is not None or layer.add_zero_attn:
        return "the layer appends keys"
    return None


def use_packed(layer: nn.MultiheadAttention) -> Any:
    """Changes a layer; calling the result undoes it."""
    layer.__class__ = PackedMultiheadAttention

    def undo() -> None:
        layer.__class__ = nn.MultiheadAttention

    return undo
