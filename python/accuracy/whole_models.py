"""Holds predicted times of whole models against measured ones, and writes `docs/accuracy-models.md`.

    python -m accuracy.timm_exports pairs.csv exports/
    python -m accuracy.timm_exports pairs.csv unseen/ --without exports/ --per-family 1 --largest 30
    python -m accuracy.whole_models pairs.csv exports/ --unseen unseen/ -o ../docs/accuracy-models.md

Every model that was exported is planned twice as it runs under autocast to f16: one kernel for each op, and as a loop
compiler fuses it. The sum of the predicted kernel times of a plan, for one image, is held against the measured time for
one image. Families are shown in two halves that do not change when others are added; coefficients of whole models were
found while both were in view, so neither is a test on unseen models.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PLAIN = re.compile(r"(vit|deit)_(tiny|small|base|large|huge)_patch\d+_\d+")
"""Names of plain vision transformers."""

TIME_LIMIT_S = 120
"""For planning one model."""


@dataclass(frozen=True)
class Export:
    """An exported model: a row of the index that `timm_exports` writes."""

    model: str
    img: int
    family: str
    file: str
    batch: int
    mega_params: float
    problem: str


@dataclass(frozen=True)
class Row:
    """A model with measured and predicted times for one image, µs."""

    model: str
    family: str
    torch: str
    eager: float
    compiled: float
    predicted_eager: float
    predicted_compiled: float

    @property
    def speedup(self) -> float:
        """Measured time as it is over measured time compiled."""
        return self.eager / self.compiled

    @property
    def predicted_speedup(self) -> float:
        """The same, predicted."""
        return self.predicted_eager / self.predicted_compiled


@dataclass(frozen=True)
class Score:
    """How well predictions hold: speed-ups by mean error and rank, times by mean and median error in per cent."""

    rows: int
    speedup_mae: float
    rank: float
    eager_mape: float
    compiled_mape: float
    eager_median: float
    compiled_median: float


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


def predicted(
    binary: Path, hw: str, folder: Path, export: Export, fast_norms: bool
) -> tuple[float, float]:
    """Predicted µs for one image, as it is and compiled."""
    command = [str(binary), "plan", str(folder / export.file), "--hw", hw, "--autocast", "f16"]
    command += ["--strategy", "eager", "--strategy", "compiled", "--format", "json", "--quiet"]
    if fast_norms:
        command.append("--fast-norms")
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise RuntimeError(lines[0])
    strategies = {entry["name"]: entry for entry in json.loads(done.stdout)["strategies"]}
    eager, compiled = strategies["eager"], strategies["compiled"]
    overhead = eager["times"]["framework_overhead_us"]
    return (
        (eager["latency_us"]["mid"] + overhead) / export.batch,
        compiled["latency_us"]["mid"] / export.batch,
    )


def has_fast_norms(torch: str, family: str) -> bool:
    """Whether norms ran in f16.

    The measurements were taken with timm's fast norms. When those with PyTorch 2.4 were, vision transformers and what
    is made of their blocks still had norms of PyTorch's own.
    """
    return torch != "pt2.4" or family not in {"vision_transformer", "deit", "vitamin"}


def ranks(values: np.ndarray) -> np.ndarray:
    """Position of each value in order, ties sharing their mean position."""
    order = np.argsort(values, kind="stable")
    position = np.empty(len(values))
    position[order] = np.arange(len(values))
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.bincount(inverse, position) / counts)[inverse]


def score(rows: list[Row]) -> Score:
    """Figures of some rows; there must be at least one."""
    measured = np.array([row.speedup for row in rows])
    found = np.array([row.predicted_speedup for row in rows])
    eager = np.array([row.predicted_eager / row.eager - 1 for row in rows])
    compiled = np.array([row.predicted_compiled / row.compiled - 1 for row in rows])
    constant = len(rows) < 3 or np.ptp(measured) == 0 or np.ptp(found) == 0
    rank = float("nan") if constant else float(np.corrcoef(ranks(measured), ranks(found))[0, 1])
    return Score(
        len(rows),
        float(np.abs(measured - found).mean()),
        rank,
        100 * float(np.abs(eager).mean()),
        100 * float(np.abs(compiled).mean()),
        100 * float(np.median(np.abs(eager))),
        100 * float(np.median(np.abs(compiled))),
    )


def in_first_half(family: str) -> bool:
    """One of two halves, by a hash of the name."""
    return hashlib.sha256(family.encode()).digest()[0] % 2 == 0


def line(label: str, rows: list[Row]) -> str:
    """A line of a table."""
    found = score(rows)
    rank = "" if np.isnan(found.rank) else f"{found.rank:.2f}"
    cells = [
        label,
        str(found.rows),
        f"{found.speedup_mae:.3f}",
        rank,
        f"{found.eager_mape:.1f}, {found.eager_median:.1f}",
        f"{found.compiled_mape:.1f}, {found.compiled_median:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


HEAD = (
    "| {} | rows | speed-up: mean error | rank correlation "
    "| time as it is: mean, median error, % | compiled, % |\n|---|---|---|---|---|---|"
)


def page(rows: list[Row], unseen: list[Row], problems: list[tuple[str, str]], hw: str) -> str:
    """The page, as Markdown."""
    versions = sorted({row.torch for row in rows})
    parts: list[tuple[str, Callable[[Row], bool]]] = [
        ("all", lambda row: True),
        ("first half of the families", lambda row: in_first_half(row.family)),
        ("second half", lambda row: not in_first_half(row.family)),
        ("plain ViT and DeiT", lambda row: PLAIN.fullmatch(row.model) is not None),
    ]
    text = [
        "# Whole models: predicted against measured",
        "",
        f"Written by `python -m accuracy.whole_models`; do not edit. Device `{hw}`, autocast to f16, time for one image",
        "at a large batch; speed-up is the time as it is over the time compiled. Measured times: the benchmark tables of",
        "`huggingface/pytorch-image-models`. Predicted ones: sums over the kernels of the plans `eager` and `compiled`.",
        "Nothing here was measured by this project. Norms of timm run in f16, as its fast norms do, except those of plain",
        "vision transformers (and `vitamin`, made of them) under PyTorch 2.4, which were PyTorch's own then; models whose",
        "branches fold are folded under 2.9, as the numbers of parameters in the tables say. The coefficients of this card were found on sums over these",
        "models with both halves of the families in view: no half is a test on unseen models. The step of an",
        "interpolation was found on one family, `efficientformer_v2`; the slow kernel for windows above 7 by 7 over channels",
        "that lie innermost on `convmixer` (`edgenext`, which has such windows too, agrees); the second reading of group norms",
        "on `efficientnet_b3_gn` and `resnetv2_101x1_bit`. Which kernels PyTorch launches beside those of a graph",
        "was read off models of timm on an H100 under PyTorch 2.11 (`python -m accuracy.profile_models`, its table is",
        "`python/accuracy/measured/h100-sxm/timm-ops.csv`; `docs/cost-model.md`), not off these times. Under",
        "2.4 attention over five axes stayed in f16: `nest`, `hiera`, `twins` and SAM are priced for 2.9.",
        "",
        f"{len({row.model for row in rows})} models of {len({row.family for row in rows})} families; {len(problems)}",
        "models could not be exported or planned.",
        "",
        HEAD.format("models"),
    ]
    for version in versions:
        for label, keep in parts:
            some = [row for row in rows if row.torch == version and keep(row)]
            if some:
                text.append(line(f"{version}, {label}", some))
    if unseen:
        text += [
            "",
            f"{len({row.model for row in unseen})} other models, of {len({row.family for row in unseen})} of these families,",
            "that were exported and looked at only when everything above was set:",
            "",
            HEAD.format("unseen models"),
        ]
        for version in versions:
            text.append(line(version, [row for row in unseen if row.torch == version]))
    text += ["", "## By family", "", HEAD.format("family")]
    for family in sorted({row.family for row in rows}):
        text.append(line(f"`{family}`", [row for row in rows if row.family == family]))
    if problems:
        text += ["", "## Not exported or not planned", "", "| model | reason |", "|---|---|"]
        text += [f"| `{model}` | {reason.replace('|', '/')} |" for model, reason in problems]
    return "\n".join(text) + "\n"


Times = dict[tuple[str, int], list[tuple[Export, dict[bool, tuple[float, float]]]]]
"""Predictions by model and image size, one for each form that the model was exported in: without and with fast norms."""


def joined(pairs: Path, times: Times) -> list[Row]:
    """Measured rows with the predictions for them: for the form with the parameters that the row states."""
    rows = []
    with pairs.open(newline="") as file:
        for row in csv.DictReader(file):
            forms = times.get((row["model"], int(row["img"])))
            if forms is None:
                continue
            export, found = measured_form(forms, row["torch"], float(row["mega_params"]))
            eager, compiled = found[has_fast_norms(row["torch"], export.family)]
            measured = (float(row["eager_us"]), float(row["compiled_us"]))
            rows.append(Row(row["model"], export.family, row["torch"], *measured, eager, compiled))
    return rows


def measured_form(
    forms: list[tuple[Export, dict[bool, tuple[float, float]]]], torch: str, mega_params: float
) -> tuple[Export, dict[bool, tuple[float, float]]]:
    """The form that was measured.

    It is the one with as many parameters as the row states, to two decimals. Where that is true of both, it is the one
    that the others with this PyTorch have: branches folded since 2.9.
    """
    same = [form for form in forms if round(form[0].mega_params, 2) == round(mega_params, 2)]
    return (same or forms)[0 if torch == "pt2.4" else -1]


def planned(arguments: argparse.Namespace, folder: Path, problems: list[tuple[str, str]]) -> Times:
    """Predictions for the exports of a folder; what could not be planned is added to `problems`."""
    times: Times = {}
    for export in exports(folder):
        if export.problem:
            problems.append((f"{export.model}.{export.img}", export.problem))
            continue
        try:
            found = {
                fast: predicted(arguments.binary, arguments.hw, folder, export, fast)
                for fast in (False, True)
            }
            times.setdefault((export.model, export.img), []).append((export, found))
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            problems.append((f"{export.model}.{export.img}", str(error)))
    return times


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path, help="measured times: model, img, torch, eager_us, …")
    parser.add_argument("folder", type=Path, help="what `timm_exports` wrote")
    parser.add_argument("--unseen", type=Path, help="the same, models that nothing was found on")
    parser.add_argument("--binary", type=Path, default=Path("../target/release/fusewright"))
    parser.add_argument("--hw", default="rtx-4090")
    parser.add_argument("-o", "--output", type=Path, help="the page; standard output without it")
    parser.add_argument("--rows", type=Path, help="also write every row, as CSV")
    arguments = parser.parse_args()
    problems: list[tuple[str, str]] = []
    rows = joined(arguments.pairs, planned(arguments, arguments.folder, problems))
    if not rows:
        print("error: no exported model is in the table of measurements", file=sys.stderr)
        return 2
    if arguments.rows:
        with arguments.rows.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(list(Row.__dataclass_fields__))
            writer.writerows(
                [getattr(row, name) for name in Row.__dataclass_fields__] for row in rows
            )
    unseen = []
    if arguments.unseen:
        unseen = joined(arguments.pairs, planned(arguments, arguments.unseen, problems))
    text = page(rows, unseen, problems, arguments.hw)
    if arguments.output:
        arguments.output.write_text(text)
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
