"""Times single kernels on a CUDA GPU, as rows that ``fusewright hw predict`` can read.

    python -m accuracy.time_kernels -o kernels.csv

Products, attention, pointwise passes, softmax and norms of PyTorch in 16 and 32 bit, the sizes drawn from a fixed seed.
`measured_us` is the time of a launch inside a replayed launch graph, so that the host has no part in it; each launch
takes the next of several sets of operands, together larger than the last-level cache, as a model's kernels find most of
theirs. Needs torch with CUDA.
"""

from __future__ import annotations

import argparse
import csv
import random
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

COLUMNS = (
    *("device", "op", "dtype", "m", "n", "k", "batch"),
    *("b", "h", "h_kv", "s_q", "s_kv", "d", "causal"),
    *("rows", "cols", "reads", "writes", "kernel", "measured_us"),
)
DTYPES = {"f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32}
ROTATED_BYTES = 192 << 20
"""What the sets of operands of a row hold together: several times the largest L2."""

MOST_SETS = 64
LAUNCHES = 64
LAUNCHES_OF_LARGE = 8
"""Where the operands hold more than a quarter of `ROTATED_BYTES`."""

REPLAYS = 7


@dataclass(frozen=True)
class Row:
    """A kernel: its cells, its operands, and the call."""

    cells: dict[str, object]
    shapes: tuple[tuple[int, ...], ...]
    call: Callable[..., Tensor]


def product(dtype: str, m: int, n: int, k: int) -> Row:
    """A linear layer without bias."""
    cells = {"op": "gemm", "dtype": dtype, "m": m, "n": n, "k": k, "batch": 1, "kernel": "linear"}
    return Row(cells, ((m, k), (n, k)), F.linear)


def products(dtype: str, batch: int, m: int, n: int, k: int) -> Row:
    """Independent products, both operands row by row."""
    cells = {"op": "gemm", "dtype": dtype, "m": m, "n": n, "k": k, "batch": batch, "kernel": "bmm"}
    return Row(cells, ((batch, m, k), (batch, k, n)), torch.bmm)


def attention(
    dtype: str, b: int, h: int, h_kv: int, s_q: int, s_kv: int, d: int, causal: bool
) -> Row:
    """The attention kernel that PyTorch chooses."""
    cells = {"op": "attention", "dtype": dtype, "b": b, "h": h, "h_kv": h_kv, "s_q": s_q}
    cells |= {"s_kv": s_kv, "d": d, "causal": int(causal), "kernel": "sdpa"}

    def call(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=h_kv != h)

    return Row(cells, ((b, h, s_q, d), (b, h_kv, s_kv, d), (b, h_kv, s_kv, d)), call)


PASSES: dict[str, tuple[str, int, Callable[..., Tensor]]] = {
    "gelu": ("pointwise", 1, F.gelu),
    "silu": ("pointwise", 1, F.silu),
    "add": ("pointwise", 2, torch.add),
    "softmax": ("softmax", 1, lambda x: torch.softmax(x, -1)),
    "layer_norm": ("layernorm", 1, lambda x, w, b: F.layer_norm(x, w.shape, w, b)),
    "rms_norm": ("rmsnorm", 1, lambda x, w: F.rms_norm(x, w.shape, w)),
}


def over_rows(name: str, dtype: str, rows: int, cols: int) -> Row:
    """A kernel that goes over rows."""
    op, reads, call = PASSES[name]
    cells = {"op": op, "dtype": dtype, "rows": rows, "cols": cols, "reads": reads, "writes": 1}
    vectors = {"layer_norm": 2, "rms_norm": 1}.get(name, 0)
    shapes = ((rows, cols),) * reads + ((cols,),) * vectors
    return Row(cells | {"kernel": name}, shapes, call)


def rows() -> Iterator[Row]:
    """All of them, the same each time."""
    draw = random.Random(20261126)
    widths = (384, 512, 768, 1024, 1536, 2048, 2304, 3072, 4096, 5120, 8192, 11008)
    lengths = (1, 8, 64, 128, 197, 257, 512, 1024, 1576, 2048, 4096, 8192)
    for dtype, count in (("f16", 90), ("bf16", 60), ("f32", 40)):
        for _ in range(count):
            yield product(dtype, draw.choice(lengths), draw.choice(widths), draw.choice(widths))
    for dtype in ("f16", "f32"):
        for _ in range(25):
            length, width = (
                draw.choice((49, 64, 128, 197, 256, 512, 1024)),
                draw.choice((32, 64, 128)),
            )
            scores = draw.random() < 0.5
            n, k = (length, width) if scores else (width, length)
            yield products(dtype, draw.choice((12, 16, 96, 128, 384)), length, n, k)
    for _ in range(70):
        heads = draw.choice((8, 12, 16, 32))
        length = draw.choice((64, 128, 197, 256, 512, 1024, 2048, 4096))
        key_heads = heads // 4 if draw.random() < 0.3 else heads
        keys = length if draw.random() < 0.8 else 512
        causal = keys == length and draw.random() < 0.5
        sizes = (draw.choice((1, 2, 8, 16)), heads, key_heads, length, keys)
        yield attention(draw.choice(("f16", "bf16")), *sizes, draw.choice((64, 128)), causal)
    for name in PASSES:
        for dtype in ("f16", "bf16", "f32"):
            for _ in range(14):
                count = draw.choice((128, 197, 512, 1576, 2048, 6304, 16384, 32768))
                yield over_rows(name, dtype, count, draw.choice(widths[:9]))


def time_us(row: Row) -> float:
    """Median of a launch over replays, µs."""
    dtype = DTYPES[str(row.cells["dtype"])]
    size = sum(torch.Size(shape).numel() for shape in row.shapes) * dtype.itemsize
    sets = [
        [torch.randn(shape, device="cuda", dtype=dtype) for shape in row.shapes]
        for _ in range(max(1, min(MOST_SETS, ROTATED_BYTES // size)))
    ]
    launches = LAUNCHES_OF_LARGE if 4 * size > ROTATED_BYTES else LAUNCHES
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            row.call(*sets[0])
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for launch in range(launches):
            row.call(*sets[launch % len(sets)])
    graph.replay()
    found = []
    for _ in range(REPLAYS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        found.append(1e3 * start.elapsed_time(end) / launches)
    return statistics.median(found)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("error: no CUDA device; expected a GPU and a torch built for it", file=sys.stderr)
        return 2
    device = torch.cuda.get_device_name()
    with arguments.output.open("w", newline="") as file, torch.inference_mode():
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in rows():
            measured = time_us(row)
            writer.writerow({"device": device, **row.cells, "measured_us": round(measured, 3)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
