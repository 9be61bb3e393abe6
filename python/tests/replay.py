"""Runs in torch the graph that ``fusewright dump FILE --decompose --format json`` prints.

Only the listed nodes run, each by its row in ``replay_ops``; the shape and element type of every
value are held against the dump. Weights are those of the live module, found by their names.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fusewright.fx import export_model, write_json
from replay_kernels import DTYPES, Call
from replay_ops import OPS

ROOT = Path(__file__).resolve().parents[2]
BUILDS = (ROOT / "target" / "debug" / "fusewright", ROOT / "target" / "release" / "fusewright")


class ReplayError(Exception):
    """A dump that cannot be run, or that states a type which a value does not have."""


class UnknownOp(ReplayError):
    """A node whose op has no row."""


class Unavailable(Exception):
    """There is no ``fusewright`` to ask."""


def binary() -> Path:
    """The ``fusewright`` under test."""
    named = os.environ.get("FUSEWRIGHT_BIN")
    for path in [Path(named)] if named else BUILDS:
        if path.is_file():
            return path
    if named:
        raise Unavailable(f"FUSEWRIGHT_BIN is {named}, which is not a file")
    raise Unavailable(
        "no fusewright to test: run `cargo build -p fusewright`, or name one in FUSEWRIGHT_BIN"
    )


def fusewright(*arguments: str | Path) -> dict[str, Any]:
    """Runs a command that prints JSON."""
    command = [str(binary()), *map(str, arguments), "--format", "json"]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        raise ReplayError(f"{' '.join(command)} ended with {run.returncode}:\n{run.stderr}")
    return json.loads(run.stdout)


def write(model: nn.Module, inputs: Sequence[Any], folder: Path) -> Path:
    """Exports a model for ``fusewright`` to read."""
    path = folder / "model.fx.json"
    write_json(export_model(model, inputs, "model"), path, overwrite=True)
    return path


def dump(model: nn.Module, inputs: Sequence[Any], folder: Path) -> dict[str, Any]:
    """Exports a model and has it read and decomposed."""
    return fusewright("dump", write(model, inputs, folder), "--decompose")


def no_dropout(x: Tensor, p: float) -> Tensor:
    raise ReplayError("dropout is live: say what it is to do")


def replay(
    graph: dict[str, Any],
    model: nn.Module,
    inputs: Sequence[Tensor],
    *,
    drop: Callable[[Tensor, float], Tensor] = no_dropout,
) -> list[Tensor]:
    """The outputs of a dumped graph for these inputs."""
    if len(inputs) != len(graph["inputs"]):
        raise ReplayError(f"{len(inputs)} inputs for a graph with {len(graph['inputs'])}")
    values = _sources(graph, _tensors(model), dict(zip(graph["inputs"], inputs, strict=True)))
    for node in graph["nodes"]:
        results = _run(node, [values[operand] for operand in node["inputs"]], graph, drop)
        for output, result in zip(node["outputs"], results, strict=True):
            _check(graph["values"][output], result, f"node `{node['name']}`")
            values[output] = result
    return [values[output] for output in graph["outputs"]]


def _tensors(model: nn.Module) -> Mapping[str, Tensor]:
    # The state_dict lacks buffers that are not saved.
    return {**dict(model.named_buffers(remove_duplicate=False)), **model.state_dict()}


def _sources(
    graph: dict[str, Any], tensors: Mapping[str, Tensor], inputs: Mapping[int, Tensor]
) -> dict[int, Any]:
    """Every value that no node makes."""
    values: dict[int, Any] = {}
    for value in graph["values"]:
        number, name, kind = value["id"], value["name"], value["kind"]
        if kind == "activation":
            continue
        if kind == "host":
            values[number] = value.get("value")
            continue
        if kind == "part":
            whole, start = value["part_of"]["value"], value["part_of"]["start"]
            values[number] = values[whole][start : start + value["shape"][0]]
        elif kind == "input":
            values[number] = inputs[number]
        elif name in tensors:
            values[number] = tensors[name]
        else:
            raise ReplayError(f"the module has no {kind} `{name}`")
        _check(value, values[number], f"{kind} `{name}`")
    return values


def _run(
    node: dict[str, Any],
    operands: list[Any],
    graph: dict[str, Any],
    drop: Callable[[Tensor, float], Tensor],
) -> list[Any]:
    """The results of one node."""
    if node["op"] in ("size", "host_compute", "assert"):
        return _on_host(node, operands, graph)
    row = OPS.get(node["op"])
    if row is None:
        what = " ".join(str(node["attributes"].get(key, "")) for key in ("name", "reason"))
        raise UnknownOp(f"node `{node['name']}`: nothing known about `{node['op']}` {what}".strip())
    call = Call(node["attributes"], drop)
    try:
        result = row(call, *operands)
    except (RuntimeError, TypeError, ValueError, IndexError, KeyError) as error:
        raise ReplayError(f"node `{node['name']}` ({node['op']}): {error!r}") from error
    if call.unread:
        attributes = ", ".join(sorted(call.unread))
        raise ReplayError(f"node `{node['name']}`: the row of `{node['op']}` ignores {attributes}")
    results = [result] if isinstance(result, Tensor) else list(result)
    if len(results) != len(node["outputs"]):
        raise ReplayError(f"node `{node['name']}` has {len(results)} results, not as dumped")
    return results


def _on_host(node: dict[str, Any], operands: list[Any], graph: dict[str, Any]) -> list[Any]:
    """Host values as the dump knows them; a size must be the one of the tensor at hand."""
    known = [graph["values"][output].get("value") for output in node["outputs"]]
    axis = node["attributes"].get("axis")
    if node["op"] == "size" and axis is not None and known[0] != operands[0].shape[axis]:
        shape = tuple(operands[0].shape)
        raise ReplayError(f"node `{node['name']}`: size {known[0]} of axis {axis} of {shape}")
    return known


def _check(value: dict[str, Any], found: Any, what: str) -> None:
    if value["kind"] == "host":
        return
    dtype, shape = DTYPES[value["dtype"]], tuple(value["shape"])
    if not isinstance(found, Tensor) or found.dtype != dtype or tuple(found.shape) != shape:
        seen = (found.dtype, tuple(found.shape)) if isinstance(found, Tensor) else type(found)
        raise ReplayError(f"{what}: the dump says {dtype} {shape}, torch gives {seen}")


def tensors_of(result: Any) -> list[Tensor]:
    """The tensors of a module's result, in order; what is None is no output."""
    if isinstance(result, Tensor):
        return [result]
    if isinstance(result, Mapping):
        result = result.values()
    return [] if result is None else [tensor for item in result for tensor in tensors_of(item)]


def assert_same(expected: Any, found: Sequence[Tensor], tolerance: float) -> None:
    """Equal shapes, dtypes and NaNs, and no difference above ``tolerance`` of the largest value."""
    expected = tensors_of(expected)
    assert [(t.dtype, t.shape) for t in found] == [(t.dtype, t.shape) for t in expected]
    for position, (reference, result) in enumerate(zip(expected, found, strict=True)):
        difference = relative_difference(reference, result)
        assert difference <= tolerance, f"output {position} differs by {difference:.3g}"


def relative_difference(reference: Tensor, result: Tensor) -> float:
    """Largest difference over the largest magnitude; infinite where NaN or infinity differ."""
    finite = reference.isfinite()
    odd, found_odd = (tensor[~finite].double() for tensor in (reference, result))
    if not torch.equal(finite, result.isfinite()) or not torch.equal(
        odd.nan_to_num(0.0), found_odd.nan_to_num(0.0)
    ):
        return float("inf")
    reference, result = (tensor[finite].double() for tensor in (reference, result))
    if reference.numel() == 0:
        return 0.0
    largest = reference.abs().max().item()
    difference = (reference - result).abs().max().item()
    return difference / largest if largest > 0 else difference
