"""The layers of ``nn.Transformer`` by their steps, without the control flow that stops a tracer.

torch's own ``forward`` asks for shapes, gradients and devices to choose a fused kernel; what it
computes otherwise is this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


def written_out(module: nn.Module) -> Callable[..., Tensor] | None:
    """The steps of a layer whose ``forward`` is torch's own, else nothing."""
    for cls, steps in STEPS.items():
        if isinstance(module, cls) and type(module).forward is cls.forward:
            return steps
    return None


def encoder_layer(
    layer: nn.TransformerEncoderLayer,
    src: Tensor,
    src_mask: Tensor | None = None,
    src_key_padding_mask: Tensor | None = None,
    is_causal: bool = False,
) -> Tensor:
    """Self-attention and feed-forward network, each with its residual and norm."""
    x = src
    if layer.norm_first:
        x = x + layer._sa_block(layer.norm1(x), src_mask, src_key_padding_mask, is_causal)
        return x + layer._ff_block(layer.norm2(x))
    x = layer.norm1(x + layer._sa_block(x, src_mask, src_key_padding_mask, is_causal))
    return layer.norm2(x + layer._ff_block(x))


def encoder(
    stack: nn.TransformerEncoder,
    src: Tensor,
    mask: Tensor | None = None,
    src_key_padding_mask: Tensor | None = None,
    is_causal: bool | None = None,
) -> Tensor:
    """The layers one after the other. Whether a mask is causal is not looked up: it is applied."""
    output = src
    for layer in stack.layers:
        output = layer(
            output,
            src_mask=mask,
            is_causal=bool(is_causal),
            src_key_padding_mask=src_key_padding_mask,
        )
    return output if stack.norm is None else stack.norm(output)


def decoder(
    stack: nn.TransformerDecoder,
    tgt: Tensor,
    memory: Tensor,
    tgt_mask: Tensor | None = None,
    memory_mask: Tensor | None = None,
    tgt_key_padding_mask: Tensor | None = None,
    memory_key_padding_mask: Tensor | None = None,
    tgt_is_causal: bool | None = None,
    memory_is_causal: bool = False,
) -> Tensor:
    """The layers one after the other; their own ``forward`` can be traced."""
    output = tgt
    for layer in stack.layers:
        output = layer(
            output,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=bool(tgt_is_causal),
            memory_is_causal=memory_is_causal,
        )
    return output if stack.norm is None else stack.norm(output)


def transformer(
    model: nn.Transformer,
    src: Tensor,
    tgt: Tensor,
    src_mask: Tensor | None = None,
    tgt_mask: Tensor | None = None,
    memory_mask: Tensor | None = None,
    src_key_padding_mask: Tensor | None = None,
    tgt_key_padding_mask: Tensor | None = None,
    memory_key_padding_mask: Tensor | None = None,
    src_is_causal: bool | None = None,
    tgt_is_causal: bool | None = None,
    memory_is_causal: bool = False,
) -> Tensor:
    """Encoder, then decoder."""
    memory = model.encoder(
        src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
    )
    return model.decoder(
        tgt,
        memory,
        tgt_mask=tgt_mask,
        memory_mask=memory_mask,
        tgt_key_padding_mask=tgt_key_padding_mask,
        memory_key_padding_mask=memory_key_padding_mask,
        tgt_is_causal=tgt_is_causal,
        memory_is_causal=memory_is_causal,
    )


def _as_it_is(layer: nn.TransformerDecoderLayer, *args: Any, **kwargs: Any) -> Tensor:
    return type(layer).forward(layer, *args, **kwargs)


STEPS: dict[type[nn.Module], Callable[..., Tensor]] = {
    nn.TransformerEncoderLayer: encoder_layer,
    nn.TransformerDecoderLayer: _as_it_is,
    nn.TransformerEncoder: encoder,
    nn.TransformerDecoder: decoder,
    nn.Transformer: transformer,
}
