"""What differs between PyTorch's figures and the binary's, and whether there is a known reason.

A reason is not a list of exceptions: it states by how much a figure has to differ if the reason
holds, from PyTorch's own data. Any other difference stays a difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from agreement.binary import Figures
from agreement.counting import Reference

QUANTITIES = {
    "parameters": "parameters",
    "contraction": "FLOPs",
    "attentions": "attentions",
    "merges": "merges",
}

REASONS = {
    "b": "the file does not tell a buffer that is added to results from a parameter",
    "c": "the exporter computed position tables and scalars of the model ahead: what they were made "
    "from is gone",
    "f": "the exporter folded batch normalisations into convolutions: their scale and shift are "
    "gone, a bias has come",
    "l": "the form keeps whole the attention layers that hold Q, K and V in one matrix; "
    "fusewright opens them and merges the three products again",
    "p": "the exporter left out parameters that no call touches",
    "r": "fusewright reads rotary angles in a configuration as the matrix product they were in "
    "earlier releases of transformers; this one multiplies element by element",
    "t": "the exporter computed rotary angles at export, a product that no longer runs",
}


@dataclass(frozen=True)
class Difference:
    """A figure that is not PyTorch's, with the letters of its reasons where there are any."""

    quantity: str
    expected: int
    found: int
    reason: str | None = None


def differences(
    form: str, reference: Reference, unused: int, figures: Figures
) -> tuple[Difference, ...]:
    """All of them; ``unused`` is the number of parameters that no call touches."""
    return tuple(
        Difference(
            quantity, expected, found, _reason(form, reference, unused, quantity, found - expected)
        )
        for quantity in QUANTITIES
        if (found := getattr(figures, quantity)) != (expected := getattr(reference, quantity))
    )


def _reason(
    form: str, reference: Reference, unused: int, quantity: str, difference: int
) -> str | None:
    onnx = form.startswith("onnx")
    if quantity == "parameters":
        return _gone(reference, unused, difference) if onnx else None
    known = {
        ("contraction", -reference.tables): "t" if onnx else None,
        ("contraction", reference.angles - reference.tables): "r" if form == "config" else None,
        ("merges", reference.opaque_layers): "l" if form == "fx" else None,
    }
    return known.get((quantity, difference))


def _gone(reference: Reference, unused: int, difference: int) -> str | None:
    """The letters of what exporters do to parameters that together make up the difference."""
    amounts = {
        "b": reference.added,
        "c": -reference.ahead,
        "f": -reference.folded,
        "p": -unused,
    }
    letters = [letter for letter, amount in amounts.items() if amount]
    for count in range(1, len(letters) + 1):
        for chosen in combinations(letters, count):
            if sum(amounts[letter] for letter in chosen) == difference:
                return "".join(chosen)
    return None
