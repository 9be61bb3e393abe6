"""Tracing with attention opened: graph modules in which every step of attention is a node."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from fusewright.errors import CaptureError
from fusewright.fx_trace import AttentionTracer
from fusewright.transform.attention import attend, is_plain_attention
from fusewright.transform.encoder import written_out

log = logging.getLogger("fusewright.transform")


class DecomposingAttentionTracer(AttentionTracer):
    """A ``torch.fx.Tracer`` that writes out ``nn.MultiheadAttention`` as it goes.

    ``decomposed_modules`` lists the paths of the layers that were opened, one entry a call.
    Encoder and decoder layers of ``nn.Transformer`` are opened too. Parameters stay where they
    are: the graph reads those of the model. Arguments of ``forward`` in ``bound`` have these
    values and are no inputs of the graph.
    """

    # A buffer may be cut to sizes that are known only when the graph runs.
    proxy_buffer_attributes = True

    def __init__(self, bound: Mapping[str, Any] | None = None) -> None:
        super().__init__(dict(bound or {}))
        self.decomposed_modules: list[str] = []

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Attention and transformer layers are never leaves."""
        if is_plain_attention(m) or written_out(m) is not None:
            return False
        return super().is_leaf_module(m, module_qualified_name)

    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Puts the steps of attention in place of its call."""
        if is_plain_attention(m):
            self.decomposed_modules.append(self.path_of_module(m))
            forward = functools.partial(attend, m)
        elif (steps := written_out(m)) is not None:
            forward = functools.partial(steps, m)
        return super().call_module(m, forward, args, kwargs)


def trace_with_decomposition(
    model: nn.Module, concrete_args: Mapping[str, Any] | None = None
) -> torch.fx.GraphModule:
    """A runnable graph module with every ``nn.MultiheadAttention`` decomposed.

    It shares the parameters of ``model``: training, moving or loading one is doing it to both.
    Arguments of ``forward`` that have a default keep it; ``concrete_args`` binds others, or opens
    one that has a default with ``torch.fx.PH``. Training and evaluation are those of the model
    when it is traced. Raises ``CaptureError`` for Python control flow that depends on values.
    """
    tracer = DecomposingAttentionTracer(_bound(model, dict(concrete_args or {})))
    root = _callable_root(model)
    before = set(vars(model))
    try:
        graph = tracer.trace(root)
    except Exception as error:
        raise CaptureError(
            f"cannot trace {type(model).__name__}: {_first_line(error)}",
            "fusewright.analyze(model, inputs) follows more models, with torch.export",
        ) from error
    finally:
        # A tracer leaves the constants that it met on the model; the graph module copies them.
        constants = {name: vars(model)[name] for name in set(vars(model)) - before}
    traced = torch.fx.GraphModule(root, graph, type(model).__name__)
    for name in constants:
        delattr(model, name)
    traced.decomposed_modules = list(tracer.decomposed_modules)
    log.info("decomposed %d attention layers", len(tracer.decomposed_modules))
    return traced


class _Root(nn.Module):
    """Calls a layer that a tracer would not open, because it traces what is inside a module."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.train(layer.training)


def _callable_root(model: nn.Module) -> nn.Module:
    if not is_plain_attention(model) and written_out(model) is None:
        return model
    root = _Root.__new__(type("Root", (_Root,), {"forward": _forwarding(model)}))
    training = model.training
    _Root.__init__(root, model)
    model.training = training
    return root


def _forwarding(model: nn.Module) -> Callable[..., Any]:
    """``def forward(self, query, …): return self.layer(query, …)`` with the layer's arguments."""
    parameters = list(inspect.signature(model.forward).parameters.values())
    names = [parameter.name for parameter in parameters]
    scope: dict[str, Any] = {}
    heads = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters]
    exec(
        f"def forward(self, {', '.join(heads)}):\n    return self.layer({', '.join(names)})\n",
        scope,
    )
    return scope["forward"]


def _bound(model: nn.Module, given: dict[str, Any]) -> dict[str, Any]:
    """What ``forward`` is traced with: given values, else defaults; the rest stays open."""
    bound = dict(given)
    for parameter in inspect.signature(model.forward).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            bound.setdefault(f"*{parameter.name}", ())
        elif parameter.kind is parameter.VAR_KEYWORD:
            bound.setdefault(f"**{parameter.name}", {})
        elif parameter.default is not parameter.empty:
            bound.setdefault(parameter.name, parameter.default)
    return {name: value for name, value in bound.items() if value is not torch.fx.PH}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
