"""``python3 -m execution.speed``: fusewright, ONNX Runtime and PyTorch on this processor, in turns.

    cd python && python3 -m execution.speed vit_b_16 bert-base

Each round lets every engine run a few times on the same exported file and inputs; the table has the
median over all rounds. Threads are as many as the machine has cores, for all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from agreement.exports import Exporter, export
from agreement.models import chosen
from execution.__main__ import ROOT
from execution.agreement import arguments

RUNS = 3
"""Of each engine in a round."""


def timed(run: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def fusewright(binary: Path, file: Path, inputs: Path, strategies: list[str]) -> dict[str, float]:
    """Median milliseconds of eager and of each plan, and the largest difference between them."""
    command = [str(binary), "run", str(file), "--inputs", str(inputs), "--runs", str(RUNS), "-q"]
    command += ["--format", "json"]
    for strategy in strategies:
        command += ["--strategy", strategy]
    made = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {each["name"]: each["median_us"] / 1e3 for each in made["strategies"]}


def main() -> int:
    parser = argparse.ArgumentParser(prog="execution.speed", description=__doc__)
    parser.add_argument("names", nargs="+", help="models")
    parser.add_argument("--size", default="full", help="tiny, short or full")
    parser.add_argument("--rounds", type=int, default=4, help="rounds")
    parser.add_argument("--strategy", action="append", help="plans [default: attention, optimal]")
    parser.add_argument("--binary", type=Path, default=ROOT / "target" / "release" / "fusewright")
    options = parser.parse_args()
    strategies = options.strategy or ["attention", "optimal"]
    torch.set_num_threads(os.cpu_count() or 1)
    print("| model | engine | median ms | of ONNX Runtime |\n|---|---|---|---|")
    for model in chosen(options.names, ""):
        with tempfile.TemporaryDirectory() as folder:
            # Full models are exported with weights here, unlike in the comparison of figures.
            exporter = Exporter(model, options.size)
            exporter.device = "cpu"
            file = Path(folder) / "model.onnx"
            export(exporter, "onnx-20", file)
            given = arguments(model, options.size)
            values = [value.numpy() for value in given.values()]
            times: dict[str, list[float]] = {}
            import onnxruntime

            settings = onnxruntime.SessionOptions()
            settings.log_severity_level = 4
            settings.intra_op_num_threads = os.cpu_count() or 1
            session = onnxruntime.InferenceSession(
                str(file), settings, providers=["CPUExecutionProvider"]
            )
            names = [each.name for each in session.get_inputs()]
            feed = dict(zip(names, values, strict=False))
            archive = Path(folder) / "in.npz"
            np.savez(archive, **feed)
            module = exporter.module
            with torch.no_grad():
                session.run(None, feed)
                module(**given)
                for _ in range(options.rounds):
                    for name, ms in fusewright(options.binary, file, archive, strategies).items():
                        times.setdefault(f"fusewright {name}", []).append(ms)
                    for _ in range(RUNS):
                        times.setdefault("PyTorch eager", []).append(timed(lambda: module(**given)))
                    for _ in range(RUNS):
                        times.setdefault("ONNX Runtime", []).append(
                            timed(lambda: session.run(None, feed))
                        )
        base = statistics.median(times["ONNX Runtime"])
        for engine, found in times.items():
            median = statistics.median(found)
            print(f"| {model.name} | {engine} | {median:.1f} | {median / base:.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
