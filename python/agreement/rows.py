"""One model through all forms: a row of the table, kept in files so that a run can go on."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agreement.binary import Figures, Refused, plan
from agreement.comparison import Difference, Program, differences
from agreement.counting import Reference, count
from agreement.exports import FORMS, Exporter, export
from agreement.model import Model, NotOffered


@dataclass(frozen=True)
class Cell:
    """What became of one form.

    ``stage`` is ``read`` with what was found, ``refused`` by fusewright, ``not exported`` or
    ``not offered``, the last three with words why. ``change`` is what ``export`` had to change.
    """

    stage: str
    differences: tuple[Difference, ...] = ()
    uncounted: tuple[str, ...] = ()
    words: str = ""
    change: str | None = None

    @property
    def verdict(self) -> str:
        """``equal``, ``explained`` or ``different`` for what was read, else the stage."""
        if self.stage != "read":
            return self.stage
        if not self.differences:
            return "equal"
        return "explained" if all(each.reason for each in self.differences) else "different"


@dataclass(frozen=True)
class Row:
    """A model with its reference and its cells by form."""

    model: Model
    size: str
    reference: Reference
    cells: dict[str, Cell]


def row(model: Model, size: str, forms: list[str], binary: Path, folder: Path) -> Row:
    """Exports what is not in the folder yet and asks the binary about each file."""
    folder.mkdir(parents=True, exist_ok=True)
    exporter = Exporter(model, size)
    reference = _remembered(folder / "reference.json", lambda: count(model, size).as_json())
    cells = {form: _cell(exporter, form, Reference(**reference), binary, folder) for form in forms}
    return Row(model, size, Reference(**reference), cells)


def _remembered(path: Path, make: Any) -> Any:
    if path.exists():
        return json.loads(path.read_text())
    made = make()
    path.write_text(json.dumps(made) + "\n")
    return made


def _cell(exporter: Exporter, form: str, reference: Reference, binary: Path, folder: Path) -> Cell:
    file = folder / FORMS[form][0]
    outcome = _remembered(folder / f"{form}.outcome.json", lambda: _exported(exporter, form, file))
    if outcome["stage"] != "exported":
        return Cell(outcome["stage"], words=outcome["words"])
    try:
        figures = plan(binary, file, *_sizes(exporter, form))
    except Refused as error:
        return Cell("refused", words=str(error), change=outcome["change"])
    return _read(exporter, form, reference, figures, outcome["change"], folder)


def _sizes(exporter: Exporter, form: str) -> list[str]:
    """Sizes that a configuration leaves open."""
    if form != "config":
        return []
    names = {"input_ids": "seq", "decoder_input_ids": "target_seq"}
    inputs = exporter.model.inputs(exporter.size)
    named = [(names.get(each.name), each.shape[-1]) for each in inputs]
    return [f"--dim={name}={size}" for name, size in named if name]


def _read(
    exporter: Exporter,
    form: str,
    reference: Reference,
    figures: Figures,
    change: str | None,
    folder: Path,
) -> Cell:
    found = differences(form, reference, Program(), figures)
    if any(each.quantity == "parameters" for each in found):
        unused = _remembered(folder / "unused.json", exporter.unused_parameters)
        lookups = _remembered(folder / "lookups.json", exporter.lookups)
        found = differences(form, reference, Program(unused, tuple(map(tuple, lookups))), figures)
    return Cell("read", found, figures.uncounted, change=change)


def _exported(exporter: Exporter, form: str, file: Path) -> dict[str, Any]:
    try:
        change = export(exporter, form, file)
    except NotOffered as error:
        return {"stage": "not offered", "words": str(error)}
    except Exception as error:  # noqa: BLE001 - exporters raise anything
        return {"stage": "not exported", "words": _words(error)}
    return {"stage": "exported", "change": change}


def _words(error: BaseException) -> str:
    """The first line of the innermost cause, without colours and places."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    first = text.splitlines()[0] if text else ""
    return f"{type(error).__name__}: {first[:160]}".rstrip(": ")
