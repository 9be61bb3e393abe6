"""Figures of merit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """Relative errors of times, as shares of the measured time."""

    rows: int
    mean: float
    median: float
    within_fifth: float
    rank: float


def errors(predicted: Values, measured: Values) -> Errors:
    """Mean, median, share within 20 %, and the correlation of ranks."""
    size = np.abs(predicted / measured - 1)
    near = float((size <= 0.2).mean())
    mean, median = float(size.mean()), float(np.median(size))
    return Errors(len(size), mean, median, near, spearman(predicted, measured))


def dispatch(predicted: Values, measured: Values) -> float:
    """The host time, µs, that added to all predictions makes the mean relative error least."""
    gap, weight = measured - predicted, 1 / measured
    order = np.argsort(gap)
    passed = np.cumsum(weight[order])
    return max(0.0, float(gap[order][np.searchsorted(passed, passed[-1] / 2)]))


def ranks(values: Values) -> Values:
    """Ranks from 0; equal values get the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    first = np.cumsum(count) - count
    return (first + (count - 1) / 2)[place]


def spearman(a: Values, b: Values) -> float:
    """Correlation of ranks."""
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def area(score: Values, wanted: NDArray[np.bool_]) -> float:
    """Area under the curve: how often a wanted row scores above one that is not."""
    yes = int(wanted.sum())
    no = len(wanted) - yes
    if yes == 0 or no == 0:
        return float("nan")
    return float((ranks(score)[wanted].sum() - yes * (yes - 1) / 2) / (yes * no))
