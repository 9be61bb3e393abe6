"""An analysis as HTML: the text page and the tables, without scripts and without a network."""

from __future__ import annotations

import html
from typing import Any

from fusewright.table import html_table

STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;"
    "color:#222;background:#fff}table{border-collapse:collapse;margin:1rem 0}"
    "th,td{padding:.2rem .6rem;border-bottom:1px solid #ddd;text-align:right;"
    "font-variant-numeric:tabular-nums}td:first-child,th:first-child{text-align:left}"
    "pre{background:#f6f6f6;padding:1rem;overflow-x:auto}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}"
    "pre{background:#222}th,td{border-color:#444}}"
)
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


def page(analysis: Any) -> str:
    """A document of its own."""
    title = html.escape(f"fusewright: {analysis.name}")
    reasons = "".join(f"<li>{html.escape(str(reason))}</li>" for reason in analysis.why_not())
    sites = analysis.attentions
    attentions = f"<h2>Attentions</h2>{sites._repr_html_()}" if len(sites) else ""
    why = f"<h2>Why not more</h2><ul>{reasons}</ul>" if reasons else ""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta http-equiv=Content-Security-Policy "
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{STYLE}</style><h1>{title}</h1>{body(analysis)}"
        f"{attentions}{why}<h2>In a terminal</h2>"
        f"<pre>{html.escape(analysis.to_text())}</pre></html>\n"
    )
