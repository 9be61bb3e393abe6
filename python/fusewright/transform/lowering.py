"""Graphs as the planner reads them: nodes that decide when they run, opened for known shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.node import map_arg

from fusewright.transform.masks import HELPERS


def lowered(
    graph_module: torch.fx.GraphModule, values: Mapping[str, Any]
) -> tuple[torch.fx.GraphModule, dict[str, str]]:
    """A copy without helper nodes, and the node that each new one came from.

    ``values`` are the values of all nodes by name, of which only shape and dtype matter. The last
    node of what a helper becomes has its name, the others begin with it.
    """
    graph = torch.fx.Graph()
    copies: dict[torch.fx.Node, Any] = {}
    came_from: dict[str, str] = {}
    for node in graph_module.graph.nodes:
        if node.op != "call_function" or node.target not in HELPERS:
            copies[node] = graph.node_copy(node, lambda each: copies[each])
            copies[node].meta = dict(node.meta)
            continue
        copies[node] = _inlined(graph, node, copies, values, came_from)
    return torch.fx.GraphModule(graph_module, graph, type(graph_module).__name__), came_from


def has_helpers(graph_module: torch.fx.GraphModule) -> bool:
    """Whether ``lowered`` would change anything."""
    nodes = graph_module.graph.nodes
    return any(node.op == "call_function" and node.target in HELPERS for node in nodes)


def _inlined(
    graph: torch.fx.Graph,
    node: torch.fx.Node,
    copies: dict[torch.fx.Node, Any],
    values: Mapping[str, Any],
    came_from: dict[str, str],
) -> Any:
    """The operations of one helper call for the values that it gets here."""
    tensors = [arg for arg in node.args if isinstance(arg, torch.fx.Node)]

    def call(*given: torch.Tensor) -> torch.Tensor:
        by_node = dict(zip(tensors, given, strict=True))
        args = [by_node[arg] if isinstance(arg, torch.fx.Node) else arg for arg in node.args]
        return node.target(*args)

    examples = [_meta(values[tensor.name]) for tensor in tensors]
    body = make_fx(call)(*examples).graph
    places = [each for each in body.nodes if each.op == "placeholder"]
    inner = {place: copies[each] for place, each in zip(places, tensors, strict=True)}
    (output,) = (each for each in body.nodes if each.op == "output")
    last = output.args[0]
    for each in body.nodes:
        if each.op in ("placeholder", "output"):
            continue
        args, kwargs = map_arg((each.args, each.kwargs), lambda one: inner[one])
        name = node.name if each is last else f"{node.name}_{each.name}"
        made = graph.create_node(each.op, each.target, args, kwargs, name)
        made.meta = {"nn_module_stack": node.meta.get("nn_module_stack")}
        came_from[made.name] = node.name
        inner[each] = made
    return inner[last]


def _meta(value: Any) -> torch.Tensor:
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
