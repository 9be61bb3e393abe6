"""The other verbs of the command line as functions."""

from __future__ import annotations

import json
import os
from typing import Any

from fusewright.analysis import Analysis, all_dims, analyze, open_source
from fusewright.native import native
from fusewright.record import Page, Record
from fusewright.sources import source_of


def models() -> list[Record]:
    """The built-in models: ``name`` and ``description``."""
    rows = native().built_in_models()
    return [Record({"name": name, "description": text}) for name, text in rows]


def strategies() -> list[str]:
    """Names of the strategies, from least to most fused."""
    return native().strategies()


def schema() -> str:
    """The JSON Schema of the report."""
    return native().schema()


def dump(
    model: Any,
    inputs: Any = None,
    *,
    decompose: bool = False,
    format: str = "text",
    dims: dict[str, int] | None = None,
) -> str:
    """The graph of a model as ``text`` or ``json``; ``decompose`` opens attention layers."""
    opened = open_source(source_of(model, inputs), dims=all_dims(dims))
    return opened.dump(decompose=decompose, format=format)


def compare(before: Any, after: Any, **options: Any) -> Any:
    """Two models, or two analyses, figure by figure; a model is analysed as the other was."""
    first = before if isinstance(before, Analysis) else analyze(before, **options)
    return first.compare(after)


def explain(model: Any, node: str | None = None, **options: Any) -> Page:
    """Why plans of a model are as they are; with ``node`` that node alone."""
    found = model if isinstance(model, Analysis) else analyze(model, **options)
    return found.explain(node)


def check(
    model: Any, lock: str | os.PathLike[str], *, update: bool = False, **options: Any
) -> Page:
    """Raises ``FusionRegression`` where a model fuses worse than a lock file says."""
    found = model if isinstance(model, Analysis) else analyze(model, **options)
    return found.check(lock, update=update)


def optimize(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    target: str = "onnx",
    opset: int | None = None,
    pack: bool = False,
    hw: str | os.PathLike[str] | None = None,
    force: bool = False,
) -> Page:
    """Rewrites an ONNX file and writes it to ``output``; what was done, as a page with figures.

    ``target`` is ``onnx`` for standard operators, of the version ``opset`` where given, or ``ort``
    for those of ONNX Runtime too; ``pack`` makes projections of one tensor one product, ``hw`` only
    those for which that is predicted to be faster on this device. Without ``output`` nothing is
    written; an existing file is replaced with ``force``. For live modules there is
    ``fusewright.torch.optimize``.
    """
    data, text = native().optimize(
        path, output, target=target, opset=opset, pack=pack, hw=hw, force=force
    )
    return Page(json.loads(data), text)


def report(model: Any, path: str | os.PathLike[str], **options: Any) -> Analysis:
    """Writes the page of a model to an HTML file; gives the analysis."""
    found = model if isinstance(model, Analysis) else analyze(model, **options)
    found.to_html(path)
    return found
