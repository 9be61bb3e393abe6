"""From a graph module to the planner, with shapes from wherever they are to be had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from fusewright import fx_shapes
from fusewright.analysis import Analysis, open_source
from fusewright.errors import CaptureError
from fusewright.fx import json_bytes
from fusewright.fx_document import VALUE_KEYS, export_graph
from fusewright.fx_error import FxExportError
from fusewright.sources import Source
from fusewright.transform.examples import guess_inputs
from fusewright.transform.lowering import has_helpers, lowered


def analyze_graph(
    graph_module: torch.fx.GraphModule,
    example_inputs: Sequence[Any] | None = None,
    *,
    name: str | None = None,
    strategies: Sequence[str] | None = None,
    profile: str = "default",
    hw: Any = None,
    **options: Any,
) -> Analysis:
    """Plans a graph module; node names in the plan are those of its graph."""
    source = graph_source(graph_module, example_inputs, name=name)
    model = open_source(source, **options)
    plans = model.plan(strategies and list(strategies), profile=profile, hw=hw)
    return Analysis(model, plans, source, graph_module)


def graph_source(
    graph_module: torch.fx.GraphModule,
    example_inputs: Sequence[Any] | None = None,
    *,
    name: str | None = None,
) -> Source:
    """The FX JSON of a graph module."""
    notes: tuple[str, ...] = ()
    if example_inputs is None and not _carries_values(graph_module):
        guessed = guess_inputs(graph_module)
        if guessed is None:
            raise CaptureError(
                f"the shapes in {type(graph_module).__name__} are not known",
                "give example_inputs, or run torch.fx.passes.shape_prop.ShapeProp first",
            )
        example_inputs, note = guessed
        notes = (note,)
    name = name or type(graph_module).__name__
    steps_of: dict[str, str] = {}
    try:
        if has_helpers(graph_module):
            graph_module, steps_of = lowered(graph_module, _values(graph_module, example_inputs))
        document = export_graph(graph_module, example_inputs, name=name)
    except FxExportError as error:
        raise CaptureError(
            str(error), "check that the example inputs are those of the model"
        ) from error
    return Source(name, json_bytes(document), "graph module", notes, steps_of)


def _carries_values(graph_module: torch.fx.GraphModule) -> bool:
    """Whether some pass left shapes on the nodes that compute."""
    calls = [node for node in graph_module.graph.nodes if node.op.startswith("call")]
    return bool(calls) and all(any(key in node.meta for key in VALUE_KEYS) for node in calls)


def _values(
    graph_module: torch.fx.GraphModule, example_inputs: Sequence[Any] | None
) -> dict[str, Any]:
    """The value of every node by name, fake."""
    if example_inputs is not None:
        return fx_shapes.propagate(graph_module, example_inputs, lambda value: value, {})
    found: dict[str, Any] = {}
    for node in graph_module.graph.nodes:
        for key in VALUE_KEYS:
            value = node.meta.get(key)
            if hasattr(value, "shape"):
                found[node.name] = torch.empty(value.shape, dtype=value.dtype, device="meta")
                break
    return found
