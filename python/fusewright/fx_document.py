"""From a graph to one FX JSON document: find the shapes, write everything down.

``export_graph`` takes a graph module as it is; ``export_model`` makes the graph first, and is
the one to use for a model. Both give plain dictionaries and lists, ready for JSON.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from fusewright import fx_shapes
from fusewright.fx_encoding import (
    SymbolTable,
    describe_value,
    encode_argument,
    function_target,
    type_name,
)
from fusewright.fx_error import FxExportError
from fusewright.fx_tables import attribute, module_table, parameter_table
from fusewright.fx_trace import trace, trace_exported

FORMAT = "fx-graph"
VERSION = 1

# Where tracers and compilers leave a node's value, the most precise first.
VALUE_KEYS = ("val", "example_value", "tensor_meta")

# How torch.compile begins a path, and what torch.export puts where there is none.
FRAME = re.compile(r"^L\['\w+'\]\.?")
NO_MODULE = "_empty_nn_module_stack_from_metadata_hook"

log = logging.getLogger("fusewright.fx")


def export_graph(
    graph_module: torch.fx.GraphModule,
    example_inputs: Sequence[Any] | None = None,
    *,
    name: str | None = None,
) -> dict[str, Any]:
    """The document of any graph module.

    ``example_inputs`` are tensors (only shape and dtype matter; meta tensors do) or bare
    shapes, in which a ``Dim`` leaves a size open under its name. Without them the shapes are those the nodes already carry, and what no node
    carries is ``{"opaque": "unknown"}``.
    """
    symbols = SymbolTable()
    if example_inputs is None:
        outs = _remembered_values(graph_module, symbols)
    else:
        outs = fx_shapes.propagate(
            graph_module,
            example_inputs,
            lambda value: describe_value(value, symbols),
            symbols.names,
        )
    return _document(graph_module, graph_module, outs, symbols, name)


def export_model(
    model: nn.Module, example_inputs: Sequence[Any], name: str | None = None
) -> dict[str, Any]:
    """Traces a model and exports the graph; says so when it has to use ``torch.export``.

    ``example_inputs`` are as for ``export_graph``: one per argument of ``forward``, those left
    out keeping their defaults. The document lists all parameters of the model, those its
    graph does not use as well.
    """
    if isinstance(model, torch.fx.GraphModule):
        return export_graph(model, example_inputs, name=name)
    name = name or type(model).__name__
    inputs = fx_shapes.as_inputs(example_inputs)
    symbols = SymbolTable()
    tracer = "symbolic_trace"
    try:
        graph_module = trace(model, input_count=len(inputs))
        outs = fx_shapes.propagate(
            graph_module, inputs, lambda value: describe_value(value, symbols), symbols.names
        )
    except FxExportError as reason:
        if fx_shapes.has_open_sizes(inputs):
            raise
        log.warning("%s: %s", name, _first_line(reason))
        log.warning("%s: using torch.export instead; the targets are ATen operators", name)
        tracer = "torch.export"
        graph_module = _exported(model, inputs, reason)
        outs = _remembered_values(graph_module, symbols)
    document = _document(graph_module, model, outs, symbols, name)
    document["producer"] |= {"tracer": tracer, **_library_version(model)}
    return document


def _exported(
    model: nn.Module, inputs: Sequence[Any], reason: FxExportError
) -> torch.fx.GraphModule:
    try:
        return trace_exported(model, inputs)
    except Exception as error:
        raise FxExportError(
            f"neither way of tracing can follow {type(model).__name__}\n"
            f"  symbolic_trace: {_first_line(reason)}\n"
            f"  torch.export: {_first_line(error)}\n"
            "export the part without data-dependent Python control flow, or export the model "
            "to ONNX and plan the ONNX file"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _library_version(model: nn.Module) -> dict[str, str]:
    package = type(model).__module__.partition(".")[0]
    version = getattr(sys.modules.get(package), "__version__", None)
    return {package: _release(version)} if isinstance(version, str) else {}


def _release(version: str) -> str:
    # "+cpu" or "+cu130" tells builds apart, not graphs.
    return version.partition("+")[0]


def _document(
    graph_module: torch.fx.GraphModule,
    model: nn.Module,
    outs: dict[str, Any],
    symbols: SymbolTable,
    name: str | None,
) -> dict[str, Any]:
    nodes = list(graph_module.graph.nodes)
    return {
        "format": FORMAT,
        "version": VERSION,
        "producer": {"torch": _release(str(torch.__version__))},
        "name": name or type(graph_module).__name__,
        "training": model.training,
        "symbols": symbols.entries,
        "inputs": [node.name for node in nodes if node.op == "placeholder"],
        "nodes": [_node_entry(node, outs[node.name]) for node in nodes],
        "modules": module_table(graph_module),
        "params": parameter_table(model, graph_module),
    }


def _node_entry(node: torch.fx.Node, out: Any) -> dict[str, Any]:
    is_function = node.op == "call_function"
    return {
        "name": node.name,
        "op": node.op,
        "target": function_target(node.target) if is_function else node.target,
        "args": [encode_argument(argument) for argument in node.args],
        "kwargs": {key: encode_argument(value) for key, value in node.kwargs.items()},
        "out": out,
        "scope": _scope(node),
    }


def _scope(node: torch.fx.Node) -> str:
    """The path of the innermost module whose ``forward`` made the call, "" for the root."""
    entries = (node.meta.get("nn_module_stack") or {}).values()
    stack = [FRAME.sub("", path) for path, _ in entries if path != NO_MODULE]
    if node.op != "call_module":
        return stack[-1] if stack else ""
    if not stack:
        return node.target.rpartition(".")[0]
    # A tracer puts the called leaf itself on top of the stack.
    callers = stack[:-1] if stack[-1] == node.target else stack
    return callers[-1] if callers else ""


def _remembered_values(graph_module: torch.fx.GraphModule, symbols: SymbolTable) -> dict[str, Any]:
    outs: dict[str, Any] = {}
    for node in graph_module.graph.nodes:
        outs[node.name] = _remembered_value(graph_module, node, outs, symbols)
    return outs


def _remembered_value(
    graph_module: torch.fx.GraphModule,
    node: torch.fx.Node,
    outs: dict[str, Any],
    symbols: SymbolTable,
) -> Any:
    for key in VALUE_KEYS:
        if key in node.meta:
            return describe_value(node.meta[key], symbols)
    if node.op == "get_attr":
        return describe_value(attribute(graph_module, node.target), symbols)
    if node.op == "output":
        return _gathered(node.args[0], outs, symbols)
    cls = node.meta.get("type")
    if cls is type(None):
        return {"const": None}
    return {"opaque": "unknown" if cls is None else type_name(cls)}


def _gathered(result: Any, outs: dict[str, Any], symbols: SymbolTable) -> Any:
    if isinstance(result, torch.fx.Node):
        return outs[result.name]
    if isinstance(result, (tuple, list)):
        return [_gathered(item, outs, symbols) for item in result]
    return describe_value(result, symbols)
