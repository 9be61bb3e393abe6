"""The measured tables as cases: kernels to predict, and the time that they took."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from accuracy.split import held_out

DEVICES = {
    "h100_sxm": "h100-sxm",
    "a100_sxm": "a100-sxm-80",
    "a100_pcie_80": "a100-pcie-80",
    "a100_pcie_40": "a100-pcie-40",
    "v100_pcie": "v100-pcie",
}

# Copies of operands and result around the products of unfused attention, as in the fit.
LAYOUT_COPIES = 6

Kernel = dict[str, object]


@dataclass(frozen=True)
class Case:
    """Kernels that ran one after the other, and how long that took."""

    table: str
    device: str
    kernels: tuple[Kernel, ...]
    us: float
    held_out: bool
    eager: bool = False
    note: tuple[float, ...] = ()


def read(data: Path) -> list[Case]:
    """All cases of the folder."""
    readers = (
        ("aic_gemm.csv", _gemm),
        ("aic_attention.csv", _attention),
        ("neusight_ops.csv", _operator),
        ("flash_attention_h100.csv", _unfused),
        ("aic_merge.csv", _merge),
    )
    return [case for name, reader in readers for row in _rows(data / name) for case in reader(row)]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="") as file:
        yield from csv.DictReader(file)


def _product(dtype: str, m: int, n: int, k: int, batch: int = 1) -> Kernel:
    return {"op": "gemm", "dtype": dtype, "m": m, "n": n, "k": k, "batch": batch}


def _pass(op: str, dtype: str, rows: int, cols: int, reads: int = 1) -> Kernel:
    return {"op": op, "dtype": dtype, "rows": rows, "cols": cols, "reads": reads, "writes": 1}


def _gemm(row: dict[str, str]) -> Iterator[Case]:
    m, n, k = (int(row[name]) for name in "mnk")
    device, us = DEVICES[row["device"]], float(row["latency_us"])
    jump = row["subset"] == "jump"
    table = "jump" if jump else f"GEMM {row['dtype']}"
    kernel = _product(row["dtype"], m, n, k)
    yield Case(table, device, (kernel,), us, jump or held_out(m, n, k), note=(m, n, k))


def _attention(row: dict[str, str]) -> Iterator[Case]:
    names = ("batch", "seq", "heads", "kv_heads", "head_dim")
    batch, seq, heads, kv_heads, width = (int(row[name]) for name in names)
    causal = int(row["causal"])
    kernel: Kernel = {"op": "attention", "dtype": row["dtype"], "b": batch, "h": heads}
    kernel |= {"h_kv": kv_heads, "s_q": seq, "s_kv": seq, "d": width, "causal": causal}
    table = "streaming attention, causal" if causal else "streaming attention, full"
    out = held_out(batch, seq, heads, kv_heads, width)
    yield Case(table, DEVICES[row["device"]], (kernel,), float(row["latency_us"]), out)


def _operator(row: dict[str, str]) -> Iterator[Case]:
    op, device, us = row["op"], DEVICES[row["device"]], float(row["latency_us"])
    if op in ("linear", "bmm"):
        batch, m, n, k = (int(row[name]) for name in ("batch", "m", "n", "k"))
        if op == "linear":
            batch, m = 1, batch * m
        out = held_out(batch, m, n, k)
        yield Case(f"{op} f32", device, (_product("f32", m, n, k, batch),), us, out, eager=True)
        return
    rows, cols = int(row["rows"]), int(row["cols"])
    name = {"softmax": "softmax", "ln": "layernorm"}.get(op, "pointwise")
    reads = 2 if op in ("add", "mul", "div", "pow") else 1
    table = {"pointwise": "elementwise f32"}.get(name, f"{name} f32")
    kernel = _pass(name, "f32", rows, cols, reads)
    yield Case(table, device, (kernel,), us, held_out(rows, cols), eager=True)


def _unfused(row: dict[str, str]) -> Iterator[Case]:
    if not row["unfused_tflops"]:
        return
    batch, seq, heads, width = (int(row[name]) for name in ("batch", "seq", "heads", "head_dim"))
    causal, count = row["causal"] == "1", batch * heads
    kernels = [
        _product("f16", seq, seq, width, count),
        _pass("softmax", "f16", count * seq, seq),
        _product("f16", seq, width, seq, count),
    ]
    kernels += [_pass("pointwise", "f16", count * seq, width)] * LAYOUT_COPIES
    if causal:
        # Scaled, then read again with the mask, which is stored.
        kernels += [_pass("pointwise", "f16", count * seq, seq, reads) for reads in (1, 2)]
    flops = 4 * count * seq * seq * width / (2 if causal else 1)
    us = flops / float(row["unfused_tflops"]) * 1e-6
    table = "unfused attention, causal" if causal else "unfused attention, full"
    yield Case(table, "h100-sxm", tuple(kernels), us, held_out(batch, seq, heads, width))


def _merge(row: dict[str, str]) -> Iterator[Case]:
    device, dtype = DEVICES[row["device"]], row["dtype"]
    count, m, n, k = (int(row[name]) for name in ("mult", "m", "n", "k"))
    table = f"merge {count} to 1"
    # A pair of shapes was seen by the fit if either of the two was.
    out = held_out(m, n, k) and held_out(m, count * n, k)
    note = (float(row["single_us"]), float(row["merged_us"]), m)
    pair = (_product(dtype, m, n, k), _product(dtype, m, count * n, k))
    yield Case(table, device, pair, float(row["merged_us"]), out, note=(count, *note))
