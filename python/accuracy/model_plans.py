"""Predicted times of exported models, for the batches that were measured."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

from accuracy.export_index import Export, exports
from accuracy.model_scores import Row

TIME_LIMIT_S = 120
"""For planning one model."""

LAUNCHES = ("floor_us", "dispatch_us")
CACHE = "last_level_mib"
"""What does not grow with a batch, by its keys in a device file."""

WORKERS = 2
"""Plans made side by side."""


class Planner:
    """Plans exports, each question once.

    A device as a batch sees it that is larger than the one of an export: the time for one image is the same if launches
    take as much less as there are more images. What kernels find in the last cache is what they find in one that holds as
    much less; within a kernel, where so many rows are under way as the device holds, it counts whole.
    """

    def __init__(self, binary: Path, device: Path, scratch: Path) -> None:
        self.binary, self.device, self.scratch = binary, device, scratch
        self.known: dict[tuple[Path, str, bool, float], float] = {}
        self.writing = Lock()

    def us(
        self, folder: Path, export: Export, strategy: str, batch: int, fast_norms: bool
    ) -> float:
        """Predicted µs for one image of a batch of this size; raises RuntimeError where there is no plan."""
        times = batch / export.batch
        key = (folder / export.file, strategy, fast_norms, times)
        if key not in self.known:
            self.known[key] = self.planned(*key) / export.batch
        return self.known[key]

    def planned(self, file: Path, strategy: str, fast_norms: bool, larger: float) -> float:
        """Predicted µs for the batch of the export, on the device that a batch this many times larger sees."""
        command = [str(self.binary), "plan", str(file), "--autocast", "f16"]
        command += ["--strategy", strategy, "--format", "json", "--quiet"]
        command += ["--fast-norms"] if fast_norms else []
        whole = self.figures([*command, "--hw", str(self.seen(larger, LAUNCHES))])
        part = self.figures([*command, "--hw", str(self.seen(larger, (*LAUNCHES, CACHE)))])
        found = part["times"]["found_in_cache_us"]
        return whole["latency_us"]["mid"] + whole["times"]["framework_overhead_us"] - found

    def figures(self, command: list[str]) -> dict[str, Any]:
        """The one strategy that a command plans."""
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False
        )
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise RuntimeError(lines[0])
        [plan] = json.loads(done.stdout)["strategies"]
        return plan

    def seen(self, larger: float, keys: tuple[str, ...]) -> Path:
        """The device file for a batch this many times larger."""
        hw = self.scratch / f"{larger:g}-{len(keys)}.toml"
        with self.writing:
            if not hw.exists():
                hw.write_text(seen_by_batch(self.device.read_text(), larger, keys))
        return hw


def seen_by_batch(device: str, times: float, keys: tuple[str, ...]) -> str:
    """The text of a device file with what does not grow with a batch divided by how many times larger that is."""
    for key in keys:
        device, found = re.subn(
            rf"(?m)^({key} = \{{ value = )([0-9.]+)",
            lambda match: f"{match[1]}{float(match[2]) / times:g}",
            device,
        )
        if found != 1:
            raise ValueError(f"the device file has {found} lines of `{key}`, expected one")
    return device


def has_fast_norms(torch: str, family: str) -> bool:
    """Whether norms ran in f16.

    The measurements were taken with timm's fast norms. When those with PyTorch 2.4 were, vision transformers and what
    is made of their blocks still had norms of PyTorch's own.
    """
    return torch != "pt2.4" or family not in {"vision_transformer", "deit", "vitamin"}


Forms = dict[tuple[str, int], list[Export]]
"""What a folder holds by model and image size, one for each form that the model was exported in."""


def joined(
    pairs: Path, folder: Path, planner: Planner, problems: list[tuple[str, str]]
) -> list[Row]:
    """Measured rows with the predictions for them; exports that cannot be planned are added to `problems`."""
    forms: Forms = {}
    for export in exports(folder):
        if export.problem:
            problems.append((f"{export.model}.{export.img}", export.problem))
        else:
            forms.setdefault((export.model, export.img), []).append(export)
    with pairs.open(newline="") as file:
        measured = [row for row in csv.DictReader(file) if (row["model"], int(row["img"])) in forms]
    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(lambda row: predicted(row, folder, forms, planner), measured))
    problems += sorted({entry for entry in found if isinstance(entry, tuple)})
    return [entry for entry in found if isinstance(entry, Row)]


def predicted(
    row: dict[str, str], folder: Path, forms: Forms, planner: Planner
) -> Row | tuple[str, str]:
    """A measured row with the prediction for it, for the form with the parameters that it states; or why there is none."""
    torch = row["torch"]
    export = measured_form(forms[row["model"], int(row["img"])], torch, float(row["mega_params"]))
    fast = has_fast_norms(torch, export.family)
    try:
        eager = planner.us(folder, export, "eager", int(row["batch"]), fast)
        compiled = planner.us(folder, export, "compiled", int(row["batch_compiled"]), fast)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return f"{export.model}.{export.img}", str(error)
    measured = (float(row["eager_us"]), float(row["compiled_us"]))
    return Row(row["model"], export.family, torch, *measured, eager, compiled)


def measured_form(forms: list[Export], torch: str, mega_params: float) -> Export:
    """The form that was measured.

    It is the one with as many parameters as the row states, to two decimals. Where that is true of both, it is the one
    that the others with this PyTorch have: branches folded since 2.9.
    """
    same = [form for form in forms if round(form.mega_params, 2) == round(mega_params, 2)]
    return (same or forms)[0 if torch == "pt2.4" else -1]
