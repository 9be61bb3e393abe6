"""Scores of whole models, on figures small enough to check by hand."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

import numpy as np
import pytest
from accuracy.model_plans import CACHE, LAUNCHES, Planner, joined, seen_by_batch
from accuracy.model_scores import Row, page, ranks, score


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
    text = page(ROWS, ROWS[1:2], ROWS[:1], [("d.224", "no | reason")], "rtx-4090", ["", "## Base"])
    assert "| `g` | 1 |" in text
    assert text.index("## Base") < text.index("## By family")
    assert "| `f` | 4 |" in text
    assert text.index("| later models |") < text.index("| unseen models |")
    assert "| `d.224` | no / reason |" in text


COLUMNS = ["model", "img", "torch", "batch", "batch_compiled", "mega_params"]
TIMES = ["eager_us", "compiled_us"]


class Fixed(Planner):
    """Plans of a few microseconds for each image of a batch, and of a host that takes 100 µs for each batch."""

    def planned(self, file: Path, strategy: str, fast_norms: bool, larger: float) -> float:
        images = 8.0 if "folded" in file.name else 10.0
        return (images if strategy == "eager" else 5.0) * 8 + 100 / larger


def table(path: Path, rows: list[list[object]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([[*COLUMNS, *TIMES], *rows])
    return path


def folder(path: Path, rows: list[list[object]]) -> Path:
    path.mkdir()
    with (path / "index.csv").open("w", newline="") as file:
        columns = ["model", "img", "family", "file", "batch", "mega_params", "problem"]
        csv.writer(file).writerows([columns, *rows])
    return path


def test_a_measurement_takes_the_form_with_its_parameters_and_its_batch(tmp_path: Path) -> None:
    pairs = table(
        tmp_path / "pairs.csv",
        [
            ["m", 224, "pt2.4", 32, 8, 5.0, 10, 5],
            ["m", 224, "pt2.9", 32, 32, 3.9, 8, 5],
            ["other", 224, "pt2.9", 8, 8, 3.9, 8, 5],
        ],
    )
    exported = folder(
        tmp_path / "exports",
        [
            ["m", 224, "f", "m.fx.json.gz", 8, 5.01, ""],
            ["m", 224, "f", "m.folded.fx.json.gz", 8, 4.0, ""],
            ["broken", 224, "f", "", 8, 0.0, "no"],
        ],
    )
    problems: list[tuple[str, str]] = []
    rows = joined(pairs, exported, Fixed(Path(), Path(), tmp_path), problems)
    # 100 µs are a quarter as long beside four times as many images.
    expected = [("pt2.4", 10 + 25 / 8, 5 + 100 / 8), ("pt2.9", 8 + 25 / 8, 5 + 25 / 8)]
    assert [(row.torch, row.predicted_eager, row.predicted_compiled) for row in rows] == expected
    assert problems == [("broken.224", "no")]


def test_a_larger_batch_sees_a_smaller_cache_and_shorter_launches() -> None:
    text = (
        "floor_us = { value = 2 }\ndispatch_us = { value = 6 }\nlast_level_mib = { value = 72 }\n"
    )
    seen = seen_by_batch(text + "bandwidth_gb_s = { value = 1008 }\n", 4, (*LAUNCHES, CACHE))
    expected = [0.5, 1.5, 18, 1008]
    assert [float(value) for value in re.findall(r"value = ([0-9.]+)", seen)] == expected
    with pytest.raises(ValueError, match="`floor_us`"):
        seen_by_batch("", 4, LAUNCHES)
