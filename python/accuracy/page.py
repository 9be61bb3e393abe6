"""docs/accuracy.md: text between the marks of a part is made by its script, all else is kept."""

from __future__ import annotations

from pathlib import Path

BEGIN, END = "<!-- {}: made by a script, do not edit -->", "<!-- end of {} -->"

FRAME = """\
# Accuracy

What the cost model predicts, held against times that others measured and published. Predictions
are made by `fusewright hw predict`, so that every figure can be had again from the tables.

{kernels}

## Whole models

[accuracy-models.md](accuracy-models.md) holds predicted times and speed-ups of whole models.
"""


def replaced(page: Path, part: str, text: str) -> str:
    """The page with another text in one part; a page that is not there yet has the part empty."""
    begin, end = BEGIN.format(part), END.format(part)
    if page.is_file():
        old = page.read_text()
    else:
        old = FRAME.format(kernels=f"{BEGIN.format('kernels')}\n{END.format('kernels')}")
    if begin not in old or end not in old:
        raise ValueError(f"{page}: no part `{part}`; expected the lines {begin} and {end}")
    head, rest = old.split(begin, 1)
    return f"{head}{begin}\n\n{text.strip()}\n\n{end}{rest.split(end, 1)[1]}"
