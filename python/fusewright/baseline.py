"""A lock file: a model that fuses worse than it did fails a test.

    def test_fusion_of_our_model():
        fusewright.check(model, "fusewright.lock.json", inputs=example)

The file is that of ``fusewright check``. Live modules stand in it under their name; the command line
can check only what it can open, so keep them in a file of their own.
"""

from __future__ import annotations

import json
import os
from typing import Any

from fusewright.errors import FusionRegression, UsageError
from fusewright.record import Page


def check(
    analysis: Any,
    lock: str | os.PathLike[str],
    *,
    update: bool = False,
    tolerance: float = 0.02,
    exact: bool = False,
) -> Page:
    """Compares with a lock file, or writes to it; gives what ``fusewright check`` reports.

    ``tolerance`` is that of predicted times, as a fraction; with ``exact`` improvements fail too.
    Raises ``FusionRegression`` for what became worse, ``UsageError`` without an entry.
    """
    strategies = [plan.name for plan in analysis.strategies if plan.name != "eager"]
    verdict, report, text = analysis._model.check(
        os.fspath(lock),
        strategies or ["eager"],
        profile=analysis._asked.get("profile", "default"),
        hw=analysis._asked.get("hw"),
        update=update,
        tolerance=tolerance,
        exact=exact,
    )
    if verdict == "regressed":
        raise FusionRegression(
            f"{analysis.name} fuses worse than `{os.fspath(lock)}` says\n{text.rstrip()}",
            "analysis.why_not() says what stands in the way; check(…, update=True) accepts it",
        )
    if verdict == "no-baseline":
        raise UsageError(
            f"`{os.fspath(lock)}` has no entry for {analysis.name}",
            "check(…, update=True) writes it",
        )
    return Page(json.loads(report), text)
