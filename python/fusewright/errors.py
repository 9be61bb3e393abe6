"""Everything that fusewright raises, one family.

Rust's errors become these in one place; what is written in Python raises them itself.
"""

from __future__ import annotations


class FusewrightError(Exception):
    """Base of all errors of this package.

    ``help`` says what to do about it, where there is something.
    """

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(f"{message}\nhelp: {help}" if help else message)
        self.message = message
        self.help = help


class UsageError(FusewrightError, ValueError):
    """An argument has a value that it cannot have."""


class ModelNotFoundError(FusewrightError, LookupError):
    """Neither a file nor a built-in model has this name."""


class ModelReadError(FusewrightError):
    """A model is there but cannot be read; the message names the file and the place in it."""


class CaptureError(FusewrightError):
    """A live module cannot be turned into a graph; the message says what to try."""


class DeviceNotFoundError(FusewrightError, LookupError):
    """No built-in device has this name."""


class DeviceError(FusewrightError):
    """A device file is wrong, or this machine cannot be measured."""


class PatternNotFoundError(FusewrightError, LookupError):
    """No rule has this id."""


class PatternError(FusewrightError):
    """A pattern file is wrong."""


class KernelTableError(FusewrightError):
    """A table of kernels is wrong; the message names line and column."""


class MissingDependencyError(FusewrightError, ImportError):
    """A library that is optional is needed now and not installed."""


class NotEquivalentError(FusewrightError):
    """A module was changed and does not compute the same as before; nothing was kept of it."""


class FusionRegression(FusewrightError, AssertionError):
    """A model fuses worse than the baseline says."""


class InternalError(FusewrightError):
    """A bug of fusewright: please report it."""
