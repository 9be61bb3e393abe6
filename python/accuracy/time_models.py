"""Times whole models on a CUDA GPU: as they are, with merged projections, and compiled.

    python -m accuracy.time_models -o timed.csv --dtype float16

ViT-B/16, BERT-base and one layer of Llama-2-7B, with random weights, at batch 1 and 8. Needs torch with CUDA and
transformers. A row is the median of `RUNS` passes between two events, after `WARM_UP` passes that are not counted; the
10th and 90th percentile stand beside it. In `graph_us` the pass was captured once as a launch graph and replayed
`REPLAYS` times in a row, which leaves out what the host spends on each kernel. `--kernels FILE` also writes what each pass launched: the name of each
kernel, how often, and its time.

transformers leaves out the mask of an unpadded batch, but builds one of ones where a pass is traced or captured, and
PyTorch then takes other kernels. Here attention has no mask in any variant, so that all run the same model.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    BertConfig,
    BertModel,
    LlamaConfig,
    ViTConfig,
    ViTModel,
)
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRotaryEmbedding

WARM_UP = 20
RUNS = 100
REPLAYS = 10
UNMASKED = "sdpa_unmasked"
BATCHES = (1, 8)
VARIANTS = ("eager", "merged", "compiled")
ROLES = (("query", "key", "value"), ("q_proj", "k_proj", "v_proj"))
"""Names of projections of one input, as the models of transformers call them."""


@dataclass(frozen=True)
class Timed:
    """A row of the result; times in µs."""

    device: str
    model: str
    batch: int
    dtype: str
    variant: str
    median_us: float
    p10_us: float
    p90_us: float
    graph_us: float | None


@dataclass(frozen=True)
class Launched:
    """A kernel of a pass: how often it ran, and for how long in all, µs."""

    model: str
    batch: int
    variant: str
    kernel: str
    count: int
    total_us: float


def unmasked(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, *_: object, **__: object
) -> tuple[Tensor, None]:
    """Attention over whole sequences."""
    found = F.scaled_dot_product_attention(query, key, value)
    return found.transpose(1, 2).contiguous(), None


AttentionInterface.register(UNMASKED, unmasked)
AttentionMaskInterface.register(UNMASKED, lambda *_, **__: None)


class LlamaLayer(nn.Module):
    """One decoder layer with its rotary tables, from hidden states to hidden states."""

    def __init__(self) -> None:
        super().__init__()
        config = LlamaConfig(attn_implementation="sdpa")
        self.layer = LlamaDecoderLayer(config, 0)
        self.rotary = LlamaRotaryEmbedding(config)

    def forward(self, hidden: Tensor) -> Tensor:
        positions = torch.arange(hidden.shape[1], device=hidden.device).unsqueeze(0)
        tables = self.rotary(hidden, positions)
        found = self.layer(hidden, position_ids=positions, position_embeddings=tables)
        return found[0] if isinstance(found, tuple) else found


MODELS: dict[str, Callable[[], nn.Module]] = {
    "vit-b-16": lambda: ViTModel(ViTConfig(attn_implementation=UNMASKED), add_pooling_layer=False),
    "bert-base": lambda: BertModel(
        BertConfig(attn_implementation=UNMASKED), add_pooling_layer=False
    ),
    "llama-2-7b-layer": LlamaLayer,
}


def example(name: str, batch: int, dtype: torch.dtype, device: str = "cuda") -> Tensor:
    """The input of a model."""
    if name == "vit-b-16":
        return torch.randn(batch, 3, 224, 224, device=device, dtype=dtype)
    if name == "bert-base":
        return torch.randint(0, 30_000, (batch, 128), device=device)
    return torch.randn(batch, 2048, 4096, device=device, dtype=dtype)


class Merged:
    """Several linear layers of one input as one product, computed when the first of them is called."""

    def __init__(self, layers: list[nn.Linear]) -> None:
        self.widths = [layer.out_features for layer in layers]
        self.weight = torch.cat([layer.weight.detach() for layer in layers])
        biases = [layer.bias for layer in layers]
        self.bias = (
            None if any(b is None for b in biases) else torch.cat([b.detach() for b in biases])
        )
        self.parts: dict[int, Tensor] = {}

    def part(self, place: int, x: Tensor) -> Tensor:
        if place not in self.parts:
            whole = nn.functional.linear(x, self.weight, self.bias)
            self.parts = dict(enumerate(whole.split(self.widths, dim=-1)))
        return self.parts.pop(place)


class Part(nn.Module):
    """One of the layers that `Merged` stands for."""

    def __init__(self, merged: Merged, place: int) -> None:
        super().__init__()
        self.merged = merged
        self.place = place

    def forward(self, x: Tensor) -> Tensor:
        return self.merged.part(self.place, x)


def merge_projections(model: nn.Module) -> int:
    """Replaces every set of projections of one input; gives the number of sets."""
    count = 0
    for parent in list(model.modules()):
        for names in ROLES:
            layers = [getattr(parent, name, None) for name in names]
            if all(isinstance(layer, nn.Linear) for layer in layers):
                merged = Merged(layers)
                for place, name in enumerate(names):
                    setattr(parent, name, Part(merged, place))
                count += 1
    return count


def times(run: Callable[[], object], in_a_row: int = 1) -> list[float]:
    """Durations of passes in µs, between events of the device around some in a row."""
    for _ in range(WARM_UP):
        run()
    torch.cuda.synchronize()
    found = []
    for _ in range(RUNS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(in_a_row):
            run()
        end.record()
        end.synchronize()
        found.append(1000.0 * start.elapsed_time(end) / in_a_row)
    return sorted(found)


def replayed(run: Callable[[], object]) -> float | None:
    """Median of a pass replayed as a launch graph, µs; none where it cannot be captured."""
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            run()
    except RuntimeError:
        return None
    return statistics.median(times(graph.replay, REPLAYS))


def launches(run: Callable[[], object]) -> list[tuple[str, int, float]]:
    """Kernels of a pass by name: how many, and their time in µs."""
    with profile(activities=[ProfilerActivity.CUDA]) as found:
        run()
        torch.cuda.synchronize()
    return [(each.key, each.count, each.device_time_total) for each in found.key_averages()]


def variant_of(name: str, variant: str, dtype: torch.dtype, device: str = "cuda") -> nn.Module:
    """The module that a variant runs; what is compiled is compiled later."""
    with torch.device(device):
        model = MODELS[name]().to(dtype).eval()
    if variant == "merged" and merge_projections(model) == 0:
        raise RuntimeError(f"{name} has no projections to merge; expected one of {ROLES}")
    return model


def measure(
    name: str, batch: int, dtype: torch.dtype, variant: str
) -> tuple[Timed, list[Launched]]:
    """Times one model in one way."""
    model = variant_of(name, variant, dtype)
    torch.compiler.reset()
    called = torch.compile(model, dynamic=False) if variant == "compiled" else model
    x = example(name, batch, dtype)

    def run() -> object:
        return called(x)

    with torch.inference_mode():
        found = times(run)
        graph = replayed(run)
        kernels = [Launched(name, batch, variant, *each) for each in launches(run)]
    tenth = len(found) // 10
    row = Timed(
        torch.cuda.get_device_name(),
        name,
        batch,
        str(dtype).removeprefix("torch."),
        variant,
        statistics.median(found),
        found[tenth],
        found[-1 - tenth],
        graph,
    )
    return row, kernels


def write(path: Path, kind: type, rows: list[Any]) -> None:
    """A table of rows of one kind."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(kind)])
        writer.writerows(astuple(row) for row in rows)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--kernels", type=Path, help="also write what each pass launched")
    parser.add_argument("--dtype", choices=("float16", "bfloat16", "float32"), default="float16")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("error: no CUDA device; expected a GPU and a torch built for it", file=sys.stderr)
        return 2
    dtype = getattr(torch, arguments.dtype)
    rows: list[Timed] = []
    kernels: list[Launched] = []
    for name in MODELS:
        for batch in BATCHES:
            for variant in VARIANTS:
                row, launched = measure(name, batch, dtype, variant)
                rows.append(row)
                kernels += launched
                print(name, batch, variant, f"{row.median_us:.1f} µs", flush=True)
                write(arguments.output, Timed, rows)
    if arguments.kernels:
        write(arguments.kernels, Launched, kernels)
    return 0


if __name__ == "__main__":
    sys.exit(main())
