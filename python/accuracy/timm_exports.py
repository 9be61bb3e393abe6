"""Exports the models of a table of timm measurements as `.pt2` files without weights.

    python -m accuracy.timm_exports pairs.csv exports/ --per-family 6

Of each family (the module of timm that defines the model) it takes models of evenly spread sizes, always the same ones.
A model is built on the meta device where it can be, else with random weights. The batch is a dim named `batch` that
fusewright binds; a model that fixes it is exported with a batch of `FIXED_BATCH`. `index.csv` in the folder says what
became of every model; what is listed there is not exported again.
"""

from __future__ import annotations

import argparse
import csv
import io
import logging
import re
import signal
import sys
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import timm
import torch
from timm.models import is_model, model_entrypoint
from torch import nn
from torch.export import Dim, ExportedProgram

FIXED_BATCH = 2
"""Batch of an export that cannot leave it open."""

KEPT = ("archive_format", "archive_version", "byteorder", "version")
"""Entries of an archive that are no documents and still needed."""

TIME_LIMIT_S = 240
"""For one model."""

PLAIN = re.compile(r"(vit|deit)_(tiny|small|base|large|huge)_patch\d+_\d+")
"""Names of plain vision transformers: all of these are taken."""


@dataclass(frozen=True)
class Measured:
    """A model at a size of its images, with its multiply-accumulates in 1e9."""

    model: str
    img: int
    gmacs: float


@dataclass(frozen=True)
class Exported:
    """A row of `index.csv`; `batch` is empty where the dim is open, `problem` where there is none."""

    model: str
    img: int
    family: str
    file: str
    batch: str
    problem: str


class TookTooLong(Exception):
    """An export did not come to an end."""


def measured(path: Path) -> list[Measured]:
    """The different models of a table, by name and size."""
    with path.open(newline="") as file:
        rows = {
            (row["model"], int(row["img"])): Measured(
                row["model"], int(row["img"]), float(row["gmacs"])
            )
            for row in csv.DictReader(file)
        }
    return [rows[key] for key in sorted(rows)]


def family_of(model: str) -> str:
    """The module of timm that defines a model."""
    return model_entrypoint(model).__module__.rsplit(".", 1)[-1]


def chosen(rows: list[Measured], per_family: int, largest: float) -> list[Measured]:
    """Up to `per_family` models of each family, spread evenly over their sizes, and all plain transformers.

    Models of more than `largest` GMAC are left out: they take long to export and say nothing that smaller ones do not.
    The order is by turns: one model of each family, then the plain transformers, then the next of each family.
    """
    families: dict[str, list[Measured]] = {}
    for row in rows:
        if is_model(row.model):
            families.setdefault(family_of(row.model), []).append(row)
    rounds: list[tuple[int, Measured]] = [(1, row) for row in rows if PLAIN.fullmatch(row.model)]
    for family in sorted(families):
        members = [row for row in families[family] if row.gmacs <= largest] or families[family][:1]
        members.sort(key=lambda row: (row.gmacs, row.model, row.img))
        last = len(members) - 1
        count = min(per_family, len(members))
        places = sorted({round(at * last / max(count - 1, 1)) for at in range(count)})
        # From the middle outward, so that an index that is not complete yet has all families.
        places.sort(key=lambda place: abs(2 * place - last))
        rounds += [(turn, members[place]) for turn, place in enumerate(places)]
    rounds.sort(key=lambda entry: (entry[0], entry[1].model, entry[1].img))
    return list(dict.fromkeys(row for _, row in rounds))


def build(row: Measured) -> nn.Module:
    """The model, for images of the size of the row."""
    attempts: list[dict[str, int]] = [{"img_size": row.img}, {}]
    problem: Exception | None = None
    for device in ("meta", "cpu"):
        for arguments in attempts:
            try:
                with torch.device(device):
                    model = timm.create_model(row.model, pretrained=False, **arguments)
                return model.eval()
            except TookTooLong:
                raise
            except Exception as error:  # noqa: BLE001 - models refuse in many ways
                problem = error
    raise problem or RuntimeError("not reached")


def export(model: nn.Module, img: int) -> tuple[ExportedProgram, str]:
    """The exported program, and its batch where that had to be fixed."""
    device = next(model.parameters()).device
    images = torch.empty(FIXED_BATCH, 3, img, img, device=device)
    with torch.no_grad():
        try:
            shapes = ({0: Dim("batch", min=1, max=4096)},)
            return torch.export.export(model, (images,), dynamic_shapes=shapes, strict=False), ""
        except TookTooLong:
            raise
        except Exception:  # noqa: BLE001 - exporters raise anything
            program = torch.export.export(model, (images,), strict=False)
            return program, str(FIXED_BATCH)


def without_weights(program: ExportedProgram) -> bytes:
    """The archive of a program, without weights, sample inputs and stack traces."""
    for node in program.graph.nodes:
        for key in ("stack_trace", "from_node"):
            node.meta.pop(key, None)
    whole, packed = io.BytesIO(), io.BytesIO()
    torch.export.save(program, whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(packed, "w") as target:
        for name in source.namelist():
            last, data = name.rsplit("/", 1)[-1], source.read(name)
            if data and not last.endswith(".json") and last not in KEPT:
                continue
            target.writestr(name, data, zipfile.ZIP_DEFLATED, 6)
    return packed.getvalue()


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Ends what runs inside after so many seconds."""

    def ring(*_: object) -> None:
        raise TookTooLong(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def export_row(row: Measured, folder: Path) -> Exported:
    """Exports one model and says what became of it."""
    name = f"{row.model}.{row.img}.pt2"
    problem, batch = "", ""
    try:
        with time_limit(TIME_LIMIT_S), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program, batch = export(build(row), row.img)
            (folder / name).write_bytes(without_weights(program))
    except Exception as error:  # noqa: BLE001 - the reason goes into the index
        first = str(error).strip().splitlines() or [""]
        problem = f"{type(error).__name__}: {first[0][:160]}"
    return Exported(row.model, row.img, family_of(row.model), name, batch, problem)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path, help="table with the columns model, img and gmacs")
    parser.add_argument("folder", type=Path, help="where the exports go")
    parser.add_argument("--per-family", type=int, default=6)
    parser.add_argument("--largest", type=float, default=60.0, help="GMAC of the largest model")
    arguments = parser.parse_args()
    logging.disable(logging.ERROR)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    index = arguments.folder / "index.csv"
    done = set()
    if index.exists():
        with index.open(newline="") as file:
            done = {(row["model"], int(row["img"])) for row in csv.DictReader(file)}
    else:
        with index.open("w", newline="") as file:
            csv.writer(file).writerow([field.name for field in fields(Exported)])
    rows = chosen(measured(arguments.pairs), arguments.per_family, arguments.largest)
    for row in rows:
        if (row.model, row.img) in done:
            continue
        result = export_row(row, arguments.folder)
        with index.open("a", newline="") as file:
            csv.writer(file).writerow(asdict(result).values())
        print(row.model, row.img, result.problem or "ok", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
