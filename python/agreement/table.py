"""The page: a row per model, a column per form, and what the signs mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version

from agreement.comparison import QUANTITIES, REASONS, Difference
from agreement.exports import EAGER, MASKED
from agreement.rows import Cell, Row

LIBRARIES = ("torch", "torchvision", "timm", "transformers", "onnx", "onnxscript")

CHANGES = {
    EAGER: ("e", "the exporter fails at fused attention; it got the model with eager attention"),
    MASKED: ("m", "the exporter fails without an attention mask; it got one of ones"),
}

UNCOUNTED = (
    "u",
    "fusewright does not know an op of the file and lists it as not counted; see below which",
)

VERDICTS = ("equal", "explained", "different", "refused", "not exported", "not offered")


def page(title: str, introduction: str, rows: Sequence[Row], forms: Sequence[str]) -> str:
    """The whole page as Markdown."""
    parts = [f"# {title}", introduction, _versions(), _summary(rows, forms), _table(rows, forms)]
    parts += [part for part in (_legend(rows), _uncounted(rows), _details(rows)) if part]
    return "\n\n".join(parts) + "\n"


def _versions() -> str:
    return "Made with " + ", ".join(f"{name} {_release(name)}" for name in LIBRARIES) + "."


def _release(name: str) -> str:
    return version(name).partition("+")[0]


def _summary(rows: Sequence[Row], forms: Sequence[str]) -> str:
    counts = {form: Counter(row.cells[form].verdict for row in rows) for form in forms}
    body = [[form, *(str(counts[form][verdict]) for verdict in VERDICTS)] for form in forms]
    total = sum(counts.values(), Counter())
    body.append(["**all**", *(f"**{total[verdict]}**" for verdict in VERDICTS)])
    return markdown(["form", *VERDICTS], body, "l" + "r" * len(VERDICTS))


def _table(rows: Sequence[Row], forms: Sequence[str]) -> str:
    return markdown(
        ["model", *QUANTITIES.values(), *forms],
        [table_row(row) for row in rows],
        "l" + "r" * len(QUANTITIES) + "l" * len(forms),
    )


def table_row(row: Row) -> list[str]:
    """The cells of a model's line."""
    reference = [f"{getattr(row.reference, quantity):,}" for quantity in QUANTITIES]
    if row.reference.attentions:
        reference[list(QUANTITIES).index("attentions")] += f" ({row.model.how})"
    return [row.model.name, *reference, *(cell_text(cell) for cell in row.cells.values())]


def cells(text: str) -> dict[tuple[str, str], str]:
    """The table of models of a page, by model and column."""
    lines = [line[2:-2].split(" | ") for line in text.splitlines() if line.startswith("| ")]
    heads = [at for at, line in enumerate(lines) if line[0] == "model"]
    return {
        (line[0], column): cell
        for at in heads
        for line in lines[at + 2 :]
        for column, cell in zip(lines[at], line, strict=True)
    }


def cell_text(cell: Cell) -> str:
    """✓ with letters for reasons, what is different, or what failed."""
    if cell.stage == "not offered":
        return "–"
    letters = _letters(cell)
    signs = f" {','.join(letters)}" if letters else ""
    if cell.stage in ("not exported", "refused"):
        return f"{cell.stage}{signs}"
    unexplained = [_difference(each) for each in cell.differences if not each.reason]
    return ("; ".join(unexplained) or "✓") + signs


def _letters(cell: Cell) -> list[str]:
    letters = {letter for each in cell.differences for letter in each.reason or ""}
    if cell.change:
        letters.add(CHANGES[cell.change][0])
    if cell.uncounted:
        letters.add(UNCOUNTED[0])
    return sorted(letters)


def _difference(each: Difference) -> str:
    return f"{QUANTITIES[each.quantity]} {each.found:,} ({each.found - each.expected:+,})"


def _legend(rows: Sequence[Row]) -> str:
    meanings = dict(REASONS) | dict([*CHANGES.values(), UNCOUNTED])
    used = sorted(
        {letter for row in rows for cell in row.cells.values() for letter in _letters(cell)}
    )
    return "\n".join(f"- **{letter}**: {meanings[letter]}." for letter in used)


def _uncounted(rows: Sequence[Row]) -> str:
    where: dict[str, list[str]] = {}
    for row in rows:
        for form, cell in row.cells.items():
            for op in cell.uncounted:
                where.setdefault(op, []).append(f"{row.model.name} ({form})")
    lines = [f"- `{op}`: {', '.join(places)}" for op, places in sorted(where.items())]
    return "## Ops that are not counted\n\n" + "\n".join(lines) if lines else ""


def _details(rows: Sequence[Row]) -> str:
    """What exporters and fusewright said where they failed, once for all who share it."""
    said: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for form, cell in row.cells.items():
            if cell.stage in ("not exported", "refused"):
                words = cell.words.splitlines()[0] if cell.words else ""
                said.setdefault((cell.stage, words), []).append(f"{row.model.name} ({form})")
    lines = [
        f"- {', '.join(where)}: {stage}: `{words.replace('`', ' ')}`"
        for (stage, words), where in said.items()
    ]
    return "## What was said\n\n" + "\n".join(lines) if lines else ""


def markdown(head: Sequence[str], body: Sequence[Sequence[str]], align: str) -> str:
    """A table in Markdown; ``align`` has ``l`` or ``r`` for each column."""
    rule = [{"l": "---", "r": "---:"}[each] for each in align]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *body))
