"""fusewright's figures are PyTorch's own, for small models through every front-end.

``FUSEWRIGHT_AGREEMENT`` names a larger list of ``python/agreement`` to test instead, as ``main``
or ``wide``: models of usual widths, which takes long.
"""

from __future__ import annotations

import os

import pytest

from agreement import table
from agreement.binary import Figures
from agreement.comparison import Difference, Program, differences
from agreement.counting import Reference, count
from agreement.exports import EAGER, FORMS
from agreement.models import chosen
from agreement.rows import Cell, row
from replay import binary

TAG = os.environ.get("FUSEWRIGHT_AGREEMENT", "quick")
SIZE = "tiny" if TAG == "quick" else "short"

# Counted at full size, batch 1, texts of 128 words: the well-known figures of these models.
PUBLISHED = {
    "bert-base": (109_482_240, 22_348_431_360, 12),
    "gpt2": (124_439_808, 32_228_179_968, 12),
    "llama-2-7b": (6_738_415_616, 1_700_001_742_848, 32),
    "mixtral-8x7b": (46_702_792_704, 3_272_228_208_640, 32),
    "t5-small": (60_506_624, 16_089_350_144, 18),
    "vit_b_16": (86_567_656, 35_127_656_448, 12),
    "swin_t": (28_288_354, 8_981_133_312, 12),
    "resnet50": (25_557_032, 8_178_368_512, 0),
}


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("name", [each.name for each in chosen([], TAG) if SIZE in each.sizes])
def test_every_form_of_a_model_has_the_figures_that_torch_has(name, tmp_path):
    found = row(chosen([name], TAG)[0], SIZE, list(FORMS), binary(), tmp_path)
    wrong = {
        form: (cell.verdict, table.cell_text(cell), cell.words)
        for form, cell in found.cells.items()
        if cell.verdict in ("different", "refused")
    }
    assert not wrong
    # An exporter may fail at one form, but a model that comes in no form shows nothing.
    assert sum(cell.stage == "read" for cell in found.cells.values()) >= 4


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_reference_counts_published_models_as_published(name):
    found = count(chosen([name], "")[0], "full")
    assert (found.parameters, found.contraction, found.attentions) == PUBLISHED[name]


REFERENCE = Reference(
    parameters=1000,
    contraction=5000,
    attentions=4,
    merges=2,
    tables=50,
    folded=30,
    opaque_layers=3,
    device="meta",
    angles=80,
)


def figures(**changed: int) -> Figures:
    same = {"parameters": 1000, "contraction": 5000, "attentions": 4, "merges": 2, "missed": 0}
    return Figures(**(same | changed), uncounted=())


@pytest.mark.parametrize(
    ("form", "changed", "reason"),
    [
        ("onnx-20", {"parameters": 970}, "f"),
        ("onnx-20", {"parameters": 993}, "p"),
        ("onnx-20", {"parameters": 1005}, "g"),
        ("onnx-20", {"parameters": 965}, "g"),
        ("onnx-20", {"parameters": 975}, "fg"),
        ("onnx-20", {"parameters": 940}, "c"),
        ("onnx-20", {"contraction": 4950}, "t"),
        ("config", {"contraction": 5030}, "r"),
        ("fx", {"merges": 5}, "l"),
        # By another amount, or in a form that does nothing of the kind, it is no reason.
        ("onnx-20", {"parameters": 951}, None),
        ("onnx-20", {"parameters": 1030}, None),
        ("pt2", {"parameters": 970}, None),
        ("pt2", {"contraction": 4950}, None),
        ("pt2", {"contraction": 5030}, None),
        ("pt2", {"merges": 5}, None),
        ("fx", {"attentions": 7}, None),
    ],
)
def test_a_reason_holds_for_exactly_one_amount(form, changed, reason):
    (difference,) = differences(
        form, REFERENCE, Program(unused=7, lookups=((65, 60), (50, 90))), figures(**changed)
    )
    assert difference.reason == reason
    assert Cell("read", (difference,)).verdict == ("explained" if reason else "different")


def test_equal_figures_differ_in_nothing():
    assert differences("pt2", REFERENCE, Program(), figures()) == ()


def test_the_cells_of_a_page_are_read_back():
    models = table.markdown(
        ["model", "pt2", "fx"], [["a", "✓", "–"], ["b", "✓ l", "refused"]], "lll"
    )
    summary = table.markdown(["form", "equal"], [["pt2", "1"]], "lr")
    assert table.cells(f"# Page\n\n{summary}\n\n{models}\n\n- **l**: a reason.\n") == {
        ("a", "model"): "a",
        ("a", "pt2"): "✓",
        ("a", "fx"): "–",
        ("b", "model"): "b",
        ("b", "pt2"): "✓ l",
        ("b", "fx"): "refused",
    }


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (Cell("read"), "✓"),
        (Cell("read", change=EAGER), "✓ e"),
        (Cell("read", uncounted=("aten.diff",)), "✓ u"),
        (Cell("read", (Difference("merges", 2, 5, "l"),)), "✓ l"),
        (Cell("read", (Difference("contraction", 5000, 4000),)), "FLOPs 4,000 (-1,000)"),
        (Cell("not exported", words="ValueError: no"), "not exported"),
        (Cell("not offered", words="no attention"), "–"),
    ],
)
def test_a_cell_says_what_became_of_the_form(cell, text):
    assert table.cell_text(cell) == text
