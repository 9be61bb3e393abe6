"""Compares fusewright's counts with those that torchvision publishes for its weights.

    python -m agreement.torchvision_counts counts.csv

``counts.csv`` has the columns ``arch``, ``weights``, ``file``, ``crop``, ``params`` and ``gmacs``, as in the metadata of
torchvision's weights (which calls multiply-accumulates "ops"). No weights are loaded. A row agrees if the parameters
are equal and the multiply-accumulates are equal to the printed digit.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torchvision.models import get_model

from agreement.binary import Refused, plan
from fusewright.fx import export_model, write_json

SEGMENTATION_SIZE = 520
FLOW_SIZE = (512, 512)
FRAMES = 16
"""Of a clip, as video models are measured."""


@dataclass(frozen=True)
class Row:
    """A model of torchvision with its published counts."""

    arch: str
    file: str
    crop: int
    params: int
    gmacs: float


@dataclass(frozen=True)
class Found:
    """What fusewright counts."""

    params: int
    macs: int

    def agrees(self, row: Row) -> bool:
        """Equal parameters, and multiply-accumulates equal to the three published decimals."""
        return self.params == row.params and round(self.macs / 1e9, 3) == row.gmacs


def rows(path: Path) -> list[Row]:
    """The rows of a table."""
    with path.open(newline="") as file:
        return [
            Row(
                each["arch"],
                each["file"],
                int(each["crop"] or 0),
                int(each["params"]),
                float(each["gmacs"]),
            )
            for each in csv.DictReader(file)
        ]


def build(row: Row) -> tuple[nn.Module, list[tuple[int, ...]]]:
    """The model as its published weights are loaded into it, and the shapes of its inputs."""
    name = row.arch.lower()
    settings: dict[str, object] = {"weights": None}
    shapes: list[tuple[int, ...]] = [(1, 3, row.crop, row.crop)]
    if row.file.startswith("segmentation/"):
        settings |= {"weights_backbone": None, "num_classes": 21}
        if not name.startswith("lraspp"):
            settings["aux_loss"] = True
        shapes = [(1, 3, SEGMENTATION_SIZE, SEGMENTATION_SIZE)]
    elif row.file.startswith("detection/"):
        settings["weights_backbone"] = None
        shapes = [(1, 3, 800, 800)]
    elif row.file.startswith("video/"):
        shapes = [(1, 3, FRAMES, row.crop, row.crop)]
    elif row.file.startswith("optical_flow/"):
        shapes = [(1, 3, *FLOW_SIZE)] * 2
    elif name == "googlenet":
        settings |= {"aux_logits": False, "init_weights": False}
    elif name == "inception_v3":
        settings["init_weights"] = False
    return get_model(name, **settings).eval(), shapes


def counted(row: Row, binary: Path, folder: Path) -> Found:
    """Exports the model of a row and counts it."""
    torch.manual_seed(0)
    model, shapes = build(row)
    path = folder / f"{row.arch}.fx.json.gz"
    write_json(export_model(model, shapes, row.arch), path, overwrite=True)
    figures = plan(binary, path)
    if figures.uncounted:
        # Functions that torch.fx was told to wrap cannot be seen into; torch.export opens them.
        path = folder / f"{row.arch}.pt2"
        inputs = tuple(torch.zeros(shape) for shape in shapes)
        torch.export.save(torch.export.export(model, inputs), path)
        figures = plan(binary, path)
    return Found(figures.parameters, figures.contraction // 2)


def main(arguments: list[str] | None = None) -> int:
    """Prints a line for each row and the sum of them; 1 if a row that loads does not agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path, help="CSV of published counts")
    parser.add_argument("--binary", type=Path, default=Path("target/release/fusewright"))
    options = parser.parse_args(arguments)
    agree, differ, unread = 0, 0, 0
    # Several weights of one model have the same counts.
    known: dict[Row, Found | str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(options.table):
            if row not in known:
                known[row] = attempt(row, options.binary, Path(folder))
            found = known[row]
            if isinstance(found, str):
                unread += 1
                print(f"{row.arch}: not read: {found}")
            elif found.agrees(row):
                agree += 1
                print(f"{row.arch}: agrees, {found.params} parameters, {found.macs} MAC")
            else:
                differ += 1
                print(
                    f"{row.arch}: differs: {found.params} parameters for {row.params}, "
                    f"{found.macs / 1e9:.4f} GMAC for {row.gmacs}"
                )
            sys.stdout.flush()
    print(f"{agree} agree, {differ} differ, {unread} not read")
    return int(differ > 0)


def attempt(row: Row, binary: Path, folder: Path) -> Found | str:
    """What is counted, or why nothing is."""
    try:
        return counted(row, binary, folder)
    except Refused as error:
        return f"fusewright says: {error}"
    except Exception as error:  # noqa: BLE001
        # The exporter runs code of models, which may fail in any way.
        return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


if __name__ == "__main__":
    sys.exit(main())
