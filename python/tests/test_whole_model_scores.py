"""Scores of whole models, on figures small enough to check by hand."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
from accuracy.whole_models import Export, Row, joined, page, ranks, score


def row(model: str, family: str, times: tuple[float, float, float, float]) -> Row:
    return Row(model, family, "pt2.9", *times)


ROWS = [
    row("a", "f", (20.0, 10.0, 22.0, 10.0)),
    row("b", "f", (30.0, 20.0, 30.0, 20.0)),
    row("c", "g", (30.0, 10.0, 27.0, 10.0)),
]


def test_ties_share_their_rank() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [2.5, 0.0, 2.5, 1.0]


def test_scores_are_means_of_errors() -> None:
    found = score(ROWS)
    assert found.rows == 3
    assert math.isclose(found.speedup_mae, (0.2 + 0.0 + 0.3) / 3)
    assert math.isclose(found.rank, 1.0)
    assert math.isclose(found.eager_mape, 100 * (0.1 + 0.0 + 0.1) / 3)
    assert found.compiled_mape == 0.0
    assert math.isnan(score(ROWS[:2]).rank)


def test_the_page_has_families_and_reasons() -> None:
    text = page(ROWS, ROWS[:1], [("d.224", "no | reason")], "rtx-4090")
    assert "| `g` | 1 |" in text
    assert "| `d.224` | no / reason |" in text


def test_a_measurement_takes_the_form_with_its_parameters(tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    columns = ["model", "img", "torch", "mega_params", "eager_us", "compiled_us"]
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerow(["m", 224, "pt2.4", 5.0, 10, 5])
        writer.writerow(["m", 224, "pt2.9", 3.9, 8, 5])
        writer.writerow(["other", 224, "pt2.9", 3.9, 8, 5])
    branched = Export("m", 224, "f", "m.fx.json.gz", 8, 5.01, "")
    folded = Export("m", 224, "f", "m.folded.fx.json.gz", 8, 4.0, "")
    both = [(branched, dict.fromkeys((False, True), (10.0, 5.0)))]
    both.append((folded, dict.fromkeys((False, True), (8.0, 5.0))))
    rows = joined(table, {("m", 224): both})
    assert [(row.torch, row.predicted_eager) for row in rows] == [("pt2.4", 10.0), ("pt2.9", 8.0)]
