"""The native module, imported when it is first needed.

The package can be imported without it: the exporter of FX JSON and the torch parts that do not
plan work from a source tree.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from fusewright.errors import MissingDependencyError


def native() -> ModuleType:
    """``fusewright._native``; an error that says how to get it where it is not built."""
    try:
        return importlib.import_module("fusewright._native")
    except ModuleNotFoundError as error:
        if error.name != "fusewright._native":
            raise
        raise MissingDependencyError(
            "the native module of fusewright is not built",
            "`pip install ./python` builds and installs the package, "
            "`cargo xtask python` builds it into the source tree",
        ) from error


def optional(name: str, what: str) -> ModuleType:
    """A library that only some functions need; an error that says so where it is missing."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != name.partition(".")[0]:
            raise
        package = name.partition(".")[0]
        raise MissingDependencyError(
            f"{what} needs {package}, which is not installed", f"`pip install {package}`"
        ) from error
