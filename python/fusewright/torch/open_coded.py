"""Attention that is spelled out in a graph, as one call of ``scaled_dot_product_attention``.

    softmax(q @ kᵀ [· scale] [+ mask, hidden where mask])  [dropout]  @ v

Matching starts at the softmax and goes both ways. Whatever is not understood stays as it is, with
the node at which it was not.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusewright.torch.causal import is_causal
from fusewright.transform import masks

Node = torch.fx.Node

SOFTMAX = (F.softmax, torch.softmax, torch._safe_softmax, "softmax")
MATMUL = (torch.matmul, operator.matmul, torch.bmm, "matmul", "bmm", "__matmul__")
DROPOUT = (F.dropout, torch.dropout)
TRANSPOSE = (torch.transpose, torch.swapaxes, "transpose", "swapaxes")
SUM = (operator.add, operator.iadd, torch.add, "add", "add_")
PRODUCT = (operator.mul, operator.imul, torch.mul, "mul", "mul_")
QUOTIENT = (operator.truediv, operator.itruediv, torch.div, "div", "div_")
FILL = (torch.masked_fill, "masked_fill", "masked_fill_")


class FusedAttention(nn.Module):
    """One attention kernel. ``kinds`` says how each mask acts: ``add`` or ``hide`` where true."""

    def __init__(self, scale: float, dropout: float, kinds: tuple[str, ...], gqa: bool) -> None:
        super().__init__()
        self.scale = scale
        self.dropout = dropout
        self.kinds = kinds
        self.gqa = gqa

    def forward(self, q: Tensor, k: Tensor, v: Tensor, *given: Tensor) -> Tensor:
        """``(…, heads, L, d)``, ``(…, heads, S, d)`` twice, masks → ``(…, heads, L, d)``."""
        causal = "causal" in self.kinds
        mask: Tensor | None = None
        for kind, one in zip((k for k in self.kinds if k != "causal"), given, strict=True):
            added = one.to(q.dtype) if kind == "add" else _hidden(one, q)
            mask = added if mask is None else mask + added
        if causal and (mask is not None or q.shape[-2] != k.shape[-2]):
            raise ValueError("a causal attention was fused for equal lengths and no other mask")
        three = q.dim() == 3
        if three:
            # The fused kernels want an axis of batches and one of heads.
            q, k, v = q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0)
        dropout = self.dropout if self.training else 0.0
        out = F.scaled_dot_product_attention(
            q, k, v, mask, dropout, causal, scale=self.scale, enable_gqa=self.gqa
        )
        return out.squeeze(0) if three else out

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"scale={self.scale:.4g}, dropout={self.dropout}, masks={self.kinds}"


def _hidden(mask: Tensor, like: Tensor) -> Tensor:
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill(mask, float("-inf"))


@dataclass
class Rewritten:
    """What became of a graph."""

    count: int = 0
    causal: int = 0
    misses: list[tuple[str, str]] = field(default_factory=list)
    """Softmax and reason."""


class Miss(Exception):
    """A softmax that is no attention that can be replaced."""


@dataclass
class _Site:
    softmax: Node
    result: Node
    q: Any
    k: Any
    v: Any
    scale: float
    dropout: float
    masks: list[tuple[str, Any]]
    gqa: bool = False


def rewrite(graph_module: torch.fx.GraphModule) -> Rewritten:
    """Replaces what it finds, in place."""
    done = Rewritten()
    graph = graph_module.graph
    for node in list(graph.nodes):
        if not _is(graph_module, node, SOFTMAX, nn.Softmax):
            continue
        try:
            site = _match(graph_module, node)
        except Miss as miss:
            done.misses.append((node.name, str(miss)))
            continue
        if len(site.masks) == 1 and is_causal(graph_module, *site.masks[0]):
            site.masks = [("causal", None)]
        done.causal += any(kind == "causal" for kind, _ in site.masks)
        _replace(graph_module, site, done.count)
        done.count += 1
    if done.count:
        graph.eliminate_dead_code()
        graph.lint()
        graph_module.recompile()
    return done


def _replace(graph_module: torch.fx.GraphModule, site: _Site, number: int) -> None:
    kinds = tuple(kind for kind, _ in site.masks)
    name = f"fused_attention_{number}"
    module = FusedAttention(site.scale, site.dropout, kinds, site.gqa)
    graph_module.add_submodule(name, module.train(graph_module.training))
    given = tuple(mask for _, mask in site.masks if mask is not None)
    with graph_module.graph.inserting_before(site.result):
        call = graph_module.graph.call_module(name, (site.q, site.k, site.v, *given))
    call.meta["nn_module_stack"] = site.result.meta.get("nn_module_stack")
    site.result.replace_all_uses_with(call)


def _match(owner: torch.fx.GraphModule, softmax: Node) -> _Site:
    scores = _scores_of(owner, softmax)
    dropout, weights = 0.0, softmax
    reader = _only_reader(weights, "the weights")
    if (p := _dropout_of(owner, reader)) is not None:
        dropout, weights = p, reader
        reader = _only_reader(weights, "the weights")
    if not _is(owner, reader, MATMUL) or reader.args[0] is not weights:
        raise Miss(f"`{reader.name}` is no product of weights and values")
    v = _argument(reader, 1)

    scale, found = 1.0, []
    while True:
        if _is(owner, scores, MATMUL):
            break
        step = _peel(owner, scores)
        if step is None:
            raise Miss(f"`{scores.name}` is no step of an attention")
        scores, factor, mask = step
        if mask is not None:
            if scale != 1.0:
                raise Miss("the scale comes after the mask")
            found.append(mask)
        scale *= factor
        _only_reader(scores, "the scores")
    q, k = scores.args[0], _untransposed(owner, _argument(scores, 1))
    site = _Site(softmax, reader, q, k, v, scale, dropout, list(reversed(found)))
    _without_repeats(owner, site)
    return site


def _scores_of(owner: torch.fx.GraphModule, softmax: Node) -> Node:
    if softmax.op == "call_module":
        axis = owner.get_submodule(str(softmax.target)).dim
        dtype = None
    else:
        axis = softmax.kwargs.get("dim", softmax.args[1] if len(softmax.args) > 1 else None)
        dtype = softmax.kwargs.get("dtype")
    if axis not in (-1, 3):
        raise Miss(f"the softmax is along axis {axis}, not the last")
    if dtype not in (None, torch.float32):
        raise Miss(f"the softmax is in {dtype}")
    scores = softmax.args[0] if softmax.args else softmax.kwargs.get("input")
    if not isinstance(scores, Node):
        raise Miss("the softmax has no scores")
    _only_reader(scores, "the scores")
    return scores


def _dropout_of(owner: torch.fx.GraphModule, node: Node) -> float | None:
    if node.op == "call_module":
        module = owner.get_submodule(str(node.target))
        if isinstance(module, nn.Identity):
            return 0.0
        return module.p if type(module) is nn.Dropout else None
    if node.op == "call_function" and node.target in DROPOUT:
        p = node.kwargs.get("p", node.args[1] if len(node.args) > 1 else 0.5)
        training = node.kwargs.get("training", node.args[2] if len(node.args) > 2 else True)
        if not isinstance(p, (int, float)):
            return None
        # Tracing fixed the mode that the model was in.
        return float(p) if training is True else 0.0 if training is False else None
    return None


def _peel(owner: torch.fx.GraphModule, node: Node) -> Any:
    """What the outermost step of the scores works on, its factor, and its mask."""
    if node.op == "call_function" and node.target in masks.HELPERS:
        inner = node.args[0]
        if node.target is masks.causal_scores:
            return inner, 1.0, ("causal", None)
        if node.args[2]:
            raise Miss("keys are appended to those of the call")
        raise Miss("the kind of its mask is known only when it runs")
    if _is(owner, node, PRODUCT):
        number = [a for a in node.args if isinstance(a, (int, float))]
        inner = [a for a in node.args if isinstance(a, Node)]
        if len(number) == 1 and len(inner) == 1:
            return inner[0], float(number[0]), None
    if _is(owner, node, QUOTIENT):
        divisor = node.args[1]
        if isinstance(node.args[0], Node) and isinstance(divisor, (int, float)) and divisor:
            return node.args[0], 1.0 / float(divisor), None
    if _is(owner, node, SUM) and not node.kwargs:
        for inner, mask in (node.args, node.args[::-1]):
            if (
                isinstance(inner, Node)
                and isinstance(mask, Node)
                and _leads_to_product(owner, inner)
            ):
                return inner, 1.0, ("add", mask)
    if _is(owner, node, FILL):
        value = node.args[2] if len(node.args) > 2 else node.kwargs.get("value")
        if isinstance(value, (int, float)) and value == -math.inf:
            return node.args[0], 1.0, ("hide", node.args[1])
        raise Miss(f"masked scores are {value}, not −∞: hidden keys would keep weight")
    return None


def _leads_to_product(owner: torch.fx.GraphModule, node: Node) -> bool:
    """Whether scores begin here, so that the other operand of a sum is the mask."""
    for _ in range(8):
        if _is(owner, node, MATMUL):
            return True
        operands = [arg for arg in node.args[:1] if isinstance(arg, Node)]
        known = (*PRODUCT, *QUOTIENT, *SUM, *FILL)
        if not operands or not (_is(owner, node, known) or node.target in masks.HELPERS):
            return False
        node = operands[0]
    return False


def _untransposed(owner: torch.fx.GraphModule, keys: Any) -> Any:
    """Keys before their last two axes were exchanged; a view of them where they were not."""
    if isinstance(keys, Node):
        axes = keys.args[1:3]
        if _is(owner, keys, TRANSPOSE) and set(axes) in ({-1, -2}, {2, 3}):
            return keys.args[0]
        if keys.op == "call_function" and keys.target is getattr and keys.args[1] == "mT":
            return keys.args[0]
        with keys.graph.inserting_after(keys):
            return keys.graph.call_method("transpose", (keys, -2, -1))
    raise Miss("the keys are no tensor of the graph")


def _without_repeats(owner: torch.fx.GraphModule, site: _Site) -> None:
    """Heads of keys and values that are repeated for the queries need not be."""
    k, v = _before_repeat(owner, site.k), _before_repeat(owner, site.v)
    if k is not None and v is not None:
        site.k, site.v, site.gqa = k, v, True


def _before_repeat(owner: torch.fx.GraphModule, node: Any) -> Node | None:
    if not isinstance(node, Node):
        return None
    if _is(owner, node, (torch.repeat_interleave, "repeat_interleave")):
        axis = node.kwargs.get("dim", node.args[2] if len(node.args) > 2 else None)
        return node.args[0] if axis in (1, -3) else None
    if _is(owner, node, (torch.reshape, "reshape")) and isinstance(node.args[0], Node):
        expanded = node.args[0]
        if _is(owner, expanded, ("expand",)) and isinstance(expanded.args[0], Node):
            index = expanded.args[0]
            whole = slice(None)
            cut = index.args[1] if index.target is operator.getitem else None
            if isinstance(cut, tuple) and cut[:3] == (whole, whole, None):
                return index.args[0]
            if _is(owner, index, (torch.unsqueeze, "unsqueeze")) and index.args[1] == 2:
                return index.args[0]
    return None


def _is(
    owner: torch.fx.GraphModule, node: Any, targets: Any, module: type[nn.Module] | None = None
) -> bool:
    if not isinstance(node, Node):
        return False
    if node.op == "call_module":
        return module is not None and type(owner.get_submodule(str(node.target))) is module
    if node.op == "call_function":
        return any(node.target is target for target in targets)
    return node.op == "call_method" and node.target in [t for t in targets if isinstance(t, str)]


def _only_reader(node: Node, what: str) -> Node:
    readers = list(node.users)
    if len(readers) != 1:
        raise Miss(f"{what} (`{node.name}`) are read by {len(readers)} nodes")
    return readers[0]


def _argument(node: Node, position: int) -> Any:
    if len(node.args) <= position:
        raise Miss(f"`{node.name}` has its operands by keyword")
    return node.args[position]
