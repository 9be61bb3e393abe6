"""Projections of a graph that are written as functions, with rows of one packed weight."""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F

Node = torch.fx.Node


def merge_functional(graph_module: torch.fx.GraphModule) -> list[tuple[str, ...]]:
    """Joins calls of ``linear`` on one input whose weights are neighbouring rows of one parameter.

    Gives the names of the nodes of each join. The parameter itself is the joined weight, so
    nothing is copied and nothing of the module's state changes.
    """
    by_input: dict[tuple[Node, str, str | None], list[tuple[slice, Node]]] = {}
    for node in graph_module.graph.nodes:
        if node.op != "call_function" or node.target is not F.linear or len(node.args) < 2:
            continue
        weight = _rows(node.args[1])
        bias_node = node.args[2] if len(node.args) > 2 else node.kwargs.get("bias")
        bias = None if bias_node is None else _rows(bias_node)
        if weight is None or (bias_node is not None and (bias is None or bias[1] != weight[1])):
            continue
        key = (node.args[0], weight[0], bias and bias[0])
        by_input.setdefault(key, []).append((weight[1], node))
    merged = []
    for (source, weight, bias), members in by_input.items():
        members.sort(key=lambda member: member[0].start)
        ends = [rows.stop for rows, _ in members]
        starts = [rows.start for rows, _ in members]
        if len(members) > 1 and ends[:-1] == starts[1:]:
            _join(graph_module.graph, source, weight, bias, members)
            merged.append(tuple(node.name for _, node in members))
    if merged:
        graph_module.graph.eliminate_dead_code()
        graph_module.recompile()
    return merged


def _rows(node: Any) -> tuple[str, slice] | None:
    """The parameter and the rows of it that a node is."""
    if not isinstance(node, Node) or node.op != "call_function":
        return None
    if node.target is not operator.getitem or not isinstance(node.args[1], slice):
        return None
    source, rows = node.args
    plain = isinstance(rows.start, int) and isinstance(rows.stop, int) and rows.step in (None, 1)
    if source.op != "get_attr" or not plain:
        return None
    return str(source.target), rows


def _join(
    graph: torch.fx.Graph,
    source: Node,
    weight: str,
    bias: str | None,
    members: list[tuple[slice, Node]],
) -> None:
    first = min((node for _, node in members), key=list(graph.nodes).index)
    start, stop = members[0][0].start, members[-1][0].stop
    with graph.inserting_before(first):
        rows = slice(start, stop)
        joined = [
            graph.call_function(operator.getitem, (graph.get_attr(name), rows))
            for name in (weight, bias)
            if name is not None
        ]
        product = graph.call_function(F.linear, (source, *joined))
        product.meta["nn_module_stack"] = first.meta.get("nn_module_stack")
        for place, node in members:
            length = place.stop - place.start
            part = graph.call_method("narrow", (product, -1, place.start - start, length))
            node.replace_all_uses_with(part)
