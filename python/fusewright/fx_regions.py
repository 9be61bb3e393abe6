"""Opens the regions that ``torch.export`` makes of blocks under ``torch.no_grad``.

Such a block becomes one call of a higher-order operator with the block's graph as an argument.
For what a model computes it makes no difference, and a reader of FX JSON sees no inner graphs.
"""

from __future__ import annotations

import operator
from typing import Any

import torch

# The operator, and how many arguments stand before the graph.
GRAD_MODE = (torch.ops.higher_order.wrap_with_set_grad_enabled, 1)
AUTOCAST = (torch.ops.higher_order.wrap_with_autocast, 4)
AUTOCAST_ENABLED = 2


def inline_regions(graph_module: torch.fx.GraphModule) -> None:
    """Puts the nodes of each region where the call was, inner regions first.

    Regions under an autocast that is enabled stay: there dtypes are not those of the operands.
    """
    for node in list(graph_module.graph.nodes):
        found = _region(graph_module, node)
        if found is None:
            continue
        body, operands = found
        inline_regions(body)
        places = [each for each in body.graph.nodes if each.op == "placeholder"]
        # A graph that reads attributes of its own cannot move to another owner.
        if len(places) == len(operands) and all(each.op != "get_attr" for each in body.graph.nodes):
            _inline(graph_module.graph, node, body.graph, dict(zip(places, operands, strict=True)))


def _region(
    owner: torch.fx.GraphModule, node: torch.fx.Node
) -> tuple[torch.fx.GraphModule, list[Any]] | None:
    """The graph of a call and its operands, for a call that can be opened."""
    if node.op != "call_function":
        return None
    for target, flags in (GRAD_MODE, AUTOCAST):
        if node.target is not target or len(node.args) <= flags:
            continue
        if target is AUTOCAST[0] and node.args[AUTOCAST_ENABLED] is not False:
            return None
        where = node.args[flags]
        if isinstance(where, torch.fx.Node) and where.op == "get_attr":
            body = owner.get_submodule(where.target)
            if isinstance(body, torch.fx.GraphModule):
                return body, list(node.args[flags + 1 :])
    return None


def _inline(
    graph: torch.fx.Graph,
    call: torch.fx.Node,
    body: torch.fx.Graph,
    values: dict[torch.fx.Node, Any],
) -> None:
    with graph.inserting_before(call):
        results = graph.graph_copy(body, values)
    for reader in list(call.users):
        item = results
        if reader.op == "call_function" and reader.target is operator.getitem:
            item = results[reader.args[1]] if isinstance(results, (tuple, list)) else results
            reader.replace_all_uses_with(item)
            graph.erase_node(reader)
        elif isinstance(results, torch.fx.Node):
            reader.replace_input_with(call, results)
    bodies = [each for each in call.all_input_nodes if each.op == "get_attr"]
    if not call.users:
        graph.erase_node(call)
    for each in bodies:
        if not each.users:
            graph.erase_node(each)
