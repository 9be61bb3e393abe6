"""One call for everything: ``analyze``, and what it gives."""

from __future__ import annotations

import functools
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fusewright.errors import UsageError
from fusewright.native import native
from fusewright.record import Page, Record
from fusewright.sources import Source, source_of
from fusewright.table import Table

log = logging.getLogger("fusewright")
# Whoever wants to read how a model was captured sets logging up; nothing is printed unasked.
log.addHandler(logging.NullHandler())


def analyze(
    model: Any,
    inputs: Any = None,
    *,
    hw: str | os.PathLike[str] | None = None,
    strategies: Sequence[str] | None = None,
    profile: str = "default",
    dtype: str | None = None,
    autocast: str | None = None,
    fast_norms: bool = False,
    dims: Mapping[str, int] | None = None,
    batch: int | None = None,
    seq: int | None = None,
    context: int | None = None,
    target_seq: int | None = None,
    phase: str | None = None,
    name: str | None = None,
) -> Analysis:
    """What fuses in a model, and what that is worth.

    ``model``: a path (``.pt2``, ``.onnx``, ``config.json``, FX JSON, a folder), a built-in name,
    a configuration (dictionary or of transformers), a ``torch.nn.Module``, a ``GraphModule``, an
    ``ExportedProgram``, a transformers model, or an ``onnx.ModelProto``.

    ``inputs``: example inputs of a module: a tensor, a sequence of tensors or shapes, or a
    dictionary by argument name (what a tokenizer gives). Only shapes and dtypes matter. Where they
    are left out, they are guessed from what the module says of itself, and a note says so.

    ``hw``: a built-in device or a device file; predicts microseconds and millijoules.
    ``strategies``: ``eager``, ``compiled``, ``standard``, ``attention``, …; ``profile``:
    ``default`` or ``reference``. ``dtype`` recasts the model, ``autocast`` runs it in mixed
    precision. ``dims``, ``batch``, ``seq``, ``context``, ``target_seq`` bind sizes that the model
    leaves open; ``phase`` is ``prefill`` or ``decode`` for a configuration.

    Raises ``ModelNotFoundError``, ``ModelReadError``, ``CaptureError``, ``UsageError``.
    """
    source = source_of(model, inputs, name)
    reading = {"dtype": dtype, "autocast": autocast, "fast_norms": fast_norms, "phase": phase}
    sizes = all_dims(dims, batch=batch, seq=seq, context=context, target_seq=target_seq)
    opened = open_source(source, dims=sizes, **reading)
    hw = None if hw is None else os.fspath(hw)
    wanted = None if strategies is None else list(strategies)
    plans = opened.plan(wanted, profile=profile, hw=hw)
    asked = {"hw": hw, "strategies": wanted, "profile": profile, "dims": sizes, **reading}
    return Analysis(opened, plans, source, model, asked)


plan = analyze
"""``analyze`` under the name of its verb on the command line."""


def all_dims(given: Mapping[str, int] | None, **short: int | None) -> dict[str, int]:
    """Sizes by name, those with an argument of their own too."""
    dims = dict(given or {})
    for name, size in short.items():
        if size is None:
            continue
        if name in dims:
            raise UsageError(f"the size of `{name}` is given twice")
        dims[name] = size
    for name, size in dims.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise UsageError(f"the size of `{name}` is {size!r}; expected a number, 0 or more")
    return dims


def open_source(source: Source, **options: Any) -> Any:
    """The native model of a source; what could not be read exactly is logged."""
    opened = native().open(source.name, source.content, **options)
    for node, text in opened.warnings:
        log.info("%s: %s: %s", opened.name, node, text)
    return opened


class Analysis:
    """Certified plans of one model, side by side.

    The figures of ``fusewright plan --format json`` are attributes: ``found.flops.contraction``,
    ``found.model.parameters``, ``found.attention.found``. Bytes are bytes, times microseconds,
    energies millijoules, FLOPs 2 per multiply-accumulate. ``found.best`` is the best plan and
    ``found["attention"]`` one by name.
    """

    def __init__(
        self,
        model: Any,
        plans: Any,
        source: Source,
        origin: Any = None,
        asked: Mapping[str, Any] | None = None,
    ) -> None:
        self._asked = dict(asked or {})
        self._model = model
        self._plans = plans
        self._origin = origin
        self.via = source.via
        """How the model was read: ``file``, ``config``, ``torch.fx``, ``torch.export``, …"""
        self.steps_of = dict(source.steps_of)
        """Nodes of the plan that are steps of one node of a graph module, by that node."""
        self.notes: list[str] = [*source.notes, *model.notes]
        """What is worth knowing of how the model was read, a sentence each."""

    @functools.cached_property
    def _report(self) -> Record:
        return Record(json.loads(self._plans.json()))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._report, name)

    def __getitem__(self, strategy: str) -> Record:
        """The plan of one strategy."""
        for plan in self._report.strategies:
            if plan.name == strategy:
                return plan
        made = ", ".join(plan.name for plan in self._report.strategies)
        raise UsageError(f"there is no plan `{strategy}`; there are {made}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._report]

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._model.name

    @property
    def best(self) -> Record:
        """The plan that is fastest on the device; without one, that moves the fewest bytes."""
        return self[self._plans.best]

    @property
    def summary(self) -> Table:
        """One row per plan."""
        return self.table("strategies")

    @property
    def patterns(self) -> Table:
        """One row per pattern of a plan, with what it saves."""
        return self.table("patterns")

    @property
    def groups(self) -> Table:
        """One row per group of a plan: nodes, bytes, FLOPs, times."""
        return self.table("groups")

    @property
    def kernels(self) -> Table:
        """One row per kernel on the device; empty without ``hw``."""
        return self.table("kernels")

    @property
    def attentions(self) -> Table:
        """One row per attention that was recognised."""
        return self.table("attentions")

    def table(self, name: str) -> Table:
        """``strategies``, ``patterns``, ``groups``, ``kernels``, ``attentions`` or ``missed``."""
        return Table(self._plans.table(name))

    def why_not(self, *nodes: str) -> Any:
        """What stands in the way of more fusion; with names of nodes, of joining just those."""
        from fusewright.explanation import explain

        return explain(self, nodes)

    def findings(self, files: Sequence[str | os.PathLike[str]] = ()) -> Record:
        """Where rules of the library and of pattern files hold (``candidates``), and where all but
        one constraint does (``misses``), with what was found, what was expected, what to change.
        """
        return Record(json.loads(self._model.find_patterns([os.fspath(path) for path in files])))

    def explain(
        self,
        node: str | None = None,
        *,
        strategies: Sequence[str] | None = None,
        files: Sequence[str | os.PathLike[str]] = (),
        width: int = 80,
        top: int = 5,
    ) -> Page:
        """Why plans are as they are: the rules behind each group, what ended it, what nearly fuses.

        With ``node`` that node alone, in every plan. Prints as ``fusewright explain`` does.
        """
        last = [plan.name for plan in self._report.strategies][-1:]
        asked = list(strategies) if strategies is not None else self._asked.get("strategies")
        data, text = self._model.explain(
            asked or (None if node else last),
            profile=self._asked.get("profile", "default"),
            hw=self._asked.get("hw"),
            node=node,
            files=[os.fspath(path) for path in files],
            width=width,
            top=top,
        )
        return Page(json.loads(data), text)

    def compare(self, other: Any) -> Any:
        """This one before, ``other`` after: an analysis, or a model to analyse the same way."""
        from fusewright.comparison import Comparison

        found = other if isinstance(other, Analysis) else analyze(other, **self._asked)
        return Comparison(self, found)

    def check(self, lock: str | os.PathLike[str], **options: Any) -> Page:
        """Raises ``FusionRegression`` where the model fuses worse than a lock file says.

        ``update=True`` writes it; ``tolerance`` of predicted times and ``exact`` are those of
        ``fusewright check``.
        """
        from fusewright.baseline import check

        return check(self, lock, **options)

    def optimize(self, *inputs: Any, **options: Any) -> Any:
        """The live module that was analysed, its plan applied: ``fusewright.torch.optimize``."""
        if type(self._origin).__module__ != "builtins" and hasattr(self._origin, "forward"):
            from fusewright.torch import optimize

            return optimize(self._origin, *inputs, **options)
        raise UsageError(
            f"`{self.name}` was read as {self.via}; only a live module can be optimised here",
            "give analyze the torch.nn.Module itself",
        )

    def to_json(self, *, groups: bool = False) -> str:
        """The published JSON (``fusewright.schema()``); ``groups`` adds every group."""
        return self._plans.json(groups=groups)

    def to_text(self, *, width: int = 80, top: int = 5, groups: bool = False) -> str:
        """The page that a terminal shows."""
        return self._plans.text(width=width, top=top, groups=groups)

    def to_markdown(self, *, top: int = 5, groups: bool = False) -> str:
        """Markdown, for notes and pull requests."""
        return self._plans.markdown(top=top, groups=groups)

    def to_csv(self, *, groups: bool = False) -> str:
        """CSV, a row per strategy or per group."""
        return self._plans.csv(groups=groups)

    def to_dot(self) -> str:
        """The best plan as a Graphviz graph."""
        return self._plans.dot()

    def to_html(self, path: str | os.PathLike[str] | None = None, *, planner: bool = True) -> str:
        """The page of ``fusewright report``: one file that opens from disk, nothing from a network.

        With ``planner`` it plans anew for other devices and sizes, where the model is a file or
        built in; without, it is a megabyte and a half smaller.
        """
        text = self._model.page(
            self._asked.get("strategies"),
            profile=self._asked.get("profile", "default"),
            hw=self._asked.get("hw"),
            planner=planner,
        )
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    def dump(self, *, decompose: bool = True, format: str = "text") -> str:
        """The graph itself, as text or JSON."""
        return self._model.dump(decompose=decompose, format=format)

    def __repr__(self) -> str:
        return self.to_text().rstrip("\n")

    def _repr_html_(self) -> str:
        from fusewright.page import body

        return body(self)
