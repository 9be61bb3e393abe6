"""What a notebook shows of an analysis: a table, without scripts."""

from __future__ import annotations

import html
from typing import Any

from fusewright.table import html_table

FIGURES = (
    ("kernels", lambda p: p.kernels),
    ("kernels saved", lambda p: p.kernels_saved),
    ("bytes", lambda p: p.bytes.read + p.bytes.written),
    ("bytes saved", lambda p: p.bytes_saved),
    ("merges", lambda p: p.parallel_merges),
    ("attention chains", lambda p: p.attention_chains),
    ("peak memory, bytes", lambda p: p.peak_memory_bytes),
    ("time, µs", lambda p: p.latency_us.mid if p.latency_us else None),
    ("energy, mJ", lambda p: p.energy_mj),
)


def body(analysis: Any) -> str:
    """What a notebook shows: one row a plan, and what the best one saves."""
    plans = list(analysis.strategies)
    rows = [[name, *(get(plan) for plan in plans)] for name, get in FIGURES]
    rows = [row for row in rows if any(value is not None for value in row[1:])]
    saved = [
        [row["pattern"], row["count"], row["kernels_saved"], row["bytes_saved"], row["module"]]
        for row in analysis.patterns.where(strategy=analysis.best.name)
        if row["kernels_saved"] > 0 or row["bytes_saved"] > 0
    ]
    notes = "".join(f"<p>note: {html.escape(note)}</p>" for note in analysis.notes)
    first = _verdict(analysis)
    parts = [
        f"<p><b>{html.escape(analysis.name)}</b> (read by {analysis.via}): {first}.</p>",
        html_table(["", *(plan.name for plan in plans)], rows),
    ]
    if saved:
        names = [f"saved by {analysis.best.name}", "times", "kernels", "bytes", "for example in"]
        parts.append(html_table(names, saved))
    return "".join(parts) + notes


def _verdict(analysis: Any) -> str:
    best = analysis.best
    moved = best.bytes.read + best.bytes.written
    eager = (best.kernels + best.kernels_saved, moved + best.bytes_saved)
    return (
        f"the {html.escape(best.name)} plan launches {best.kernels:,} kernels instead of "
        f"{eager[0]:,} and moves {moved / 1e6:,.4g} MB instead of {eager[1] / 1e6:,.4g} MB"
    )
