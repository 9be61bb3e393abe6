"""Rules of fusion: those that are built in, and files of your own. The verbs of ``fusewright
patterns``; where rules hold in a model, and where they nearly do, is ``Analysis.findings``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from fusewright.native import native
from fusewright.record import Record

Path = str | os.PathLike[str]


def patterns(files: Sequence[Path] = ()) -> list[Record]:
    """The rules of the library, then those of pattern files: name, family, what they match."""
    return [Record(row) for row in json.loads(native().pattern_rows(_paths(files)))]


def pattern(name: str, files: Sequence[Path] = ()) -> Record:
    """A rule with its documentation and examples."""
    return Record(json.loads(native().pattern_json(name, _paths(files))))


def pattern_page(name: str, files: Sequence[Path] = (), *, width: int = 80) -> str:
    """The same as text for people."""
    return native().pattern_page(name, _paths(files), width=width)


def check_pattern(path: Path) -> list[str]:
    """Runs the examples of a pattern file: what is not as the file says, nothing if all is.

    A file that cannot be read as a rule raises ``PatternError``.
    """
    _, wrong = native().check_pattern(os.fspath(path))
    return [f"example {title!r}: {problem}" for title, problem in wrong]


def _paths(files: Sequence[Path]) -> list[str]:
    return [os.fspath(path) for path in files]
