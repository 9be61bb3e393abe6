"""Holds predicted times of whole models against measured ones, and writes `docs/accuracy-models.md`.

    python -m accuracy.timm_exports pairs.csv exports/
    python -m accuracy.timm_exports pairs.csv unseen/ --without exports/ --per-family 1 --largest 30
    python -m accuracy.whole_models pairs.csv exports/ --unseen unseen/ -o ../docs/accuracy-models.md

Every model that was exported is planned twice as it runs under autocast to f16: one kernel for each op, and as a loop
compiler fuses it. The predicted time of a plan, for one image of the batch that was measured, is held against the measured
time for one image. Families are shown in two halves that do not change when others are added; coefficients of whole models
were found while both were in view, so neither is a test on unseen models.
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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

import numpy as np

PLAIN = re.compile(r"(vit|deit)_(tiny|small|base|large|huge)_patch\d+_\d+")
"""Names of plain vision transformers."""

TIME_LIMIT_S = 120
"""For planning one model."""

WORKERS = 2
"""Plans made side by side."""

DEVICES = Path(__file__).parents[2] / "crates/fusewright-device/devices"
"""The device files of this project."""


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


class Planner:
    """Plans exports, each question once.

    A device as a batch sees it that is larger than the one of an export: the time for one image is the same if launches
    take as much less, and the last cache holds as much less, as there are more images.
    """

    def __init__(self, binary: Path, device: Path, scratch: Path) -> None:
        self.binary, self.device, self.scratch = binary, device, scratch
        self.known: dict[tuple[Path, str, bool, float], float] = {}
        self.writing = Lock()

    def us(
        self, folder: Path, export: Export, strategy: str, batch: int, fast_norms: bool
    ) -> float:
        """Predicted µs for one image of a batch of this size; raises RuntimeError where there is no plan."""
        times = batch / export.batch
        key = (folder / export.file, strategy, fast_norms, times)
        if key not in self.known:
            self.known[key] = self.planned(*key) / export.batch
        return self.known[key]

    def planned(self, file: Path, strategy: str, fast_norms: bool, larger: float) -> float:
        """Predicted µs for the batch of the export, on the device that a batch this many times larger sees."""
        hw = self.scratch / f"{larger:g}.toml"
        with self.writing:
            if not hw.exists():
                hw.write_text(seen_by_batch(self.device.read_text(), larger))
        command = [str(self.binary), "plan", str(file), "--hw", str(hw), "--autocast", "f16"]
        command += ["--strategy", strategy, "--format", "json", "--quiet"]
        command += ["--fast-norms"] if fast_norms else []
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False
        )
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise RuntimeError(lines[0])
        [plan] = json.loads(done.stdout)["strategies"]
        times = plan["times"]
        return (
            plan["latency_us"]["mid"] - times["found_in_cache_us"] + times["framework_overhead_us"]
        )


def seen_by_batch(device: str, times: float) -> str:
    """The text of a device file with what does not grow with a batch divided by how many times larger that is."""
    for key in ("floor_us", "dispatch_us", "last_level_mib"):
        device, found = re.subn(
            rf"(?m)^({key} = \{{ value = )([0-9.]+)",
            lambda match: f"{match[1]}{float(match[2]) / times:g}",
            device,
        )
        if found != 1:
            raise ValueError(f"the device file has {found} lines of `{key}`, expected one")
    return device


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


def page(
    rows: list[Row], also: list[Row], unseen: list[Row], problems: list[tuple[str, str]], hw: str
) -> str:
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
    if also:
        text += [
            "",
            f"{len({row.model for row in also})} other models, of {len({row.family for row in also})} of these families, that were",
            "exported later; what they have in common where they were predicted badly was looked into and is part of the model now:",
            "",
            HEAD.format("later models"),
        ]
        for version in versions:
            text.append(line(version, [row for row in also if row.torch == version]))
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
    every = [*rows, *also, *unseen]
    for family in sorted({row.family for row in every}):
        text.append(line(f"`{family}`", [row for row in every if row.family == family]))
    if problems:
        text += ["", "## Not exported or not planned", "", "| model | reason |", "|---|---|"]
        text += [f"| `{model}` | {reason.replace('|', '/')} |" for model, reason in problems]
    return "\n".join(text) + "\n"


Forms = dict[tuple[str, int], list[Export]]
"""What a folder holds by model and image size, one for each form that the model was exported in."""


def joined(
    pairs: Path, folder: Path, planner: Planner, problems: list[tuple[str, str]]
) -> list[Row]:
    """Measured rows with the predictions for them; exports that cannot be planned are added to `problems`."""
    forms: Forms = {}
    for export in exports(folder):
        if export.problem:
            problems.append((f"{export.model}.{export.img}", export.problem))
        else:
            forms.setdefault((export.model, export.img), []).append(export)
    with pairs.open(newline="") as file:
        measured = [row for row in csv.DictReader(file) if (row["model"], int(row["img"])) in forms]
    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(lambda row: predicted(row, folder, forms, planner), measured))
    problems += sorted({entry for entry in found if isinstance(entry, tuple)})
    return [entry for entry in found if isinstance(entry, Row)]


def predicted(
    row: dict[str, str], folder: Path, forms: Forms, planner: Planner
) -> Row | tuple[str, str]:
    """A measured row with the prediction for it, for the form with the parameters that it states; or why there is none."""
    torch = row["torch"]
    export = measured_form(forms[row["model"], int(row["img"])], torch, float(row["mega_params"]))
    fast = has_fast_norms(torch, export.family)
    try:
        eager = planner.us(folder, export, "eager", int(row["batch"]), fast)
        compiled = planner.us(folder, export, "compiled", int(row["batch_compiled"]), fast)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return f"{export.model}.{export.img}", str(error)
    measured = (float(row["eager_us"]), float(row["compiled_us"]))
    return Row(row["model"], export.family, torch, *measured, eager, compiled)


def measured_form(forms: list[Export], torch: str, mega_params: float) -> Export:
    """The form that was measured.

    It is the one with as many parameters as the row states, to two decimals. Where that is true of both, it is the one
    that the others with this PyTorch have: branches folded since 2.9.
    """
    same = [form for form in forms if round(form.mega_params, 2) == round(mega_params, 2)]
    return (same or forms)[0 if torch == "pt2.4" else -1]


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path, help="measured times: model, img, torch, eager_us, …")
    parser.add_argument("folder", type=Path, help="what `timm_exports` wrote")
    parser.add_argument("--also", type=Path, help="more of it, found on in the same way")
    parser.add_argument("--unseen", type=Path, help="the same, models that nothing was found on")
    parser.add_argument("--binary", type=Path, default=Path("../target/release/fusewright"))
    parser.add_argument("--devices", type=Path, default=DEVICES, help="folder of device files")
    parser.add_argument("--hw", default="rtx-4090")
    parser.add_argument("-o", "--output", type=Path, help="the page; standard output without it")
    parser.add_argument("--rows", type=Path, help="also write every row, as CSV")
    arguments = parser.parse_args()
    problems: list[tuple[str, str]] = []
    with TemporaryDirectory() as scratch:
        device = arguments.devices / f"{arguments.hw}.toml"
        planner = Planner(arguments.binary, device, Path(scratch))

        def of(folder: Path | None) -> list[Row]:
            return joined(arguments.pairs, folder, planner, problems) if folder else []

        rows, also, unseen = of(arguments.folder), of(arguments.also), of(arguments.unseen)
    if not rows:
        print("error: no exported model is in the table of measurements", file=sys.stderr)
        return 2
    if arguments.rows:
        with arguments.rows.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["set", *Row.__dataclass_fields__])
            for name, some in (("first", rows), ("also", also), ("unseen", unseen)):
                writer.writerows(
                    [name, *(getattr(row, field) for field in Row.__dataclass_fields__)]
                    for row in some
                )
    text = page(rows, also, unseen, problems, arguments.hw)
    if arguments.output:
        arguments.output.write_text(text)
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
