"""What differs between PyTorch's figures and the binary's, and whether there is a known reason.

A reason is not a list of exceptions: it states by how much a figure has to differ if the reason
holds, from PyTorch's own data. Any other difference stays a difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from agreement.binary import Figures
from agreement.counting import Reference

QUANTITIES = {
    "parameters": "parameters",
    "contraction": "FLOPs",
    "attentions": "attentions",
    "merges": "merges",
}

REASONS = {
    "b": "the file does not tell a buffer that results are added to or scaled by from a parameter",
    "c": "the exporter computed position tables and scalars of the model ahead: what they were made "
    "from is gone",
    "f": "the exporter folded batch normalisations into convolutions: their scale and shift are "
    "gone, a bias has come",
    "g": "the exporter looked up tables of a few thousand elements at places that never change: the "
    "rows that are read stand in the file, not the table",
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


@dataclass(frozen=True)
class Program:
    """What the exported program says of the parameters."""

    unused: int = 0
    """Elements of those that no call touches."""
    lookups: tuple[tuple[int, int], ...] = ()
    """For each table that is read at constant places: elements of the rows read and of all rows."""


def differences(
    form: str, reference: Reference, program: Program, figures: Figures
) -> tuple[Difference, ...]:
    """All of them."""
    return tuple(
        Difference(
            quantity, expected, found, _reason(form, reference, program, quantity, found - expected)
        )
        for quantity in QUANTITIES
        if (found := getattr(figures, quantity)) != (expected := getattr(reference, quantity))
    )


def _reason(
    form: str, reference: Reference, program: Program, quantity: str, difference: int
) -> str | None:
    onnx = form.startswith("onnx")
    if quantity == "parameters":
        return _gone(reference, program, difference) if onnx else None
    known = {
        ("contraction", -reference.tables): "t" if onnx else None,
        ("contraction", reference.angles - reference.tables): "r" if form == "config" else None,
        ("merges", reference.opaque_layers): "l" if form == "fx" else None,
    }
    return known.get((quantity, difference))


def _gone(reference: Reference, program: Program, difference: int) -> str | None:
    """The letters of what exporters do to parameters that together make up the difference."""
    causes = [
        [("b", reference.added)],
        [("c", -reference.ahead)],
        [("f", -reference.folded)],
        [("p", -program.unused)],
        # The rows look like a parameter, or like the constant that they are.
        *([("g", rows - table), ("c", -table)] for rows, table in program.lookups),
    ]
    options = [[("", 0), *(each for each in cause if each[1])] for cause in causes]
    matches = [
        [letter for letter, _ in chosen if letter]
        for chosen in product(*options)
        if sum(amount for _, amount in chosen) == difference
    ]
    return "".join(sorted(set(min(matches, key=len)))) if matches else None
