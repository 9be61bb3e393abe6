"""What differs between PyTorch's figures and the binary's, and whether there is a known reason.

A reason is not a list of exceptions: it states by how much a figure has to differ if the reason
holds, from PyTorch's own data. Any other difference stays a difference.
"""

from __future__ import annotations

from dataclasses import dataclass

from agreement.binary import Figures
from agreement.counting import Reference

QUANTITIES = {
    "parameters": "parameters",
    "contraction": "FLOPs",
    "attentions": "attentions",
    "merges": "merges",
}

REASONS = {
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
    """A figure that is not PyTorch's, with the letter of its reason where there is one."""

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
    known = {
        ("parameters", -reference.folded): "f" if onnx else None,
        ("parameters", -unused): "p" if onnx else None,
        ("contraction", -reference.tables): "t" if onnx else None,
        ("contraction", reference.angles - reference.tables): "r" if form == "config" else None,
        ("merges", reference.opaque_layers): "l" if form == "fx" else None,
    }
    return known.get((quantity, difference))
