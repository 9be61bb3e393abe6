"""Open-coded attention inside the layers of a live module.

A layer whose own ``forward`` has a softmax is traced by itself, its submodules kept whole. If the
softmax is an attention, the traced layer takes the place of the layer, with the same submodules
and parameters.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from fusewright.fx_trace import AttentionTracer, defaults_after
from fusewright.torch.calling import call
from fusewright.torch.open_coded import rewrite
from fusewright.torch.siblings import Skipped

if TYPE_CHECKING:
    from fusewright.torch.optimize import Optimization


class _LayerTracer(AttentionTracer):
    """Traces one layer; whatever it calls stays whole."""

    # A mask in a buffer is cut to a length that is known only when the layer runs.
    proxy_buffer_attributes = True

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True


def rewrite_layers(model: nn.Module, inputs: Any, done: Optimization) -> None:
    """Rewrites every layer that can be; says why of those that the analysis calls open-coded."""
    if done.analysis is None:
        return
    paths = {site.name for site in done.analysis.attention.sites} - set(done.attentions)
    layers = {path: layer for path in sorted(paths) if (layer := _submodule(model, path))}
    layers = {path: layer for path, layer in layers.items() if path and _spells_softmax(layer)}
    called = _calls(model, inputs, layers)
    for path, layer in layers.items():
        if reason := _why_not(layer, called[path]):
            done.skipped.append(Skipped((path,), reason))
            continue
        try:
            traced = _traced(layer)
        except Exception as error:
            reason = f"its forward cannot be traced: {_first_line(error)}"
            done.skipped.append(Skipped((path,), reason))
            continue
        rewritten = rewrite(traced)
        done.skipped += [Skipped((f"{path}: {name}",), why) for name, why in rewritten.misses]
        if rewritten.count:
            model.set_submodule(path, traced)
            done._undo.append(lambda path=path, layer=layer: _restore(model, path, layer))
            done.attentions.append(path)


def _calls(
    model: nn.Module, inputs: Any, layers: dict[str, nn.Module]
) -> dict[str, set[tuple[int, tuple[str, ...]]]]:
    """How each layer is called: number of arguments, and names of those given by name."""
    seen: dict[str, set[tuple[int, tuple[str, ...]]]] = {path: set() for path in layers}

    def watch(path: str) -> Any:
        return lambda _, args, kwargs: seen[path].add((len(args), tuple(sorted(kwargs))))

    handles = [
        layer.register_forward_pre_hook(watch(path), with_kwargs=True)
        for path, layer in layers.items()
    ]
    try:
        if layers:
            with torch.no_grad():
                call(model, inputs)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _why_not(layer: nn.Module, calls: set[tuple[int, tuple[str, ...]]]) -> str | None:
    """A layer that is traced has one way to be called, and one way to be."""
    if calls != {(len(_required(layer)), ())}:
        return "it is called with arguments that have defaults"
    if ".training" in inspect.getsource(type(layer).forward):
        return "its forward asks whether it is trained"
    return None


def _required(layer: nn.Module) -> list[str]:
    parameters = inspect.signature(layer.forward).parameters.values()
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind in plain]


def _restore(model: nn.Module, path: str, layer: nn.Module) -> None:
    layer.train(model.get_submodule(path).training)
    model.set_submodule(path, layer)


def _traced(layer: nn.Module) -> torch.fx.GraphModule:
    before = set(vars(layer))
    try:
        graph = _LayerTracer(defaults_after(layer, len(_required(layer)))).trace(layer)
    finally:
        for name in set(vars(layer)) - before:
            delattr(layer, name)
    traced = torch.fx.GraphModule(layer, graph, type(layer).__name__)
    return traced.train(layer.training)


def _spells_softmax(layer: nn.Module) -> bool:
    """Whether the source of the layer's own ``forward`` mentions a softmax."""
    try:
        source = inspect.getsource(type(layer).forward)
    except (OSError, TypeError):
        return False
    return "softmax" in source or any(isinstance(m, nn.Softmax) for m in layer.children())


def _submodule(model: nn.Module, path: str) -> nn.Module | None:
    try:
        return model.get_submodule(path)
    except AttributeError:
        return None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
