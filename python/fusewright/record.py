"""Figures with names: the published JSON, read by attribute.

>>> row = Record({"bytes": {"read": 3}, "self": 12})
>>> row.bytes.read, row.self_, row["self"]
(3, 12, 12)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Record(Mapping[str, Any]):
    """An object of the report. Fields are attributes and items; ``to_dict`` gives plain data.

    A field that is a word of Python has an underscore behind it as an attribute: ``self_``.
    """

    __slots__ = ("_data",)

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        for key in (name, name.removesuffix("_")):
            if key in self._data:
                return wrapped(self._data[key])
        known = ", ".join(self._data)
        raise AttributeError(f"there is no figure `{name}` here; there are {known}")

    def __getitem__(self, key: str) -> Any:
        return wrapped(self._data[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._data]

    def __repr__(self) -> str:
        shown = [
            f"{key}={value!r}"
            for key, value in self._data.items()
            if value is None or isinstance(value, (bool, int, float, str))
        ]
        hidden = [f"{key}=…" for key in self._data if not _is_shown(self._data[key])]
        return f"({', '.join(shown + hidden)})"

    def __reduce__(self) -> Any:
        return Record, (self._data,)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain dictionaries and lists."""
        return self._data


class Page(Record):
    """A record that prints as the page of the command line."""

    __slots__ = ("_text",)

    def __init__(self, data: dict[str, Any], text: str) -> None:
        super().__init__(data)
        self._text = text

    def __repr__(self) -> str:
        return self._text.rstrip("\n")

    def __reduce__(self) -> Any:
        return Page, (self._data, self._text)


def _is_shown(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))


def wrapped(value: Any) -> Any:
    """Plain data with objects as records."""
    if isinstance(value, dict):
        return Record(value)
    if isinstance(value, list):
        return [wrapped(item) for item in value]
    return value
