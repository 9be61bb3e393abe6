"""Live modules as FX JSON: the way that keeps most, found without asking the user.

1. a graph module is taken as it is, an exported program is opened;
2. other modules are traced symbolically, which keeps attention layers whole;
3. what tracing cannot follow goes through ``torch.export``;
4. a transformers model without inputs is read from its configuration.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from fusewright.errors import CaptureError, UsageError
from fusewright.fx import json_bytes
from fusewright.fx_document import export_graph, export_model
from fusewright.fx_error import FxExportError
from fusewright.fx_regions import inline_regions
from fusewright.fx_shapes import as_inputs
from fusewright.fx_trace import trace_exported
from fusewright.sources import Source
from fusewright.transform.examples import guess_inputs
from fusewright.transform.graph_source import graph_source

HELP = (
    "try an input of another shape, a submodule (analyze(model.encoder, …)), a file "
    "(torch.export.save, torch.onnx.export) or, for a transformers model, its configuration "
    "(analyze(model.config))"
)


def live_source(model: Any, inputs: Any, name: str | None) -> Source:
    """The FX JSON of anything live, and how it came about."""
    if isinstance(model, torch.export.ExportedProgram):
        return exported_source(model, name or "ExportedProgram")
    if isinstance(model, torch.fx.GraphModule):
        return graph_source(model, _positional(model, inputs), name=name)
    name = name or type(model).__name__
    if inputs is None and _is_transformers(model):
        return _config_source(model, name)
    notes: tuple[str, ...] = ()
    if inputs is None:
        guessed = guess_inputs(model)
        if guessed is None:
            raise UsageError(
                f"the inputs of {name} cannot be guessed",
                "give example inputs: fusewright.analyze(model, torch.randn(…)) or (model, {…})",
            )
        inputs, note = guessed
        notes = (note,)
    if _is_transformers(model) and not isinstance(inputs, Mapping):
        # Symbolic tracing never follows these, and a cache among the results stops torch.export.
        names = inspect.signature(model.forward).parameters
        inputs = dict(zip(names, as_inputs(inputs), strict=False))
    if isinstance(inputs, Mapping):
        return _from_keywords(model, dict(inputs), name, notes)
    try:
        document = export_model(model, as_inputs(inputs), name)
    except FxExportError as error:
        raise CaptureError(str(error), HELP) from error
    tracer = document["producer"]["tracer"]
    via = "torch.fx" if tracer == "symbolic_trace" else tracer
    return Source(name, json_bytes(document), via, notes)


def exported_source(program: torch.export.ExportedProgram, name: str) -> Source:
    """The FX JSON of an exported program, without its weights."""
    module = program.module(check_guards=False)
    for node in list(module.graph.nodes):
        if node.op == "call_module" and node.target == "_guards_fn":
            module.graph.erase_node(node)
    inline_regions(module)
    return Source(name, json_bytes(export_graph(module, name=name)), "torch.export")


def _from_keywords(
    model: nn.Module, inputs: dict[str, Any], name: str, notes: tuple[str, ...]
) -> Source:
    """Arguments by name, as a tokenizer or an image processor gives them."""
    known = inspect.signature(model.forward).parameters
    unknown = [key for key in inputs if key not in known]
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in known.values()):
        raise UsageError(
            f"{type(model).__name__}.forward has no argument {unknown[0]!r}",
            f"its arguments are {', '.join(known)}",
        )
    if _is_transformers(model) and "use_cache" in known and "use_cache" not in inputs:
        inputs["use_cache"] = False
        notes = (*notes, "without a cache of keys and values: use_cache=False")
    try:
        module = trace_exported(model, (), inputs)
        document = export_graph(module, name=name)
    except Exception as error:
        raise CaptureError(
            f"torch.export cannot follow {type(model).__name__}: {_first_line(error)}", HELP
        ) from error
    return Source(name, json_bytes(document), "torch.export", notes)


def _config_source(model: nn.Module, name: str) -> Source:
    config = {**model.config.to_dict(), "architectures": [type(model).__name__]}
    note = "inputs were not given; read from the model's configuration"
    return Source(name, json.dumps(config, default=str).encode(), "config", (note,))


def _is_transformers(model: nn.Module) -> bool:
    loaded = sys.modules.get("transformers")
    return loaded is not None and isinstance(model, loaded.PreTrainedModel)


def _positional(model: torch.fx.GraphModule, inputs: Any) -> tuple[Any, ...] | None:
    """Inputs of a graph module in the order of its placeholders."""
    if inputs is None or not isinstance(inputs, Mapping):
        return None if inputs is None else as_inputs(inputs)
    places = [str(node.target) for node in model.graph.nodes if node.op == "placeholder"]
    missing = [place for place in places if place not in inputs]
    if missing:
        raise UsageError(f"the graph has an input `{missing[0]}`, which was not given")
    return tuple(inputs[place] for place in places)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
