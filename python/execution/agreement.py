"""Runs a model in PyTorch, ONNX Runtime and fusewright on the same inputs and compares outputs."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agreement.exports import EAGER, MASKED, Exporter, export
from agreement.model import Model

FORMS = ("pt2", "pt2-eager", "pt2-decomposed", "onnx-20", "onnx-23", "onnx-ts-17")
"""Forms that hold weights."""

FILES = {
    "pt2": "model.pt2",
    "pt2-eager": "eager.pt2",
    "pt2-decomposed": "decomposed.pt2",
    "onnx-20": "model-20.onnx",
    "onnx-23": "model-23.onnx",
    "onnx-ts-17": "model-ts-17.onnx",
}

TOLERANCE = 1e-4
"""Of the largest magnitude in an output."""

WORDS = 50
"""Token ids are below this, which every vocabulary has."""

Array = NDArray[np.generic]


@dataclass(frozen=True)
class Result:
    """How one exported file ran."""

    form: str
    torch: float
    """Largest relative difference from PyTorch."""
    onnxruntime: float | None
    """The same from ONNX Runtime; ``None`` where it was not run."""
    problem: str = ""
    """Why it did not run."""

    @property
    def agrees(self) -> bool:
        others = [self.torch] + ([] if self.onnxruntime is None else [self.onnxruntime])
        return not self.problem and max(others) <= TOLERANCE


def arguments(model: Model, size: str) -> dict[str, Tensor]:
    """Inputs with different words."""
    given = model.arguments(size, "cpu")
    generator = torch.Generator().manual_seed(1)
    return {
        name: value
        if value.dtype.is_floating_point or "mask" in name
        else torch.randint(1, WORDS, value.shape, generator=generator, dtype=value.dtype)
        for name, value in given.items()
    }


def tensors_of(result: object) -> list[Tensor]:
    """The tensors of a module's result, in order."""
    if isinstance(result, Tensor):
        return [result]
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (list, tuple)):
        return [tensor for item in result for tensor in tensors_of(item)]
    return []


def difference(expected: Array, found: Array) -> float:
    """Largest difference over the largest magnitude; infinite where shapes or NaN differ."""
    if expected.shape != found.shape:
        return float("inf")
    expected, found = expected.astype(np.float64), found.astype(np.float64)
    finite = np.isfinite(expected)
    if not np.array_equal(finite, np.isfinite(found)):
        return float("inf")
    if not finite.any():
        return 0.0
    apart = float(np.abs(expected[finite] - found[finite]).max())
    largest = float(np.abs(expected[finite]).max())
    return apart / largest if largest > 0 else apart


def run_fusewright(
    binary: Path,
    file: Path,
    inputs: dict[str, Array],
    strategy: str = "eager",
    dims: Sequence[str] = (),
) -> list[Array]:
    """The outputs that ``fusewright run`` gives; ``dims`` are sizes such as ``seq=12``."""
    given, made = file.with_suffix(".in.npz"), file.with_suffix(".out.npz")
    np.savez(given, **inputs)
    command = [str(binary), "run", str(file), "--strategy", strategy, "--runs", "0", "-q"]
    command += ["--inputs", str(given), "--outputs", str(made), "--output", "/dev/null"]
    command += [word for dim in dims for word in ("--dim", dim)]
    run = subprocess.run([*command, "--force"], capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(run.stderr.strip().splitlines()[0] if run.stderr else "it ended badly")
    with np.load(made) as archive:
        return [archive[name] for name in archive.files]


def run_onnxruntime(file: Path, inputs: list[Array]) -> tuple[list[str], list[Array]] | None:
    """Names of inputs, and outputs; ``None`` where ONNX Runtime is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    return names, session.run(None, dict(zip(names, inputs, strict=False)))


def agreement(model: Model, size: str, form: str, binary: Path, folder: Path) -> Result:
    """Exports one form of a model and runs it everywhere."""
    exporter = Exporter(model, size, "cpu")
    file = folder / FILES[form]
    try:
        changed = export(exporter, form, file)
    except Exception as error:  # noqa: BLE001 - exporters raise anything
        return Result(form, 0.0, None, f"not exported: {type(error).__name__}")
    given = arguments(model, size)
    eager = changed == EAGER or form == "pt2-eager"
    module = model.build(size, "cpu", eager=eager)
    if changed == MASKED:
        masks = {
            name.replace("input_ids", "attention_mask"): torch.ones_like(value)
            for name, value in given.items()
            if name == "input_ids"
        }
        given |= masks
    with torch.no_grad():
        expected = [tensor.numpy() for tensor in tensors_of(module(**given))]
    values = [value.numpy() for value in given.values()]
    names, others = list(given), None
    if file.suffix == ".onnx":
        found = run_onnxruntime(file, values)
        if found is not None:
            names, others = found
    inputs = dict(zip(names, values, strict=False))
    try:
        outputs = run_fusewright(binary, file, inputs)
    except RuntimeError as error:
        return Result(form, float("inf"), None, str(error))

    def worst(reference: list[Array]) -> float:
        if len(reference) != len(outputs):
            return float("inf")
        return max(map(difference, reference, outputs), default=0.0)

    return Result(form, worst(expected), None if others is None else worst(others))
