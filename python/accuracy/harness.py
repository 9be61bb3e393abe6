"""Asks the binary for the times of kernels: one table of kernels for each device."""

from __future__ import annotations

import csv
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from accuracy.cases import Case

# As `fusewright hw predict` reads them, and one that passes through it.
COLUMNS = [
    *("case", "op", "dtype", "m", "n", "k", "batch"),
    *("b", "h", "h_kv", "s_q", "s_kv", "d", "causal"),
    *("rows", "cols", "reads", "writes"),
]


def predictions(binary: Path, cases: Sequence[Case]) -> list[list[float]]:
    """Predicted µs of each kernel of each case."""
    found: list[list[float]] = [[] for _ in cases]
    for device in sorted({case.device for case in cases}):
        with tempfile.TemporaryDirectory(prefix="accuracy-") as folder:
            table, result = Path(folder) / "in.csv", Path(folder) / "out.csv"
            with table.open("w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, restval="")
                writer.writeheader()
                for index, case in enumerate(cases):
                    if case.device == device:
                        writer.writerows(kernel | {"case": index} for kernel in case.kernels)
            command = [binary, "hw", "predict", "--hw", device, "--csv", table, "-o", result]
            subprocess.run(command, check=True)
            with result.open(newline="") as file:
                for row in csv.DictReader(file):
                    found[int(row["case"])].append(float(row["predicted_us"]))
    return found
