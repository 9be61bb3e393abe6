"""Writes a model in every form that fusewright reads."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from agreement.model import Model, NotOffered
from fusewright.fx import export_model, write_json
from fusewright.fx_shapes import InputShape, slow_attention_path

TIME_LIMIT_S = 600
"""For one export."""

EAGER = "eager"
"""The exporter fails at fused attention, and writes the model whose attention is written out."""

MASKED = "masked"
"""The exporter fails without an attention mask, and writes the model that is given one."""


class ExportTimeout(Exception):
    """An exporter did not come to an end."""


class Called(nn.Module):
    """Gives a model positional arguments, in the order of ``names``, and a plain tuple back.

    Two exporters need it: one knows no keyword arguments, the other no result classes.
    """

    def __init__(self, model: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *values: Tensor) -> Any:
        found = self.model(**dict(zip(self.names, values, strict=True)))
        if isinstance(found, dict):
            return tuple(each for each in found.values() if isinstance(each, Tensor))
        return found


class One(Called):
    """``Called`` for one argument, which symbolic tracing wants to see by name."""

    def forward(self, first: Tensor) -> Any:
        return super().forward(first)


class Two(Called):
    """``Called`` for two arguments."""

    def forward(self, first: Tensor, second: Tensor) -> Any:
        return super().forward(first, second)


class Exporter:
    """The exports of one model in one size; what several of them need is made once.

    ``short`` models have weights, ``full`` ones are on the meta device and have none, unless
    ``device`` is ``cpu``.
    """

    def __init__(self, model: Model, size: str, device: str | None = None) -> None:
        self.model = model
        self.size = size
        self.device = device or ("meta" if size == "full" else "cpu")

    @cached_property
    def module(self) -> nn.Module:
        """The model with the attention it has by itself."""
        return self.model.build(self.size, self.device)

    @cached_property
    def program(self) -> ExportedProgram:
        """The model as ``torch.export`` sees it."""
        return self._exported(self.module)

    def _exported(self, module: nn.Module) -> ExportedProgram:
        arguments = self.model.arguments(self.size, self.device)
        with torch.no_grad():
            return torch.export.export(module, (), arguments, strict=False)

    def unused_parameters(self) -> int:
        """Elements of parameters that a call does not touch."""
        signature = self.program.graph_signature
        nodes = {node.name: node for node in self.program.graph.nodes}
        sizes = {}
        used = set()
        for name, parameter in signature.inputs_to_parameters.items():
            tensor = self.program.state_dict[parameter]
            sizes[id(tensor)] = tensor.numel()
            if nodes[name].users:
                used.add(id(tensor))
        return sum(size for tensor, size in sizes.items() if tensor not in used)

    def lookups(self) -> list[tuple[int, int]]:
        """For each table that a call reads at constant places only: elements of the rows it reads
        and of all rows."""
        graph = self.program.graph
        inputs = set(self.program.graph_signature.user_inputs)
        varying: set[torch.fx.Node] = set()
        read: dict[torch.fx.Node, int] = {}
        for node in graph.nodes:
            if node.name in inputs or not varying.isdisjoint(node.all_input_nodes):
                varying.add(node)
            elif node.target is torch.ops.aten.embedding.default:
                table = node.args[0]
                read[table] = read.get(table, 0) + node.meta["val"].numel()
        lookup = torch.ops.aten.embedding.default
        return [
            (rows, table.meta["val"].numel())
            for table, rows in read.items()
            if all(user.target is lookup and user not in varying for user in table.users)
        ]

    def pt2(self, path: Path) -> None:
        torch.export.save(self.program, path)

    def pt2_eager(self, path: Path) -> None:
        module = self.model.build(self.size, self.device, eager=True)
        torch.export.save(self._exported(module), path)

    def pt2_decomposed(self, path: Path) -> None:
        torch.export.save(self.program.run_decompositions(), path)

    def onnx(self, path: Path, opset: int) -> str | None:
        self._need_weights()

        def write(program: ExportedProgram) -> None:
            torch.onnx.export(program, (), path, dynamo=True, opset_version=opset, verbose=False)

        try:
            write(self.program)
        except Exception as error:  # noqa: BLE001 - exporters raise anything
            try:
                eager = self.model.build(self.size, self.device, eager=True)
            except NotOffered:
                raise error from None
            write(self._exported(eager))
            return EAGER
        return None

    def torchscript(self, path: Path) -> str | None:
        self._need_weights()
        try:
            self._torchscript(path, {})
        except Exception:
            masks = {
                name.replace("input_ids", "attention_mask"): torch.ones_like(value)
                for name, value in self.model.arguments(self.size, self.device).items()
                if name == "input_ids"
            }
            if not masks:
                raise
            self._torchscript(path, masks)
            return MASKED
        return None

    def _torchscript(self, path: Path, masks: dict[str, Tensor]) -> None:
        arguments = self.model.arguments(self.size, self.device) | masks
        called = Called(self.module, tuple(arguments)).eval()
        with torch.no_grad():
            torch.onnx.export(
                called, tuple(arguments.values()), path, dynamo=False, opset_version=17
            )

    def _need_weights(self) -> None:
        if self.device == "meta":
            raise NotOffered("ONNX files need weights")

    def config(self, path: Path) -> None:
        config = getattr(self.module, "config", None)
        if not hasattr(config, "to_diff_dict"):
            raise NotOffered("not a Hugging Face model")
        path.write_text(json.dumps(config.to_diff_dict(), indent=2, sort_keys=True) + "\n")

    def fx(self, path: Path) -> None:
        inputs = self.model.inputs(self.size)
        names = tuple(each.name for each in inputs)
        module = self.model.build(self.size, "meta")
        if hasattr(module, "config"):
            module = (One if len(inputs) == 1 else Two)(module, names).eval()
        shapes = [InputShape(each.shape, each.dtype) for each in inputs]
        write_json(export_model(module, shapes, self.model.name), path, overwrite=True)


Write = Callable[[Exporter, Path], str | None]

FORMS: dict[str, tuple[str, Write]] = {
    "pt2": ("model.pt2", Exporter.pt2),
    "pt2-eager": ("eager.pt2", Exporter.pt2_eager),
    "pt2-decomposed": ("decomposed.pt2", Exporter.pt2_decomposed),
    "onnx-20": ("model-20.onnx", lambda exporter, path: exporter.onnx(path, 20)),
    "onnx-23": ("model-23.onnx", lambda exporter, path: exporter.onnx(path, 23)),
    "onnx-ts-17": ("model-ts-17.onnx", Exporter.torchscript),
    "config": ("config.json", Exporter.config),
    "fx": ("model.fx.json", Exporter.fx),
}
"""For each form the file it is in and how it is written."""


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keeps what exporters say about their progress off the terminal, also what is not Python."""
    logging.disable(logging.ERROR)
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [(stream, os.dup(stream)) for stream in (1, 2)]
    try:
        with open(os.devnull, "wb") as nowhere, warnings.catch_warnings():
            for stream, _ in kept:
                os.dup2(nowhere.fileno(), stream)
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for stream, copy in kept:
            os.dup2(copy, stream)
            os.close(copy)
        logging.disable(logging.NOTSET)


@contextlib.contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Ends what runs inside after so many seconds, where the system has an alarm clock."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(*_: Any) -> None:
        raise ExportTimeout(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def export(exporter: Exporter, form: str, path: Path) -> str | None:
    """Writes one form and says what had to be changed, ``EAGER`` or ``MASKED``.

    Whatever the exporter raises comes through. Attention is written as its module defines it, not
    as the fused inference kernel that a CPU would run.
    """
    with quietly(), time_limit(TIME_LIMIT_S), slow_attention_path():
        return FORMS[form][1](exporter, path)
