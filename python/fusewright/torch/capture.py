"""A plan beside what PyTorch really launched.

    seen = fusewright.torch.capture(model, inputs)
    print(seen)
    seen.table.to_polars()

``torch.compile`` compiles the model, its profiler says what ran. Kernels are matched with the
groups of the plan by what they are and by their order: the products one with the other, the
attentions, and the loops by the operations in their names.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from fusewright.analysis import Analysis, analyze
from fusewright.fx_shapes import slow_attention_path
from fusewright.torch.calling import arguments, call
from fusewright.torch.kernels import Kernel, is_kernel, kernels_of

log = logging.getLogger("fusewright.torch")

ANCHORS = ("product", "attention")
"""Kinds that occur one for one on both sides."""


@dataclass(frozen=True)
class Match:
    """A group of the plan and the kernel that took its place, or one of them alone."""

    group: int | None
    pattern: str | None
    kind: str
    predicted_us: float | None
    kernel: str | None
    measured_us: float | None


@dataclass
class Capture:
    """What was predicted and what was seen, of one forward pass without gradients."""

    analysis: Analysis
    strategy: str
    compiled: bool
    kernels: list[Kernel]
    """The launches in order."""
    predicted: dict[str, int]
    """Kernels of the plan by kind."""
    measured: dict[str, int]
    """Launches by kind: ``product``, ``attention``, ``loop``, ``other``."""
    predicted_bytes: int
    eager_bytes: int
    """Bytes that the operators read and write when they run one by one, by the dispatcher."""
    compiled_bytes: int | None
    """Bytes that the compiler's loops and calls access, by its own count."""
    matches: list[Match] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def measured_us(self) -> float:
        """Sum of the measured times, µs."""
        return sum(kernel.us for kernel in self.kernels)

    @property
    def matched(self) -> int:
        """Groups that have a kernel."""
        return sum(m.group is not None and m.kernel is not None for m in self.matches)

    def rows(self) -> list[dict[str, Any]]:
        """The matches as plain rows, for any dataframe library."""
        return [vars(match) for match in self.matches]

    def __str__(self) -> str:
        how = "torch.compile" if self.compiled else "eager"
        lines = [
            f"{self.analysis.name}: {len(self.kernels)} kernels launched ({how}), "
            f"{sum(self.predicted.values())} predicted by the {self.strategy} plan",
            f"{'kind':<12}{'predicted':>10}{'launched':>10}",
        ]
        for kind in sorted({*self.predicted, *self.measured}):
            counts = self.predicted.get(kind, 0), self.measured.get(kind, 0)
            lines.append(f"{kind:<12}{counts[0]:>10,}{counts[1]:>10,}")
        lines.append(
            f"bytes: {self.predicted_bytes / 1e6:,.2f} MB predicted, "
            f"{self.eager_bytes / 1e6:,.2f} MB one by one"
            + (f", {self.compiled_bytes / 1e6:,.2f} MB compiled" if self.compiled_bytes else "")
        )
        lines.append(f"{self.matched} groups matched; {self.measured_us / 1e3:,.2f} ms measured")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def capture(model: nn.Module, inputs: Any, *, compile: bool = True, hw: Any = None) -> Capture:
    """Runs a model once under the profiler and lays the plan beside it.

    ``inputs`` are as for ``optimize``. With ``compile`` the model goes through ``torch.compile``
    first and the plan is the ``compiled`` one; without, the model runs eagerly beside the
    ``eager`` plan. ``hw`` adds predicted times. The model is left in the mode that it is in.
    """
    strategy = "compiled" if compile else "eager"
    exported = _exported(model, inputs)
    strategies = ["eager", strategy]
    analysis = analyze(exported, inputs, strategies=strategies, hw=hw, name=type(model).__name__)
    notes = list(analysis.notes)
    eager_bytes = _eager_bytes(model, inputs)
    compiled_bytes = None
    if compile:
        with _kernels_named(), _metrics() as metrics:
            # What was compiled before was compiled without names for its kernels.
            torch._dynamo.reset()
            kernels = kernels_of(torch.compile(model), inputs)
            compiled_bytes = metrics.num_bytes_accessed or None
        torch._dynamo.reset()
    else:
        kernels = kernels_of(model, inputs)
    plan = analysis[strategy]
    groups = [row for row in analysis.groups.where(strategy=strategy) if row["kind"] != "view"]
    kinds = [_kind(row, compile) for row in groups]
    if compile and not any(kernel.is_generated for kernel in kernels):
        notes.append("the compiler wrote no loop: is there a C++ compiler?")
    return Capture(
        analysis=analysis,
        strategy=strategy,
        compiled=compile,
        kernels=kernels,
        predicted=dict(Counter(kinds)),
        measured=dict(Counter(kernel.kind for kernel in kernels)),
        predicted_bytes=plan.bytes.read + plan.bytes.written,
        eager_bytes=eager_bytes,
        compiled_bytes=compiled_bytes,
        matches=_matched(groups, kinds, kernels),
        notes=notes,
    )


def _exported(model: nn.Module, inputs: Any) -> Any:
    """The model as ``torch.export`` writes it, where it can.

    Symbolic tracing keeps attention layers whole, which a plan opens and PyTorch runs as one kernel.
    """
    if not isinstance(inputs, (Tensor, tuple, list)):
        return model
    try:
        with torch.no_grad(), slow_attention_path():
            return torch.export.export(model, arguments(inputs), strict=False)
    except Exception as error:  # noqa: BLE001 - what cannot be exported raises anything
        log.info("planned as traced: torch.export fails: %s", error)
        return model


def _kind(row: dict[str, Any], compiled: bool) -> str:
    """What a group of the plan is, in the words that kernels have."""
    pattern = row["pattern"] or ""
    first = pattern if row["contraction_flops"] == 0 else pattern.lower()
    if "attention" in first or "scaled_dot" in first or "scaled_dot" in row["first_node"]:
        return "attention"
    if row["contraction_flops"] > 0:
        return "product"
    return "loop" if compiled else "other"


def _matched(groups: list[dict[str, Any]], kinds: list[str], kernels: list[Kernel]) -> list[Match]:
    """Products and attentions in order, and between two of them what stands between two of them.

    Where the order or a number differs nothing is claimed: groups and kernels are listed alone.
    """
    ours = _segments(list(zip(kinds, groups, strict=True)))
    theirs = _segments([(kernel.kind, kernel) for kernel in kernels])
    aligned = [kind for kind, _ in ours] == [kind for kind, _ in theirs]
    matches = []
    for position in range(max(len(ours), len(theirs))):
        mine = ours[position][1] if position < len(ours) else []
        seen = theirs[position][1] if position < len(theirs) else []
        if aligned and len(mine) == len(seen):
            matches += [_match(*pair) for pair in zip(mine, seen, strict=True)]
        else:
            matches += [_match(each, None) for each in mine]
            matches += [_match(None, each) for each in seen]
    return matches


def _segments(items: list[tuple[str, Any]]) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Runs between anchors, and each anchor by itself."""
    segments: list[tuple[str, list[tuple[str, Any]]]] = [("between", [])]
    for kind, item in items:
        if kind in ANCHORS:
            segments += [(kind, [(kind, item)]), ("between", [])]
        else:
            segments[-1][1].append((kind, item))
    return segments


def _match(mine: tuple[str, Any] | None, seen: tuple[str, Any] | None) -> Match:
    row = mine[1] if mine else {}
    kernel = seen[1] if seen else None
    return Match(
        group=row.get("id"),
        pattern=row.get("pattern"),
        kind=(mine or seen or ("other",))[0],
        predicted_us=row.get("time_us"),
        kernel=kernel and kernel.name,
        measured_us=kernel and kernel.us,
    )


class _Bytes(TorchDispatchMode):
    """Adds up what operators that do work read and write, each operand once."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if is_kernel(re.sub(r"\..*", "", func.name())):
            operands = {id(t): t for t in torch.utils._pytree.tree_leaves((args, kwargs, result))}
            sizes = [
                t.numel() * t.element_size() for t in operands.values() if isinstance(t, Tensor)
            ]
            self.total += sum(sizes)
        return result


def _eager_bytes(model: nn.Module, inputs: Any) -> int:
    with torch.no_grad(), _Bytes() as counted:
        call(model, inputs)
    return counted.total


@contextlib.contextmanager
def _kernels_named() -> Iterator[None]:
    """Lets loops for the CPU appear in the profiler, under the names that the compiler gave."""
    from torch._inductor import config

    with config.patch({"cpp.enable_kernel_profile": True, "fx_graph_cache": False}):
        yield


@contextlib.contextmanager
def _metrics() -> Iterator[Any]:
    """The compiler's own counts; it counts bytes only for a log that somebody reads."""
    from torch._inductor import compile_fx, metrics

    metrics.reset()
    log = compile_fx.inductor_metrics_log
    before = log.level, log.propagate
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield metrics
    finally:
        log.setLevel(before[0])
        log.propagate = before[1]
