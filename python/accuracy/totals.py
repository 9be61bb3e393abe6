"""What sums over a model tell of its time, without its graph: what a prediction from the graph has to beat.

The time for one image is taken for a · multiply-accumulates + b · activations, with a and b that make the mean relative
error least on one half of the models; errors are those of the other half.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from accuracy.model_scores import in_first_half, ranks

ROUNDS = 200
"""Of least squares that each weigh a row by the last one's error, which ends in least absolute errors."""
LEAST_ERROR = 1e-3
"""Rows that fit better than this weigh no more."""


@dataclass(frozen=True)
class Totals:
    """Errors of one version of PyTorch on models left out of the fit, per cent; speed-ups by mean error and rank."""

    torch: str
    rows: int
    eager: float
    compiled: float
    speedup_mae: float
    rank: float


def coefficients(sums: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The figures (as many as columns of `sums`) that make the mean of |sums · figures / times − 1| least."""
    relative = sums / times[:, None]
    target = np.ones(len(times))
    found = np.linalg.lstsq(relative, target, rcond=None)[0]
    for _ in range(ROUNDS):
        weights = 1 / np.sqrt(np.abs(relative @ found - 1) + LEAST_ERROR)
        found = np.linalg.lstsq(relative * weights[:, None], target * weights, rcond=None)[0]
    return found


def totals(rows: Iterable[Mapping[str, str]]) -> Iterator[Totals]:
    """A fit and its errors for each version of PyTorch; models are halved by a hash of their names."""
    rows = list(rows)
    for version in sorted({row["torch"] for row in rows}):
        some = [row for row in rows if row["torch"] == version]
        fitted = np.array([in_first_half(row["model"]) for row in some])
        if fitted.all() or not fitted.any():
            continue
        sums = np.array([[float(row["gmacs"]), float(row["mega_activations"])] for row in some])
        predicted, measured = {}, {}
        for name in ("eager_us", "compiled_us"):
            times = np.array([float(row[name]) for row in some])
            found = coefficients(sums[fitted], times[fitted])
            predicted[name], measured[name] = sums[~fitted] @ found, times[~fitted]
        error = {
            name: 100 * float(np.abs(predicted[name] / measured[name] - 1).mean())
            for name in predicted
        }
        speedup = measured["eager_us"] / measured["compiled_us"]
        guess = predicted["eager_us"] / predicted["compiled_us"]
        yield Totals(
            version,
            len(speedup),
            error["eager_us"],
            error["compiled_us"],
            float(np.abs(guess - speedup).mean()),
            float(np.corrcoef(ranks(guess), ranks(speedup))[0, 1]),
        )


def section(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """The part of the page."""
    text = [
        "",
        "## From totals alone",
        "",
        "All models of the tables, their times as a sum of multiply-accumulates and activations, both weights fitted to half of the",
        "models (`accuracy/totals.py`). What a prediction gains by reading the graph is the difference:",
        "",
        "| models left out | rows | speed-up: mean error | rank correlation | time as it is: mean error, % | compiled, % |",
        "|---|---|---|---|---|---|",
    ]
    text += [
        f"| {it.torch} | {it.rows} | {it.speedup_mae:.3f} | {it.rank:.2f} | {it.eager:.1f} | {it.compiled:.1f} |"
        for it in totals(rows)
    ]
    return text
