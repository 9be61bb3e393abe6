"""Asks the ``fusewright`` binary for its figures."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIME_LIMIT_S = 300


class Refused(Exception):
    """The binary gave no plan; the message is what it said."""


@dataclass(frozen=True)
class Figures:
    """What a plan says of a model."""

    parameters: int
    contraction: int
    attentions: int
    merges: int
    uncounted: tuple[str, ...]
    missed: int


def plan(binary: Path, file: Path, *arguments: str) -> Figures:
    """The figures of the plan of a file."""
    command = [str(binary), "plan", str(file), "--format", "json", *arguments]
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Refused(f"no answer after {TIME_LIMIT_S} s") from error
    if run.returncode != 0:
        said = " ".join(run.stderr.replace(str(file), file.name).split())
        raise Refused(f"exit code {run.returncode}: {said}")
    return figures(json.loads(run.stdout))


def figures(report: dict[str, Any]) -> Figures:
    """Reads them off the JSON report."""
    attention = next(each for each in report["strategies"] if each["name"] == "attention")
    return Figures(
        parameters=report["model"]["parameters"],
        contraction=report["flops"]["contraction"],
        attentions=report["attention"]["found"],
        merges=attention["parallel_merges"],
        uncounted=tuple(each["name"] for each in report["model"]["uncounted_ops"]),
        missed=len(report["attention"]["missed"]),
    )
