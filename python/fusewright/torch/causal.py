"""Masks that a model keeps in a buffer and cuts to length: are they causal at every length?

The steps of the mask are run with the whole buffer in place of a cut. If that is causal, so is
every square that begins at its first row and column.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor

Node = torch.fx.Node


def is_causal(owner: torch.fx.GraphModule, kind: str, mask: Any) -> bool:
    """Whether a mask hides from each query exactly the keys behind it, whatever the length.

    ``kind`` is ``hide`` (true hides) or ``add``. Only masks of one buffer and of sizes are looked
    at; one that any tensor given to the model takes part in is not known before it runs.
    """
    if kind == "causal":
        return True
    steps = _ancestors(mask)
    if steps is None:
        return False
    buffers = [node for node in steps if node.op == "get_attr"]
    if len(buffers) != 1:
        return False
    value = _attribute(owner, str(buffers[0].target))
    if not isinstance(value, Tensor) or value.dim() < 2 or value.is_meta:
        return False
    length = value.shape[-1]
    if value.shape[-2] != length or length < 2:
        return False
    try:
        whole = _run(owner, steps, mask, length)
    except Exception:
        # Steps that do not work for the whole buffer say nothing about its parts.
        return False
    return _hides_what_follows(kind, whole, length)


def _ancestors(mask: Any) -> list[Node] | None:
    """The steps of a mask in order, sizes included; nothing if a given tensor takes part."""
    needed: set[Node] = set()
    pending = [mask]
    while pending:
        node = pending.pop()
        if not isinstance(node, Node) or node in needed:
            continue
        if node.op in ("placeholder", "call_module"):
            return None
        needed.add(node)
        if not _is_size(node):
            pending += node.all_input_nodes
    return [node for node in mask.graph.nodes if node in needed]


def _is_size(node: Node) -> bool:
    if node.op == "call_method":
        return node.target == "size"
    return node.op == "call_function" and node.target is getattr and node.args[1] == "shape"


class _Sizes:
    """Every size of a tensor is the length of the buffer."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __getitem__(self, axis: Any) -> int:
        return self.length


def _run(owner: torch.fx.GraphModule, steps: list[Node], mask: Node, length: int) -> Any:
    values: dict[Node, Any] = {}
    for node in steps:
        if node.op == "get_attr":
            values[node] = _attribute(owner, str(node.target))
        elif _is_size(node):
            whole = node.target == "size" and len(node.args) > 1
            values[node] = length if whole else _Sizes(length)
        else:
            args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), lambda n: values[n])
            if node.op == "call_method":
                values[node] = getattr(args[0], str(node.target))(*args[1:], **kwargs)
            elif node.target is operator.getitem and isinstance(args[0], Tensor):
                # Of every axis the beginning; a cut elsewhere would be another pattern.
                cut = args[1] if isinstance(args[1], tuple) else (args[1],)
                if any(isinstance(c, slice) and (c.start or c.step not in (None, 1)) for c in cut):
                    raise ValueError("the mask does not begin where the buffer does")
                values[node] = args[0][args[1]]
            else:
                values[node] = node.target(*args, **kwargs)
    return values[mask]


def _hides_what_follows(kind: str, mask: Any, length: int) -> bool:
    if not isinstance(mask, Tensor) or mask.shape[-2:] != (length, length):
        return False
    later = torch.ones(length, length, dtype=torch.bool, device=mask.device).triu(1)
    if kind == "hide":
        return mask.dtype == torch.bool and bool((mask == later).all())
    hidden = mask == float("-inf")
    return bool((hidden == later).all()) and bool((mask.masked_fill(hidden, 0) == 0).all())


def _attribute(owner: Any, path: str) -> Any:
    for name in path.split("."):
        owner = getattr(owner, name)
    return owner
