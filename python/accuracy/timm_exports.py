"""Exports the models of a table of timm measurements, without weights.

    python -m accuracy.timm_exports pairs.csv exports/ --per-family 6

Of each family (the module of timm that defines the model) it takes models of evenly spread sizes, always the same ones.
A model is built on the meta device where it can be, else with random weights, and written as FX JSON, which is quick;
one that cannot be traced so becomes a `.pt2` file. The batch is fixed: the one of the measurement, at most
`LARGEST_BATCH`. `index.csv` in the folder says what became of every model; what is listed there is not exported again.
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
from fusewright.fx import export_model, write_json
from fusewright.fx_shapes import InputShape
from timm.models import is_model, model_entrypoint
from timm.utils import reparameterize_model
from torch import nn
from torch.export import ExportedProgram

from accuracy.export_index import Export, exports

LARGEST_BATCH = 256
"""Above it, a time per image no longer depends on the batch."""

KEPT = ("archive_format", "archive_version", "byteorder", "version")
"""Entries of an archive that are no documents and still needed."""

TIME_LIMIT_S = 240
"""For one model."""

PLAIN = re.compile(r"(vit|deit)_(tiny|small|base|large|huge)_patch\d+_\d+")
"""Names of plain vision transformers: all of these are taken."""


FOLDING = ("fuse", "reparameterize", "switch_to_deploy")
"""Methods of modules whose parallel branches can be folded into one."""


@dataclass(frozen=True)
class Measured:
    """A model at a size of its images, with its multiply-accumulates in 1e9 and the batch of its export."""

    model: str
    img: int
    gmacs: float
    batch: int


class TookTooLong(Exception):
    """An export did not come to an end."""


def measured(path: Path) -> list[Measured]:
    """The different models of a table, by name and size."""
    rows: dict[tuple[str, int], Measured] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            key = (row["model"], int(row["img"]))
            batch = min(int(row["batch"]), LARGEST_BATCH)
            if key not in rows or batch < rows[key].batch:
                rows[key] = Measured(*key, float(row["gmacs"]), batch)
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


def build(row: Measured, devices: tuple[str, ...] = ("meta", "cpu")) -> nn.Module:
    """The model, for images of the size of the row, on the first device where it can be built."""
    attempts: list[dict[str, int]] = [{"img_size": row.img}, {}]
    problem: Exception | None = None
    for device in devices:
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


def export(model: nn.Module, row: Measured, path: Path) -> Path:
    """Writes the model beside `path`, with the ending of the form that it could be written in."""
    size = (row.batch, 3, row.img, row.img)
    with torch.no_grad():
        try:
            document = export_model(model, [InputShape(size, torch.float32)], row.model)
        except TookTooLong:
            raise
        except Exception:  # noqa: BLE001 - what cannot be traced raises anything
            images = torch.empty(size, device=next(model.parameters()).device)
            program = torch.export.export(model, (images,), strict=False)
            path = path.with_name(path.name + ".pt2")
            path.write_bytes(without_weights(program))
        else:
            path = path.with_name(path.name + ".fx.json.gz")
            write_json(document, path, overwrite=True)
    return path


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


def export_row(row: Measured, folder: Path) -> list[Export]:
    """Exports one model and says what became of it.

    A model whose parallel branches can be folded into one, as some are before they are timed, is exported both ways.
    """
    found = []
    problem, name, size = "", "", 0.0
    try:
        with time_limit(TIME_LIMIT_S), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = build(row)
            size = mega_params(model)
            name = export(model, row, folder / f"{row.model}.{row.img}").name
            if any(hasattr(module, name) for module in model.modules() for name in FOLDING):
                # Folding computes with the weights, so they have to be there.
                folded = reparameterize_model(build(row, ("cpu",)))
                path = export(folded, row, folder / f"{row.model}.{row.img}.folded")
                found.append((path.name, mega_params(folded), ""))
    except Exception as error:  # noqa: BLE001 - the reason goes into the index
        first = str(error).strip().splitlines() or [""]
        problem = f"{type(error).__name__}: {first[0][:160]}"
    found.insert(0, (name, size, "" if name else problem))
    family = family_of(row.model)
    return [Export(row.model, row.img, family, name, row.batch, *rest) for name, *rest in found]


def mega_params(model: nn.Module) -> float:
    """Parameters in 1e6."""
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "pairs", type=Path, help="table with the columns model, img, batch and gmacs"
    )
    parser.add_argument("folder", type=Path, help="where the exports go")
    parser.add_argument("--without", type=Path, help="a folder of exports to leave out")
    parser.add_argument("--per-family", type=int, default=6)
    parser.add_argument("--largest", type=float, default=60.0, help="GMAC of the largest model")
    arguments = parser.parse_args()
    logging.disable(logging.ERROR)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    index = arguments.folder / "index.csv"
    done = set()
    if index.exists():
        done = {(export.model, export.img) for export in exports(arguments.folder)}
    else:
        with index.open("w", newline="") as file:
            csv.writer(file).writerow([field.name for field in fields(Export)])
    rows = measured(arguments.pairs)
    if arguments.without:
        known = {export.model for export in exports(arguments.without)}
        rows = [row for row in rows if row.model not in known]
    rows = chosen(rows, arguments.per_family, arguments.largest)
    for row in rows:
        if (row.model, row.img) in done:
            continue
        results = export_row(row, arguments.folder)
        with index.open("a", newline="") as file:
            csv.writer(file).writerows(asdict(result).values() for result in results)
        print(row.model, row.img, results[0].problem or "ok", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
