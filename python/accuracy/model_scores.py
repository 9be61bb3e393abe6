"""Scores of whole models and the page that they stand on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

PLAIN = re.compile(r"(vit|deit)_(tiny|small|base|large|huge)_patch\d+_\d+")
"""Names of plain vision transformers."""
IN_HALF = {"nest", "hiera", "twins", "vision_transformer_sam"}
"""Families with attention over five axes, which PyTorch 2.4 computed in 16 bit, and later versions in 32."""


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
    rows: list[Row],
    also: list[Row],
    unseen: list[Row],
    problems: list[tuple[str, str]],
    hw: str,
    baseline: list[str],
) -> str:
    """The page, as Markdown; `baseline` is the part before the families."""
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
        "`huggingface/pytorch-image-models`. Predicted ones: the plans `eager` and `compiled`, issued kernel by kernel, with what the",
        "last cache holds; launches and cache count as they do beside the batch that was measured, 1024 mostly, 256 compiled under 2.4.",
        "Nothing here was measured by this project. Norms of timm run in f16, as its fast norms do, except those of plain",
        "vision transformers (and `vitamin`, made of them) under PyTorch 2.4, which were PyTorch's own then; models whose",
        "branches fold are folded under 2.9, as the numbers of parameters in the tables say. The coefficients of this card were found on sums over these",
        "models with both halves of the families in view: no half is a test on unseen models. The step of an",
        "interpolation was found on one family, `efficientformer_v2`; the slow kernel for windows above 7 by 7 over channels",
        "that lie innermost on `convmixer` (`edgenext`, which has such windows too, agrees); the second reading of group norms",
        "on `efficientnet_b3_gn` and `resnetv2_101x1_bit`; the rates of convolutions, grouped ones above all, on these models and the",
        "first 56 of the later ones; the dispatch of this card on `efficientvit`; the form of what the last cache spares on all",
        "of them. Which kernels PyTorch launches beside those of a graph, and what its layer norms take, was read off models of timm",
        "on an H100 under PyTorch 2.11 (`python -m accuracy.profile_models`, its table is",
        "`python/accuracy/measured/h100-sxm/timm-ops.csv`; `docs/cost-model.md`), not off these times. Under",
        "2.4 attention over five axes stayed in f16: `nest`, `hiera`, `twins` and SAM are priced for 2.9 all the same.",
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
            "exported later; they were unseen once. 56 were looked into before the model got its present form. Of the other 76, first seen",
            "with it (mean error 0.242 under 2.4, 0.191 under 2.9), one had a share of 0.06: interpolation over channels that lie innermost,",
            "`coat_tiny`, which was wrong and is right now. 71 of the rest came last; after them layer norms and attention got new figures,",
            "from kernels measured on other cards ([accuracy.md](accuracy.md)):",
            "",
            HEAD.format("later models"),
        ]
        for version in versions:
            text.append(line(version, [row for row in also if row.torch == version]))
    if unseen:
        text += [
            "",
            f"{len({row.model for row in unseen})} other models, of {len({row.family for row in unseen})} of these families,",
            "one a family, that were exported when all but the form of what the last cache spares was set; it was chosen with them in view:",
            "",
            HEAD.format("unseen models"),
        ]
        for version in versions:
            text.append(line(version, [row for row in unseen if row.torch == version]))
    every = [*rows, *also, *unseen]
    if len(every) > len(rows):
        text += [
            "",
            f"All {len({row.model for row in every})} together:",
            "",
            HEAD.format("all models"),
        ]
        for version in versions:
            text.append(line(version, [row for row in every if row.torch == version]))
            some = [row for row in every if row.torch == version and row.family not in IN_HALF]
            if version == "pt2.4" and some:
                text.append(line(f"{version}, without those priced for 2.9", some))
    text += [*baseline, "", "## By family", "", HEAD.format("family")]
    for family in sorted({row.family for row in every}):
        text.append(line(f"`{family}`", [row for row in every if row.family == family]))
    if problems:
        text += ["", "## Not exported or not planned", "", "| model | reason |", "|---|---|"]
        text += [f"| `{model}` | {reason.replace('|', '/')} |" for model, reason in problems]
    return "\n".join(text) + "\n"
