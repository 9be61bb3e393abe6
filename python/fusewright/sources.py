"""From whatever a model is to what the planner reads, and how that was done.

Files and configurations are read as they are. Live objects become FX JSON: symbolic tracing
keeps modules whole and is tried first, ``torch.export`` follows what tracing cannot.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fusewright.errors import UsageError


@dataclass(frozen=True)
class Source:
    """What to open: a name or path, or bytes under a name, and how the bytes were made."""

    name: str
    content: bytes | None = None
    via: str = "file"
    """``file``, ``config``, ``onnx``, ``torch.fx``, ``torch.export`` or ``graph module``."""
    notes: tuple[str, ...] = ()
    steps_of: Mapping[str, str] = field(default_factory=dict)
    """Nodes of the plan that are steps of one node of a graph module, by that node."""


def source_of(model: Any, inputs: Any = None, name: str | None = None) -> Source:
    """Recognises a model. ``inputs`` are example inputs of a live module, see ``analyze``."""
    if isinstance(model, (str, os.PathLike)):
        return Source(os.fspath(model))
    if isinstance(model, bytes):
        return Source(name or "bytes", model)
    if isinstance(model, Mapping):
        return Source(name or "config", _json(dict(model)), "config")
    if _is(model, "onnx", "ModelProto"):
        graph = name or getattr(getattr(model, "graph", None), "name", "") or "model"
        return Source(graph, model.SerializeToString(), "onnx")
    if _is(model, "transformers", "PreTrainedConfig") or _is(
        model, "transformers", "PretrainedConfig"
    ):
        return Source(name or "config", _json(model.to_dict()), "config")
    if _is(model, "torch.nn", "Module") or _is(model, "torch.export", "ExportedProgram"):
        from fusewright.live import live_source

        return live_source(model, inputs, name)
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    raise UsageError(
        f"cannot analyse a {kind}",
        "give a path, a built-in name, a config dictionary, a torch.nn.Module with example inputs, "
        "an ExportedProgram, a GraphModule, a transformers model or an onnx.ModelProto",
    )


def _json(config: dict[str, Any]) -> bytes:
    return json.dumps(config, default=str).encode()


def _is(model: Any, module: str, name: str) -> bool:
    """An instance of a class of a library, without importing the library to find out."""
    loaded = sys.modules.get(module)
    cls = getattr(loaded, name, None) if loaded is not None else None
    return isinstance(cls, type) and isinstance(model, cls)
