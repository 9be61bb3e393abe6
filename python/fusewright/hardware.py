"""Devices: those that are built in, and files of your own. The verbs of ``fusewright hw``."""

from __future__ import annotations

import json
import os

from fusewright.native import native
from fusewright.record import Record

Path = str | os.PathLike[str]


def devices() -> list[Record]:
    """The built-in devices: id, name, class, peaks and bandwidths, one record each."""
    return [Record(row) for row in json.loads(native().device_rows())]


def device(name_or_path: Path) -> Record:
    """Every number of a device with its unit and source; a path leads to a TOML file."""
    return Record(json.loads(native().device_json(os.fspath(name_or_path))))


def device_page(name_or_path: Path, *, width: int = 80) -> str:
    """The same as text for people."""
    return native().device_page(os.fspath(name_or_path), width)


def check_device(path: Path) -> str:
    """The id of a device file that keeps all rules; ``DeviceError`` lists what is wrong."""
    return native().check_device(os.fspath(path))


def predict_kernels(hw: Path, csv: Path) -> str:
    """Predicted time (µs) and limiter of each kernel of a CSV file, as CSV."""
    return native().predict_kernels(os.fspath(hw), os.fspath(csv))


def calibrate() -> str:
    """Measures this machine's processor, half a minute; the text of its device file."""
    return native().calibrate()
