"""Applies a plan to a live module: joined projections, fused attention, checked on the spot."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from fusewright.analysis import Analysis, analyze
from fusewright.errors import CaptureError, FusewrightError, NotEquivalentError, UsageError
from fusewright.torch import multihead, open_coded
from fusewright.torch.calling import call, difference, tensors
from fusewright.torch.functional import merge_functional
from fusewright.torch.layers import rewrite_layers
from fusewright.torch.packing import PackedSet
from fusewright.torch.siblings import Skipped, find_siblings

log = logging.getLogger("fusewright.torch")

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 5e-2}
ATTRIBUTE = "fusewright"


@dataclass
class Optimization:
    """What was done to a module; it is the module's attribute ``fusewright``."""

    packed: list[tuple[str, ...]] = field(default_factory=list)
    """Paths of linear layers (or nodes of a graph) that are one product now."""
    attentions: list[str] = field(default_factory=list)
    """Paths whose attention is one kernel now."""
    skipped: list[Skipped] = field(default_factory=list)
    """What stayed as it was, and why."""
    difference: float = 0.0
    """Largest difference of an output over its largest magnitude, for the example inputs."""
    predicted_kernels_saved: int = 0
    """Products that are no longer launched: one less than members, for each set."""
    analysis: Analysis | None = None
    notes: list[str] = field(default_factory=list)
    _undo: list[Callable[[], None]] = field(default_factory=list, repr=False)

    def unpack(self) -> None:
        """Restores the module as it was, with the weights of today."""
        while self._undo:
            self._undo.pop()()

    def __deepcopy__(self, memo: dict[int, Any]) -> Optimization:
        # What undoes a change belongs to the module that was changed, not to copies of it.
        kept = {**self.__dict__, "_undo": []}
        return Optimization(**kept)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_undo": [], "analysis": None}

    def __str__(self) -> str:
        lines = [
            f"{len(self.packed)} sets of projections packed, "
            f"{len(self.attentions)} attentions fused, outputs differ by {self.difference:.2g}"
        ]
        lines += [f"  packed {', '.join(paths)}" for paths in self.packed]
        lines += [f"  fused {path}" for path in self.attentions]
        lines += [f"  kept {', '.join(s.paths)}: {s.reason}" for s in self.skipped]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)


def optimize(
    model: nn.Module,
    example_inputs: Any,
    *,
    hw: Any = None,
    inplace: bool = False,
    pack: bool = True,
    attention: bool = True,
    tolerance: float | None = None,
) -> nn.Module:
    """An equivalent module with parallel projections packed and open-coded attention fused.

    ``example_inputs``: a tensor, a sequence of arguments, or a dictionary of keyword arguments.
    The result has the class of ``model``, the same ``state_dict`` keys, and an attribute
    ``fusewright`` that says what was changed, what was not and why; ``unpack`` undoes it.

    Sets of projections are packed where the plan merges them: everywhere that saves a launch, or
    with ``hw`` where one product is faster on that device. ``inplace`` changes ``model`` itself,
    whose layers then keep no memory of their own. Outputs for the example are compared before
    and after; a relative difference above ``tolerance`` (by dtype: 1e-4 for float32) undoes
    everything and raises ``NotEquivalentError``.
    """
    if not isinstance(model, nn.Module):
        raise UsageError(f"expected a torch.nn.Module, got {type(model).__name__}")
    if isinstance(getattr(model, ATTRIBUTE, None), Optimization):
        raise UsageError("the module is optimised already", "fusewright.torch.unpack(model) first")
    if not inplace:
        model = copy.deepcopy(model)
    done = Optimization()
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            before = [x.clone() for x in tensors(call(model, example_inputs))]
        if not before:
            raise UsageError("the model gives no tensor for the example inputs")
        done.analysis = _analysis(model, example_inputs, hw, done)
        # A layer that is rewritten must be in place before packs attach themselves to it.
        if attention:
            _fuse_attention(model, example_inputs, done)
        if pack:
            _pack(model, example_inputs, done)
        _verify(model, example_inputs, before, tolerance, done)
    except BaseException:
        done.unpack()
        raise
    finally:
        for module, mode in training.items():
            module.training = mode
        for module in model.modules():
            # What was put in takes the mode of the whole.
            if module not in training:
                module.training = training.get(model, False)
    object.__setattr__(model, ATTRIBUTE, done)
    for skipped in done.skipped:
        log.info("kept %s: %s", ", ".join(skipped.paths), skipped.reason)
    return model


def unpack(model: nn.Module) -> nn.Module:
    """Restores a module that ``optimize`` changed, with the weights of today."""
    done = getattr(model, ATTRIBUTE, None)
    if not isinstance(done, Optimization):
        raise UsageError("the module was not optimised by fusewright")
    if (done.packed or done.attentions) and not done._undo:
        raise UsageError(
            "a copy of an optimised module cannot be unpacked",
            "unpack the module that optimize gave back, or load the copy's state_dict into another",
        )
    done.unpack()
    object.__delattr__(model, ATTRIBUTE)
    return model


def _analysis(model: nn.Module, inputs: Any, hw: Any, done: Optimization) -> Analysis | None:
    try:
        return analyze(model, inputs, hw=hw, strategies=["eager", "attention"])
    except CaptureError as error:
        done.notes.append(f"no plan could be made, every set was packed: {error.message}")
    except FusewrightError as error:
        if hw is not None:
            raise
        done.notes.append(f"no plan could be made, every set was packed: {error.message}")
    return None


def _pack(model: nn.Module, inputs: Any, done: Optimization) -> None:
    if isinstance(model, torch.fx.GraphModule):
        graph, code = copy.deepcopy(model.graph), model
        merged = merge_functional(model)
        if merged:
            done._undo.append(lambda: _restore_graph(code, graph))
            done.packed += merged
            done.predicted_kernels_saved += sum(len(names) - 1 for names in merged)
    found = find_siblings(model, inputs)
    done.skipped += found.skipped
    allowed = _planned(done.analysis)
    for paths in found.sets:
        for chosen in _chosen(paths, allowed, done):
            packed = PackedSet(model, chosen)
            done._undo.append(packed.unpack)
            done.packed.append(tuple(chosen))
            done.predicted_kernels_saved += len(chosen) - 1


def _restore_graph(module: torch.fx.GraphModule, graph: torch.fx.Graph) -> None:
    module.graph = graph
    module.recompile()


def _planned(analysis: Analysis | None) -> dict[str, int] | None:
    """The merge that each module path takes part in, by the plan."""
    if analysis is None:
        return None
    scopes: dict[str, str] = {}
    for node in json.loads(analysis.dump(decompose=True, format="json"))["nodes"]:
        scopes[node["name"]] = node["scope"]
    rows = analysis.groups.where(strategy="attention", kind="parallel")
    return {scopes[name]: row["id"] for row in rows for name in row["nodes"] if name in scopes}


def _chosen(
    paths: list[str], planned: dict[str, int] | None, done: Optimization
) -> list[list[str]]:
    """The layers of a set that the plan merges, by merge."""
    if planned is None:
        return [paths]
    by_merge: dict[int, list[str]] = {}
    for path in paths:
        if path in planned:
            by_merge.setdefault(planned[path], []).append(path)
    chosen = [members for members in by_merge.values() if len(members) > 1]
    taken = {path for members in chosen for path in members}
    left = tuple(path for path in paths if path not in taken)
    if left:
        done.skipped.append(Skipped(left, "the plan keeps them apart"))
    return chosen


def _fuse_attention(model: nn.Module, inputs: Any, done: Optimization) -> None:
    _use_library(model, done)
    for path, module in model.named_modules():
        if isinstance(module, nn.MultiheadAttention):
            reason = multihead.why_not(module)
            if reason is None:
                done._undo.append(multihead.use_packed(module))
                done.attentions.append(path)
            else:
                done.skipped.append(Skipped((path,), reason))
    if isinstance(model, torch.fx.GraphModule):
        graph, target = copy.deepcopy(model.graph), model
        rewritten = open_coded.rewrite(model)
        if rewritten.count:
            done._undo.append(lambda: _restore_graph(target, graph))
            done.attentions += [f"attention {i}" for i in range(rewritten.count)]
        done.skipped += [Skipped((name,), reason) for name, reason in rewritten.misses]
    else:
        rewrite_layers(model, inputs, done)


def _use_library(model: nn.Module, done: Optimization) -> None:
    """Models whose library has a switch for it."""
    config = getattr(model, "config", None)
    implementation = getattr(config, "_attn_implementation", None)
    if implementation == "eager" and hasattr(model, "set_attn_implementation"):
        try:
            model.set_attn_implementation("sdpa")
        except (ValueError, ImportError) as error:
            done.skipped.append(Skipped((type(model).__name__,), f"transformers: {error}"))
        else:
            done._undo.append(lambda: model.set_attn_implementation("eager"))
            done.attentions.append(f"{type(model).__name__} (transformers, eager → sdpa)")
    elif implementation == "sdpa":
        done.notes.append("attention is scaled_dot_product_attention already")
    for path, module in model.named_modules():
        if getattr(module, "fused_attn", None) is False:
            module.fused_attn = True
            done._undo.append(lambda module=module: setattr(module, "fused_attn", False))
            done.attentions.append(path)


def _verify(
    model: nn.Module,
    inputs: Any,
    before: list[Tensor],
    tolerance: float | None,
    done: Optimization,
) -> None:
    with torch.no_grad():
        after = tensors(call(model, inputs))
    if len(after) != len(before):
        raise NotEquivalentError(f"the model gave {len(before)} tensors before, {len(after)} after")
    for position, (old, new) in enumerate(zip(before, after, strict=True)):
        apart = difference(old, new)
        allowed = TOLERANCE.get(old.dtype, 0.0) if tolerance is None else tolerance
        if apart > allowed:
            raise NotEquivalentError(
                f"output {position} differs by {apart:.3g} of its largest magnitude, "
                f"more than {allowed:.3g}",
                "nothing was changed; please report the model, or give a tolerance",
            )
        done.difference = max(done.difference, apart)
