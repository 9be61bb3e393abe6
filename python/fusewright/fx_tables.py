"""The two tables of an FX JSON document: the modules that are called, and the parameters.

Names are those the model itself uses. A tensor known under two names (a tied output head)
stands in the parameter table twice, the second time with ``alias_of``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from fusewright.fx_encoding import dtype_name, encode_argument, type_name


def module_table(graph_module: torch.fx.GraphModule) -> dict[str, Any]:
    """One entry per module that the graph calls, in the order of the first calls."""
    table: dict[str, Any] = {}
    for node in graph_module.graph.nodes:
        if node.op == "call_module" and node.target not in table:
            table[node.target] = _module_entry(node.target, graph_module.get_submodule(node.target))
    return table


def _module_entry(path: str, module: nn.Module) -> dict[str, Any]:
    return {
        "class": type_name(_behaviour_class(module)),
        "attrs": _attributes(module),
        "params": {
            local: {"name": f"{path}.{local}", **_tensor_entry(tensor, kind)}
            for local, tensor, kind in _named_tensors(module)
        },
    }


def _behaviour_class(module: nn.Module) -> type:
    """The class whose ``forward`` runs: a subclass that only renames torch's is torch's."""
    for cls in type(module).__mro__:
        if cls.__module__.startswith("torch.nn.") and cls.forward is type(module).forward:
            return cls
    return type(module)


def _attributes(module: nn.Module) -> dict[str, Any]:
    attributes = {
        name: _plain(value)
        for name, value in sorted(vars(module).items())
        if not name.startswith("_") and _is_plain(value)
    }
    # A bias is present or not; its shape is in `params`. Packed attention names it otherwise.
    for name in ("bias", "in_proj_bias"):
        if name in module._parameters:
            attributes["bias"] = module._parameters[name] is not None
    return dict(sorted(attributes.items()))


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))


def _plain(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return encode_argument(value)


def parameter_table(model: nn.Module, graph_module: torch.fx.GraphModule) -> list[dict[str, Any]]:
    """Every parameter and buffer of the model, then the constants that only the graph holds."""
    table: list[dict[str, Any]] = []
    names: set[str] = set()
    first_name: dict[Any, str] = {}

    def add(name: str, tensor: torch.Tensor, kind: str) -> None:
        if name in names:
            return
        names.add(name)
        entry = {"name": name, **_tensor_entry(tensor, kind)}
        original = first_name.setdefault(_identity(tensor), name)
        if original != name:
            entry["alias_of"] = original
        table.append(entry)

    for name, tensor, kind in _named_tensors(model):
        add(name, tensor, kind)
    for node in graph_module.graph.nodes:
        if node.op == "get_attr":
            value = attribute(graph_module, node.target)
            if isinstance(value, torch.Tensor):
                add(node.target, value, _kind(value))
    return table


def attribute(module: nn.Module, path: str) -> Any:
    """What a ``get_attr`` node fetches."""
    value: Any = module
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _named_tensors(module: nn.Module) -> Iterable[tuple[str, torch.Tensor, str]]:
    for name, tensor in module.named_parameters(remove_duplicate=False):
        yield name, tensor, "parameter"
    for name, tensor in module.named_buffers(remove_duplicate=False):
        yield name, tensor, "buffer"


def _kind(tensor: torch.Tensor) -> str:
    return "parameter" if isinstance(tensor, nn.Parameter) else "buffer"


def _tensor_entry(tensor: torch.Tensor, kind: str) -> dict[str, Any]:
    return {"shape": list(tensor.shape), "dtype": dtype_name(tensor.dtype), "kind": kind}


def _identity(tensor: torch.Tensor) -> Any:
    """Equal for two names of one tensor, also when each has a Parameter object of its own."""
    try:
        storage = tensor.untyped_storage()._cdata
        return storage, tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype
    except (NotImplementedError, RuntimeError):
        return id(tensor)
