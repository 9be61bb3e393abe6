"""Latency of live modules before and after ``fusewright.torch.optimize``, one after the other.

    python3 validation/latency.py [--rounds 30] [--cuda] [--compile] [--replay] [--dtype float16]

Each round runs the module, then the optimised one, so that whatever else the machine does hits
both. With ``--replay`` both are captured as launch graphs, which leaves out what the host spends
on each kernel. Shortest times in ms, and the median of the ratios of all rounds. A Markdown table on
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

REPLAYS = 10
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


def moved(given: Any, device: str, dtype: torch.dtype) -> Any:
    """Inputs on the device, numbers that are not indices in the type."""
    if isinstance(given, dict):
        return {key: moved(value, device, dtype) for key, value in given.items()}
    return given.to(device, dtype if given.is_floating_point() else None)


def replay(run: Callable[[], object]) -> Callable[[], object]:
    """The launches of a run, without what the host does for them, `REPLAYS` times in a row."""
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()

    def again() -> None:
        for _ in range(REPLAYS):
            graph.replay()

    return again


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
    parser.add_argument("--dtype", choices=("float32", "float16", "bfloat16"), default="float32")
    parser.add_argument("--replay", action="store_true", help="as launch graphs, on the GPU")
    parser.add_argument("--compile", action="store_true", help="both through torch.compile")
    options = parser.parse_args()
    if options.replay and not options.cuda:
        parser.error("--replay needs --cuda: launch graphs exist on GPUs only")
    device = "cuda" if options.cuda else "cpu"
    dtype = getattr(torch, options.dtype)
    wait = torch.cuda.synchronize if options.cuda else lambda: None
    print("| model | batch | products | before, ms | after, ms | after / before |")
    print("|---|---|---|---|---|---|")
    for name, (make, inputs_of) in MODELS.items():
        if options.models not in name:
            continue
        torch.manual_seed(0)
        model = make().eval().to(device, dtype)
        for batch in options.batch or ((1, 8, 32) if options.cuda else (1, 8)):
            given = moved(inputs_of(batch), device, dtype)
            fast = fusewright.torch.optimize(model, given)
            counts = [
                sum(kernel.kind == "product" for kernel in fusewright.torch.kernels_of(m, given))
                for m in (model, fast)
            ]
            torch.compiler.reset()
            runs = [
                torch.compile(m, dynamic=False) if options.compile else m for m in (model, fast)
            ]
            calls = [lambda run=run, given=given: call(run, given) for run in runs]
            with torch.inference_mode():
                if options.replay:
                    calls = [replay(each) for each in calls]
                before, after, ratio = interleaved(*calls, options.rounds, wait)
            share = REPLAYS if options.replay else 1
            print(
                f"| {name} | {batch} | {counts[0]} → {counts[1]} "
                f"| {before / share:.3f} | {after / share:.3f} | {ratio:.2f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
