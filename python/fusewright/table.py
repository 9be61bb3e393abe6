"""Tables that any dataframe library takes without a copy.

A table speaks the Arrow PyCapsule interface: ``polars.DataFrame(table)``,
``pyarrow.table(table)`` and ``duckdb.from_arrow(pyarrow.table(table))`` read its columns where
they are.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

from fusewright.native import optional

SHOWN_ROWS = 20


class Table:
    """Named columns of equal length; units are in the names (``read_bytes``, ``time_us``)."""

    def __init__(self, columns: Any) -> None:
        self._columns = columns

    @property
    def column_names(self) -> list[str]:
        """Names of the columns in order."""
        return self._columns.column_names

    def __len__(self) -> int:
        return len(self._columns)

    def __getitem__(self, column: str) -> list[Any]:
        return self._columns.column(column)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        columns = self.to_dict()
        for values in zip(*columns.values(), strict=True):
            yield dict(zip(columns, values, strict=True))

    def where(self, **wanted: Any) -> list[dict[str, Any]]:
        """The rows whose columns have these values: ``table.where(strategy="attention")``."""
        return [row for row in self if all(row[name] == value for name, value in wanted.items())]

    def to_dict(self) -> dict[str, list[Any]]:
        """The columns as Python lists."""
        return self._columns.to_pydict()

    def to_polars(self) -> Any:
        """A ``polars.DataFrame`` on the same memory."""
        return optional("polars", "to_polars").DataFrame(self)

    def to_arrow(self) -> Any:
        """A ``pyarrow.Table`` on the same memory."""
        return optional("pyarrow", "to_arrow").table(self)

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame``."""
        return optional("pandas", "to_pandas").DataFrame(self.to_dict())

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._columns.__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> Any:
        return self._columns.__arrow_c_schema__()

    def __repr__(self) -> str:
        return f"<table of {len(self)} rows: {', '.join(self.column_names)}>"

    def _repr_html_(self) -> str:
        return html_table(self.column_names, [list(row.values()) for row in self])


def html_table(names: list[str], rows: list[list[Any]]) -> str:
    """An HTML table without styles of its own; long ones end in how many rows are left out."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_cell(value))}</td>" for value in row) + "</tr>"
        for row in rows[:SHOWN_ROWS]
    )
    rest = len(rows) - SHOWN_ROWS
    more = f"<p>and {rest:,} more rows</p>" if rest > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, (list, tuple)):
        return " ".join(str(item) for item in value)
    return str(value)
