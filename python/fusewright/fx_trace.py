"""Graphs from live modules: symbolic tracing first, ``torch.export`` where that fails.

Symbolic tracing keeps modules, and attention above all, as single nodes, which is the least
decomposed form there is. It cannot follow Python control flow that depends on a tensor;
``torch.export`` can follow some of it, and gives ATen operators instead.
"""

from __future__ import annotations

import contextlib
import inspect
import io
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from fusewright import fx_shapes
from fusewright.fx_error import FxExportError
from fusewright.fx_regions import inline_regions

# As leaves these would hide whole networks, and tracing through them fails on their control
# flow. Failing is right: torch.export then opens them.
NEVER_LEAVES = (
    nn.Transformer,
    nn.TransformerEncoder,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoder,
    nn.TransformerDecoderLayer,
)


class AttentionTracer(torch.fx.Tracer):
    """Traces with attention as a leaf and with some arguments of ``forward`` already bound."""

    def __init__(self, bound: dict[str, Any]) -> None:
        super().__init__()
        self._bound = bound

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Attention stays whole unless its ``forward`` is not torch's own."""
        if isinstance(m, nn.MultiheadAttention):
            return type(m).forward is nn.MultiheadAttention.forward
        if isinstance(m, NEVER_LEAVES):
            return False
        return super().is_leaf_module(m, module_qualified_name)

    def create_args_for_root(
        self, root_fn: Any, is_module: bool, concrete_args: Any = None
    ) -> tuple[Any, list[Any]]:
        """Gives ``forward`` the bound values themselves in place of placeholders."""
        function, arguments = super().create_args_for_root(root_fn, is_module, concrete_args)
        for position, argument in enumerate(arguments):
            if isinstance(argument, torch.fx.Proxy) and argument.node.target in self._bound:
                arguments[position] = self._bound[argument.node.target]
                self.graph.erase_node(argument.node)
        return function, arguments


def trace(model: nn.Module, *, input_count: int | None = None) -> torch.fx.GraphModule:
    """Symbolically traces a model, ``nn.MultiheadAttention`` kept as a leaf.

    With ``input_count``, the arguments of ``forward`` after that many keep their defaults
    (an omitted mask is then ``None`` and not an input). The model is left as it was.
    """
    bound = {} if input_count is None else defaults_after(model, input_count)
    attributes = set(vars(model))
    try:
        graph = AttentionTracer(bound).trace(model)
        return torch.fx.GraphModule(model, graph, type(model).__name__)
    except Exception as error:
        raise FxExportError(
            f"cannot trace {type(model).__name__} symbolically: {error}\n"
            "export_model turns to torch.export in such a case"
        ) from error
    finally:
        # The tracer stores constants it meets on the model; the graph module has them by now.
        for name in set(vars(model)) - attributes:
            delattr(model, name)


def defaults_after(model: nn.Module, input_count: int) -> dict[str, Any]:
    """The arguments of ``forward`` after so many inputs, with the values that they default to."""
    bound: dict[str, Any] = {}
    remaining = input_count
    for parameter in inspect.signature(model.forward).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            if remaining <= 0:
                bound[f"*{parameter.name}"] = ()
        elif parameter.kind is parameter.VAR_KEYWORD:
            bound[f"**{parameter.name}"] = {}
        elif remaining > 0 and parameter.kind is not parameter.KEYWORD_ONLY:
            remaining -= 1
        elif parameter.default is not parameter.empty:
            bound[parameter.name] = parameter.default
    return bound


def trace_exported(
    model: nn.Module, inputs: Sequence[Any], named: Mapping[str, Any] | None = None
) -> torch.fx.GraphModule:
    """The graph that ``torch.export`` makes, with a value on every node.

    ``named`` are inputs by the name of their argument.
    """
    mode = fx_shapes.new_fake_mode()
    names = list(named or {})
    fakes = fx_shapes.fake_inputs(model, [*inputs, *(named or {}).values()], mode, {})
    # When it gives up, torch prints all it had of the graph to stderr, thousands of lines.
    with fx_shapes.slow_attention_path(), contextlib.redirect_stderr(io.StringIO()):
        program = torch.export.export(
            fx_shapes.fake_twin(model, mode),
            fakes[: len(inputs)],
            dict(zip(names, fakes[len(inputs) :], strict=True)),
            strict=False,
        )
    graph_module = program.module()
    for node in list(graph_module.graph.nodes):
        # A check of the input shapes that torch adds; it computes nothing.
        if node.op == "call_module" and node.target == "_guards_fn":
            graph_module.graph.erase_node(node)
    inline_regions(graph_module)
    return graph_module
