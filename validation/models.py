"""The decomposition and the plans on models that the prototype was never held against.

    python3 validation/models.py

BERT, GPT-2 with its causal mask, T5 with cross-attention, CLIP's two towers, Swin, Whisper and an
``nn.Transformer``, small and from random weights. Needs the package, torchvision and transformers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import fusewright
import fusewright.torch
import torch
import torchvision
import transformers
from fusewright.torch.calling import call, difference, tensors
from fusewright.transform import trace_with_decomposition
from report import Checks
from torch import nn

SIZES = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
}
IDS = {"vocab_size": 100, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}


def tokens(length: int) -> torch.Tensor:
    """Two sequences of random tokens."""
    return torch.randint(3, 99, (2, length))


def bert() -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """An encoder with a padding mask."""
    mask = torch.ones(2, 16, dtype=torch.int64)
    mask[1, 9:] = 0
    config = transformers.BertConfig(**SIZES, **IDS)
    return transformers.BertModel(config), {"input_ids": tokens(16), "attention_mask": mask}


def gpt2() -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """A decoder with a causal mask."""
    config = transformers.GPT2Config(n_embd=64, n_layer=2, n_head=4, **IDS)
    return transformers.GPT2LMHeadModel(config), {"input_ids": tokens(16)}


def t5() -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """An encoder and a decoder of another length."""
    config = transformers.T5Config(
        d_model=64, num_layers=2, num_heads=4, d_kv=16, d_ff=128, decoder_start_token_id=0, **IDS
    )
    inputs = {"input_ids": tokens(16), "decoder_input_ids": tokens(9)}
    return transformers.T5ForConditionalGeneration(config), inputs


def clip() -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """Two towers."""
    text = {**SIZES, **IDS, "max_position_embeddings": 32}
    vision = {**SIZES, "image_size": 32, "patch_size": 8}
    config = transformers.CLIPConfig(text_config=text, vision_config=vision)
    inputs = {"input_ids": tokens(16), "pixel_values": torch.randn(2, 3, 32, 32)}
    return transformers.CLIPModel(config), inputs


def whisper() -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """Audio to text: convolutions, then an encoder and a decoder."""
    parts = {
        f"{part}_{name}": size
        for part in ("encoder", "decoder")
        for name, size in (("layers", 2), ("attention_heads", 4), ("ffn_dim", 128))
    }
    config = transformers.WhisperConfig(
        d_model=64,
        max_source_positions=50,
        decoder_start_token_id=1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **parts,
        **IDS,
    )
    inputs = {"input_features": torch.randn(2, 80, 100), "decoder_input_ids": tokens(9)}
    return transformers.WhisperModel(config), inputs


def swin() -> tuple[nn.Module, torch.Tensor]:
    """Attention in shifted windows."""
    return torchvision.models.swin_t(weights=None), torch.randn(1, 3, 224, 224)


def encoder_decoder() -> tuple[nn.Module, list[torch.Tensor]]:
    """torch's own transformer."""
    model = nn.Transformer(64, 4, 2, 2, 128, batch_first=True)
    return model, [torch.randn(2, 16, 64), torch.randn(2, 9, 64)]


# How a model is made, its attentions, and sets of projections that one product replaces.
MODELS: dict[str, tuple[Callable[[], tuple[nn.Module, Any]], int, int]] = {
    "bert": (bert, 2, 2),
    "gpt2": (gpt2, 2, 0),
    "t5": (t5, 6, 5),
    "clip": (clip, 4, 4),
    "whisper": (whisper, 6, 5),
    "swin_t": (swin, 12, 0),
    "nn.Transformer": (encoder_decoder, 6, 0),
}


def validate(name: str, checks: Checks) -> None:
    """One model: what is found in it, and that what is changed computes the same."""
    make, attentions, packed = MODELS[name]
    torch.manual_seed(0)
    model, inputs = make()
    model.eval()
    checks.section(name)
    found = fusewright.analyze(model, inputs)
    print(f"read by {found.via}")
    checks.equal("attentions", found.attention.found, attentions)
    checks.equal("near misses", found.attention.missed, [])
    checks.equal("uncounted operators", found.model.uncounted_ops, [])
    best = found.best
    checks.true(f"kernels {found['eager'].kernels} → {best.kernels}", best.kernels_saved > 0)
    fast = fusewright.torch.optimize(model, inputs)
    checks.equal("packed sets", len(fast.fusewright.packed), packed)
    with torch.no_grad():
        pairs = list(zip(tensors(call(model, inputs)), tensors(call(fast, inputs)), strict=True))
    apart = max(difference(a, b) for a, b in pairs)
    checks.true(f"outputs differ by {apart:.1g}", apart <= 1e-4, "expected 1e-4 at most")
    if name == "nn.Transformer":
        traced = trace_with_decomposition(model)
        with torch.no_grad():
            apart = difference(model(*inputs), traced(*inputs))
        checks.equal("layers opened", len(traced.decomposed_modules), attentions)
        checks.true(f"trace differs by {apart:.1g}", apart <= 1e-5, "expected 1e-5 at most")


def main() -> int:
    """Validates all models; 1 if anything failed."""
    checks = Checks()
    for name in MODELS:
        validate(name, checks)
    return checks.exit_code()


if __name__ == "__main__":
    sys.exit(main())
