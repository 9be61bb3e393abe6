"""Latency of live modules before and after ``fusewright.torch.optimize``, one after the other.

    python3 validation/latency.py [--rounds 30] [--cuda] [--compile]

Each round runs the module, then the optimised one, so that whatever else the machine does hits
both. Shortest times in ms, and the median of the ratios of all rounds. A Markdown table on
standard output; models are made from random weights.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import fusewright.torch
import torch
import torchvision
import transformers
from fusewright.torch.calling import call
from torch import nn

IDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}


def tokens(batch: int, length: int = 128) -> dict[str, torch.Tensor]:
    """Random tokens."""
    return {"input_ids": torch.randint(3, 99, (batch, length))}


def decoder_sizes(hidden: int) -> dict[str, int]:
    """Four layers of a small decoder with shared heads of keys and values."""
    return {
        "hidden_size": hidden,
        "num_hidden_layers": 4,
        "num_attention_heads": hidden // 64,
        "num_key_value_heads": 2,
        "intermediate_size": hidden * 8 // 3,
        "vocab_size": 1000,
    }


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[int], Any]]] = {
    "vit_b_16 (torchvision)": (
        lambda: torchvision.models.vit_b_16(weights=None),
        lambda batch: torch.randn(batch, 3, 224, 224),
    ),
    "BERT, 4 layers of 768": (
        lambda: transformers.BertModel(transformers.BertConfig(num_hidden_layers=4)),
        tokens,
    ),
    "ViT, 4 layers of 768": (
        lambda: transformers.ViTModel(transformers.ViTConfig(num_hidden_layers=4)),
        lambda batch: {"pixel_values": torch.randn(batch, 3, 224, 224)},
    ),
    "Llama, 4 layers of 512": (
        lambda: transformers.LlamaForCausalLM(
            transformers.LlamaConfig(**decoder_sizes(512), **IDS)
        ),
        tokens,
    ),
    "Qwen3, 4 layers of 512": (
        lambda: transformers.Qwen3ForCausalLM(
            transformers.Qwen3Config(**decoder_sizes(512), head_dim=64, **IDS)
        ),
        tokens,
    ),
}


def interleaved(
    first: Callable[[], object], second: Callable[[], object], rounds: int, wait: Callable[[], None]
) -> tuple[float, float, float]:
    """Shortest times of both in ms, and the median of the ratio second / first of each round."""
    times: list[tuple[float, float]] = []
    for run in (first, second):
        run()
    for _ in range(rounds):
        pair = []
        for run in (first, second):
            wait()
            start = time.perf_counter()
            run()
            wait()
            pair.append(time.perf_counter() - start)
        times.append((pair[0], pair[1]))
    one, two = (1e3 * min(t[i] for t in times) for i in (0, 1))
    return one, two, statistics.median(b / a for a, b in times)


def main() -> int:
    """Measures all models and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--batch", type=int, action="append", help="may be repeated")
    parser.add_argument("--models", default="", help="only those whose name has this in it")
    parser.add_argument("--cuda", action="store_true", help="on the GPU, batches 1, 8 and 32")
    parser.add_argument("--compile", action="store_true", help="both through torch.compile")
    options = parser.parse_args()
    device = "cuda" if options.cuda else "cpu"
    wait = torch.cuda.synchronize if options.cuda else lambda: None
    print("| model | batch | products | before, ms | after, ms | after / before |")
    print("|---|---|---|---|---|---|")
    for name, (make, inputs_of) in MODELS.items():
        if options.models not in name:
            continue
        torch.manual_seed(0)
        model = make().eval().to(device)
        for batch in options.batch or ((1, 8, 32) if options.cuda else (1, 8)):
            given = inputs_of(batch)
            given = (
                {key: value.to(device) for key, value in given.items()}
                if isinstance(given, dict)
                else given.to(device)
            )
            fast = fusewright.torch.optimize(model, given)
            counts = [
                sum(kernel.kind == "product" for kernel in fusewright.torch.kernels_of(m, given))
                for m in (model, fast)
            ]
            runs = [torch.compile(m) if options.compile else m for m in (model, fast)]
            with torch.inference_mode():
                before, after, ratio = interleaved(
                    lambda runs=runs, given=given: call(runs[0], given),
                    lambda runs=runs, given=given: call(runs[1], given),
                    options.rounds,
                    wait,
                )
            print(
                f"| {name} | {batch} | {counts[0]} → {counts[1]} "
                f"| {before:.1f} | {after:.1f} | {ratio:.2f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
