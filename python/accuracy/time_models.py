"""Times whole models on a CUDA GPU: as they are, with merged projections, and compiled.

    python -m accuracy.time_models -o timed.csv --dtype float16

ViT-B/16, BERT-base and one layer of Llama-2-7B, with random weights, at batch 1 and 8. Needs torch with CUDA and
transformers. A row is the median of `RUNS` passes between two events, after `WARM_UP` passes that are not counted; the
10th and 90th percentile stand beside it. In `graph_us` the pass was captured once as a launch graph and replayed, which
leaves out what the host spends on each kernel.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, LlamaConfig, ViTConfig, ViTModel
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRotaryEmbedding

WARM_UP = 20
RUNS = 100
BATCHES = (1, 8)
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
    "vit-b-16": lambda: ViTModel(ViTConfig(), add_pooling_layer=False),
    "bert-base": lambda: BertModel(BertConfig(), add_pooling_layer=False),
    "llama-2-7b-layer": LlamaLayer,
}


def example(name: str, batch: int, dtype: torch.dtype) -> Tensor:
    """The input of a model."""
    if name == "vit-b-16":
        return torch.randn(batch, 3, 224, 224, device="cuda", dtype=dtype)
    if name == "bert-base":
        return torch.randint(0, 30_000, (batch, 128), device="cuda")
    return torch.randn(batch, 2048, 4096, device="cuda", dtype=dtype)


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


def times(run: Callable[[], object]) -> list[float]:
    """Durations of passes in µs, between events of the device."""
    for _ in range(WARM_UP):
        run()
    torch.cuda.synchronize()
    found = []
    for _ in range(RUNS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        found.append(1000.0 * start.elapsed_time(end))
    return sorted(found)


def replayed(run: Callable[[], object]) -> float | None:
    """Median of a pass replayed as a launch graph, µs; none where it cannot be captured."""
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            run()
    except RuntimeError:
        return None
    return statistics.median(times(graph.replay))


def measure(name: str, batch: int, dtype: torch.dtype, variant: str) -> Timed:
    """Times one model in one way."""
    model = MODELS[name]().to("cuda", dtype).eval()
    if variant == "merged" and merge_projections(model) == 0:
        raise RuntimeError(f"{name} has no projections to merge; expected one of {ROLES}")
    called = torch.compile(model) if variant == "compiled" else model
    x = example(name, batch, dtype)

    def run() -> object:
        return called(x)

    with torch.inference_mode():
        found = times(run)
        graph = replayed(run)
    tenth = len(found) // 10
    return Timed(
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


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--dtype", choices=("float16", "bfloat16", "float32"), default="float16")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("error: no CUDA device; expected a GPU and a torch built for it", file=sys.stderr)
        return 2
    dtype = getattr(torch, arguments.dtype)
    with arguments.output.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(Timed)])
        for name in MODELS:
            for batch in BATCHES:
                for variant in ("eager", "merged", "compiled"):
                    row = measure(name, batch, dtype, variant)
                    writer.writerow(astuple(row))
                    print(name, batch, variant, f"{row.median_us:.1f} µs", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
