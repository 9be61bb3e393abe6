"""Holds predictions against what this project measured on a GPU: a part of ``docs/accuracy.md``.

    python -m accuracy.gpu --hw h100-sxm accuracy/measured/h100-sxm --page ../docs/accuracy.md

The folder holds `kernels.csv`, written by `accuracy.time_kernels`, and `models.csv`, by `accuracy.time_models`, on that
GPU. Of the kernels, passes element by element and attention took part in the fit, half of them. Models are exported anew,
without weights, and planned by the binary.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import torch

from accuracy.page import replaced
from accuracy.scores import errors
from accuracy.split import held_out
from accuracy.time_models import example, variant_of

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Pass:
    """A pass of a model: what was measured and what is predicted, µs."""

    model: str
    batch: int
    variant: str
    wall: float
    replayed: float
    predicted: float
    host: float

    @property
    def predicted_wall(self) -> float:
        """The kernels and what the host adds to them."""
        return self.predicted + self.host


def fitted(row: dict[str, str]) -> bool:
    """Whether coefficients were fitted to the row."""
    sizes = {"pointwise": ("rows", "cols"), "attention": ("b", "h", "h_kv", "s_q", "s_kv", "d")}
    names = sizes.get(row["op"])
    return names is not None and not held_out(*(int(row[name]) for name in names))


def norms_of_models(table: Path) -> Iterator[dict[str, str]]:
    """Layer norms in a table of launched operators that were left out of the fit; autocast runs them in single precision."""
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["op"] != "aten::native_layer_norm":
                continue
            *outer, cols = json.loads(row["shapes"])[0]
            rows = prod(outer)
            if held_out(rows, cols):
                yield {
                    "op": "layernorm",
                    "dtype": "f32",
                    "rows": str(rows),
                    "cols": str(cols),
                    "kernel": "layer_norm in models",
                    "measured_us": str(float(row["total_us"]) / int(row["count"])),
                }


def kernels(binary: Path, hw: str, measured: Path) -> Iterator[str]:
    """Lines of the table of kernels."""
    with (measured / "kernels.csv").open(newline="") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        left_out = [row for row in reader if not fitted(row)]
    left_out.extend(norms_of_models(measured / "timm-ops.csv"))
    with tempfile.TemporaryDirectory(prefix="accuracy-") as folder:
        table, result = Path(folder) / "in.csv", Path(folder) / "out.csv"
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(left_out)
        command = [binary, "hw", "predict", "--hw", hw, "--csv", table, "-o", result]
        subprocess.run(command, check=True)
        with result.open(newline="") as file:
            rows = list(csv.DictReader(file))
    yield "| kernel | dtype | rows | mean | median | within 20 % | rank | predicted / measured |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|"
    for kernel, dtype in dict.fromkeys((row["kernel"], row["dtype"]) for row in rows):
        found = [row for row in rows if (row["kernel"], row["dtype"]) == (kernel, dtype)]
        predicted, measured = (
            np.array([float(row[name]) for row in found])
            for name in ("predicted_us", "measured_us")
        )
        e = errors(predicted, measured)
        yield (
            f"| {kernel} | {dtype} | {e.rows} | {e.mean:.1%} | {e.median:.1%} | {e.within_fifth:.0%} "
            f"| {e.rank:.3f} | {np.median(predicted / measured):.2f} |"
        ).replace("%", " %")


def planned(binary: Path, hw: str, row: dict[str, str]) -> tuple[float, float]:
    """Predicted time of a pass and, of that, what the host adds; µs."""
    dtype, batch, name = getattr(torch, row["dtype"]), int(row["batch"]), row["model"]
    strategy = "compiled" if row["variant"] == "compiled" else "eager"
    model = variant_of(name, row["variant"], dtype, "meta")
    with tempfile.TemporaryDirectory(prefix="accuracy-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.pt2"
        inputs = (example(name, batch, dtype, "meta"),)
        with torch.no_grad():
            torch.export.save(torch.export.export(model, inputs, strict=False), path)
        command = [binary, "plan", path, "--hw", hw, "--strategy", strategy, "--format", "json"]
        found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    plan = next(each for each in found["strategies"] if each["name"] == strategy)
    return plan["latency_us"]["mid"], plan["times"]["framework_overhead_us"]


def passes(binary: Path, hw: str, table: Path) -> list[Pass]:
    """All rows of the table of models."""
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        Pass(
            row["model"],
            int(row["batch"]),
            row["variant"],
            float(row["median_us"]),
            float(row["graph_us"] or "nan"),
            *planned(binary, hw, row),
        )
        for row in rows
    ]


def models(found: list[Pass]) -> Iterator[str]:
    """Lines of the table of models."""
    yield "| model | batch | variant | replayed: µs | predicted | launched by the host: µs | predicted |"
    yield "|---|--:|---|--:|--:|--:|--:|"
    for each in found:
        wall, replayed = each.predicted_wall / each.wall - 1, each.predicted / each.replayed - 1
        yield (
            f"| {each.model} | {each.batch} | {each.variant} | {each.replayed:.0f} "
            f"| {each.predicted:.0f} ({replayed:+.0%}) | {each.wall:.0f} "
            f"| {each.predicted_wall:.0f} ({wall:+.0%}) |"
        ).replace("%", " %")


def gains(found: list[Pass]) -> Iterator[str]:
    """Lines of the table of ratios to the eager pass, replayed."""
    yield "| model | batch | variant | eager over it: measured | predicted |"
    yield "|---|--:|---|--:|--:|"
    for each in found:
        base = next(
            p for p in found if (p.model, p.batch, p.variant) == (each.model, each.batch, "eager")
        )
        if each.variant != "eager":
            measured = base.replayed / each.replayed
            predicted = base.predicted / each.predicted
            yield (
                f"| {each.model} | {each.batch} | {each.variant} | {measured:.3f} | {predicted:.3f} |"
            )


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("measured", type=Path, help="folder of kernels.csv and models.csv")
    parser.add_argument("--hw", required=True, help="the device that they were measured on")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/fusewright")
    parser.add_argument("--page", type=Path, help="write the part into it, e.g. accuracy.md")
    options = parser.parse_args()
    if not options.binary.is_file():
        print(f"error: {options.binary} is not there; build it or name one", file=sys.stderr)
        return 2
    binary = options.binary.resolve()
    found = passes(binary, options.hw, options.measured / "models.csv")
    text = (
        Path(__file__)
        .with_name("gpu.md")
        .read_text()
        .format(
            kernels="\n".join(kernels(binary, options.hw, options.measured)),
            models="\n".join(models(found)),
            gains="\n".join(gains(found)),
        )
    )
    if options.page:
        options.page.write_text(replaced(options.page, "measured here", text))
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
