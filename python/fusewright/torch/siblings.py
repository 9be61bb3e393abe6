"""Which linear layers read one tensor: found by watching one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fusewright.torch.calling import call
from fusewright.torch.packing import version


@dataclass(frozen=True)
class Skipped:
    """Something that stayed as it was, and why."""

    paths: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Found:
    """Sets of layers that always read one tensor together, in the order of their calls."""

    sets: list[list[str]]
    skipped: list[Skipped]


def find_siblings(model: nn.Module, inputs: Any) -> Found:
    """Runs the model once and groups its ``nn.Linear`` layers by the tensor that they read."""
    calls: list[tuple[str, Tensor, int]] = []
    names: dict[int, str] = {}
    handles = []
    for path, module in model.named_modules():
        if isinstance(module, nn.Linear) and id(module) not in names:
            names[id(module)] = path
            handles.append(module.register_forward_pre_hook(_watch(path, calls)))
    try:
        with torch.no_grad():
            call(model, inputs)
    finally:
        for handle in handles:
            handle.remove()
    return _grouped(model, calls)


def _watch(path: str, calls: list[tuple[str, Tensor, int]]) -> Any:
    def hook(_: nn.Module, args: tuple[Any, ...]) -> None:
        if args and isinstance(args[0], Tensor):
            # Kept alive, so that no two tensors of the call have one identity.
            calls.append((path, args[0], version(args[0])))

    return hook


def _grouped(model: nn.Module, calls: list[tuple[str, Tensor, int]]) -> Found:
    groups: dict[tuple[int, int], list[str]] = {}
    for path, tensor, version in calls:
        groups.setdefault((id(tensor), version), []).append(path)
    of_layer: dict[str, list[tuple[str, ...]]] = {}
    for paths in groups.values():
        for path in paths:
            of_layer.setdefault(path, []).append(tuple(dict.fromkeys(paths)))
    sets, skipped, seen = [], [], set()
    for paths in groups.values():
        together = tuple(dict.fromkeys(paths))
        if len(together) < 2 or together in seen:
            continue
        seen.add(together)
        if len(together) != len(paths):
            skipped.append(Skipped(together, "a layer is called twice with one tensor"))
            continue
        apart = [p for p in together if any(set(g) != set(together) for g in of_layer[p])]
        if apart:
            reason = f"`{apart[0]}` reads other tensors without its siblings"
            skipped.append(Skipped(together, reason))
            continue
        usable = _usable(model, together, skipped)
        if len(usable) > 1:
            sets.append(usable)
    return Found(sets, skipped)


def _usable(model: nn.Module, paths: tuple[str, ...], skipped: list[Skipped]) -> list[str]:
    """The layers that can be packed, of one dtype, device and kind of training."""
    uses: dict[int, int] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            uses[id(parameter)] = uses.get(id(parameter), 0) + 1
    kept: list[str] = []
    first: nn.Module | None = None
    for path in paths:
        layer = model.get_submodule(path)
        reason = _why_not(layer, uses, first)
        if reason is None:
            first = first or layer
            kept.append(path)
        else:
            skipped.append(Skipped((path,), reason))
    return kept


def _why_not(layer: nn.Module, uses: dict[int, int], first: nn.Module | None) -> str | None:
    if type(layer) is not nn.Linear:
        return f"a {type(layer).__name__} may do more than nn.Linear"
    hooked = (
        layer._forward_hooks
        or layer._forward_pre_hooks
        or layer._backward_hooks
        or layer._backward_pre_hooks
    )
    if hooked:
        return "hooks are attached to it"
    if "forward" in vars(layer):
        return "its forward was replaced"
    if any(uses[id(parameter)] > 1 for parameter in layer.parameters()):
        return "its weight is shared with another layer"
    if any(p._backward_hooks for p in layer.parameters()):
        return "hooks are attached to its weight"
    if len({p.requires_grad for p in layer.parameters()}) > 1:
        return "weight and bias are not trained together"
    if first is not None:
        for what in ("dtype", "device", "requires_grad"):
            if getattr(layer.weight, what) != getattr(first.weight, what):
                return f"its {what} is not that of its siblings"
    return None
