"""The index of a folder of exported models: `index.csv`, written by `accuracy.timm_exports`."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Export:
    """A row, with the parameters of the export in 1e6; `problem` is empty where there is none."""

    model: str
    img: int
    family: str
    file: str
    batch: int
    mega_params: float
    problem: str


def exports(folder: Path) -> list[Export]:
    """The index of a folder."""
    with (folder / "index.csv").open(newline="") as file:
        return [
            Export(
                row["model"],
                int(row["img"]),
                row["family"],
                row["file"],
                int(row["batch"]),
                float(row["mega_params"]),
                row["problem"],
            )
            for row in csv.DictReader(file)
        ]
