"""The tables of the page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from accuracy.cases import Case
from accuracy.scores import area, dispatch, errors, spearman

TIMES = (
    "GEMM bf16",
    "GEMM fp8",
    "linear f32",
    "bmm f32",
    "streaming attention, causal",
    "streaming attention, full",
    "unfused attention, full",
    "unfused attention, causal",
    "elementwise f32",
    "softmax f32",
    "layernorm f32",
)


def times(cases: Sequence[Case], predicted: Sequence[list[float]]) -> list[str]:
    """A row for each kind of kernel and device, fitted rows and rows left out apart."""
    lines = [
        "| kernels | device | rows | mean | median | within 20 % | rank | on fitted rows | host |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for table in TIMES:
        chosen = [index for index, case in enumerate(cases) if case.table == table]
        for device in sorted({cases[index].device for index in chosen}):
            own = [index for index in chosen if cases[index].device == device]
            lines += _times(table, device, own, cases, predicted)
    return lines


def _times(
    table: str,
    device: str,
    own: Sequence[int],
    cases: Sequence[Case],
    predicted: Sequence[list[float]],
) -> list[str]:
    total = np.array([sum(predicted[index]) for index in own])
    measured = np.array([cases[index].us for index in own])
    out = np.array([cases[index].held_out for index in own])
    host = dispatch(total[~out], measured[~out]) if cases[own[0]].eager else 0.0
    left = errors(total[out] + host, measured[out])
    seen = errors(total[~out] + host, measured[~out])
    shown = f"{host:.1f} µs" if host else ""
    return [
        (
            f"| {table} | {device} | {left.rows} | {100 * left.mean:.1f} % | {100 * left.median:.1f} % "
            f"| {100 * left.within_fifth:.0f} % | {left.rank:.3f} "
            f"| {100 * seen.mean:.1f} % | {shown} |"
        )
    ]


def jumps(cases: Sequence[Case], predicted: Sequence[list[float]]) -> list[str]:
    """What one more row costs at the edge of a tile."""
    lines = [
        "| device | m | pairs | measured median | predicted median | rank |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    pairs = [index for index, case in enumerate(cases) if case.table == "jump"]
    for device in sorted({cases[index].device for index in pairs}):
        at = {cases[index].note: index for index in pairs if cases[index].device == device}
        for m in (128, 256, 512, 1024):
            both = [
                (index, at[(m + 1, *shape[1:])])
                for shape, index in at.items()
                if shape[0] == m and (m + 1, *shape[1:]) in at
            ]
            measured = np.array([cases[after].us / cases[before].us for before, after in both])
            ratio = np.array([predicted[after][0] / predicted[before][0] for before, after in both])
            lines.append(
                f"| {device} | {m} | {len(both)} | {np.median(measured):.3f} "
                f"| {np.median(ratio):.3f} | {spearman(ratio, measured):.2f} |"
            )
    return lines


def merges(cases: Sequence[Case], predicted: Sequence[list[float]]) -> list[str]:
    """Whether merging parallel products is seen to pay, and where it does not."""
    lines = [
        (
            "| merge | device | rows | slower | rank | AUC of slower | sign right "
            "| rank, AUC on all rows |"
        ),
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for table in ("merge 3 to 1", "merge 2 to 1"):
        chosen = [index for index, case in enumerate(cases) if case.table == table]
        for device in sorted({cases[index].device for index in chosen}):
            own = [index for index in chosen if cases[index].device == device]
            count = np.array([cases[index].note[0] for index in own])
            single = np.array([cases[index].note[1] for index in own])
            merged = np.array([cases[index].note[2] for index in own])
            gain = count * single / merged
            told = np.array([predicted[index] for index in own])
            expected = count * told[:, 0] / told[:, 1]
            out = np.array([cases[index].held_out for index in own])
            slow = gain < 0.98
            # Within 5 % of 1 the sign is noise.
            clear = out & (np.abs(gain - 1) > 0.05)
            sign = (expected[clear] > 1) == (gain[clear] > 1)
            lines.append(
                f"| {table[6:]} | {device} | {out.sum()} | {100 * slow[out].mean():.1f} % "
                f"| {spearman(expected[out], gain[out]):.3f} | {area(-expected[out], slow[out]):.3f} "
                f"| {100 * sign.mean():.1f} % "
                f"| {spearman(expected, gain):.3f}, {area(-expected, slow):.3f} |"
            )
    return lines
