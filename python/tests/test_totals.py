"""Times from totals, on models whose times are such a sum."""

from __future__ import annotations

import numpy as np
import pytest
from accuracy.totals import coefficients, section, totals


def models(noise: float = 0.0) -> list[dict[str, str]]:
    random = np.random.default_rng(0)
    rows = []
    for at in range(40):
        macs, activations = random.uniform(1, 20, 2)
        eager, compiled = 8 * macs + 16 * activations, 8 * macs + 9 * activations
        rows.append(
            {
                "model": f"model_{at}",
                "torch": "pt2.9",
                "gmacs": str(macs),
                "mega_activations": str(activations),
                "eager_us": str(eager * (1 + noise * random.uniform(-1, 1))),
                "compiled_us": str(compiled),
            }
        )
    return rows


def test_a_sum_is_found_again() -> None:
    (found,) = totals(models())
    assert 10 < found.rows < 30
    assert found.eager == pytest.approx(0, abs=1e-6)
    assert found.compiled == pytest.approx(0, abs=1e-6)
    assert found.speedup_mae == pytest.approx(0, abs=1e-8)
    assert found.rank == pytest.approx(1)


def test_what_is_no_sum_has_an_error() -> None:
    (found,) = totals(models(noise=0.4))
    assert 10 < found.eager < 40
    assert found.compiled == pytest.approx(0, abs=1e-6)


def test_few_far_off_do_not_move_the_figures() -> None:
    sums = np.arange(1.0, 21.0)[:, None]
    times = 3 * sums[:, 0]
    times[4] *= 10
    assert coefficients(sums, times) == pytest.approx([3], rel=1e-3)


def test_the_section_has_a_line_a_version() -> None:
    text = section([*models(), *({**row, "torch": "pt2.4"} for row in models())])
    assert [line.split("|")[1].strip() for line in text[-2:]] == ["pt2.4", "pt2.9"]
