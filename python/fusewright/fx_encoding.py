"""How single things are spelled in FX JSON: arguments, values, dtypes, function names.

One spelling per meaning, whatever the running torch calls it: the same builtin reaches us as
``_operator.add`` or ``torch._C._nn.gelu``, and leaves as ``operator.add`` and
``torch.nn.functional.gelu``. Nothing here may depend on an object's address or on hash order.

>>> encode_argument((1, float("-inf"), torch.float16))
{'tuple': [1, {'float': '-Infinity'}, {'dtype': 'float16'}]}
"""

from __future__ import annotations

import builtins
import enum
import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch.fx.passes.shape_prop import TensorMetadata

Json = Any

# Where a function may be known under a public name; the first home that has it names it.
PUBLIC_HOMES = (
    torch,
    torch.nn.functional,
    torch.special,
    torch.linalg,
    torch.fft,
    operator,
    math,
    builtins,
)

# Opaque arguments whose text is the same in every run, so that it can stand in the document.
PRINTABLE = (
    torch.memory_format,
    torch.layout,
    torch.SymInt,
    torch.SymFloat,
    torch.SymBool,
    complex,
    range,
    enum.Enum,
)


class SymbolTable:
    """The dynamic dimensions of one document, under the text they are written as.

    A key that is an identifier (``s0``) is free; any other (``4*s0``) is an expression over
    the free ones. Every string in a shape is a key, so a reader that does not parse
    expressions still has the bounds and the hint.
    """

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, int | None]] = {}
        # What the user calls a symbol that torch numbered.
        self.names: dict[str, str] = {}

    def dimension(self, size: int | torch.SymInt) -> int | str:
        """Spells one dimension and remembers its symbols."""
        if isinstance(size, int):
            return int(size)
        node = size.node
        if (known := node.maybe_as_int()) is not None:
            return known
        for symbol in sorted(node.expr.free_symbols, key=str):
            self._remember(symbol, node.shape_env)
        return self._remember(node.expr, node.shape_env)

    def _remember(self, expression: Any, shape_env: Any) -> str:
        named = {s: type(s)(self.names.get(str(s), str(s))) for s in expression.free_symbols}
        text = str(expression.xreplace(named))
        if text not in self.entries:
            bounds = shape_env.bound_sympy(expression)
            # Bounds and hint are sympy numbers; infinities and unknown sizes have no JSON form.
            hint = expression.xreplace(_example_sizes(shape_env))
            self.entries[text] = {
                "min": int(bounds.lower) if bounds.lower.is_Integer else None,
                "max": int(bounds.upper) if bounds.upper.is_Integer else None,
                "hint": int(hint) if hint.is_Integer else None,
            }
        return text


def _example_sizes(shape_env: Any) -> Any:
    """The sizes of the example inputs by symbol; torch has renamed the table once."""
    if hasattr(shape_env, "backed_var_to_val"):
        return shape_env.backed_var_to_val
    return shape_env.var_to_val


def dtype_name(dtype: torch.dtype) -> str:
    """``torch.bfloat16`` as ``bfloat16``."""
    return str(dtype).removeprefix("torch.")


def type_name(cls: type) -> str:
    """The dotted name of a class, bare for Python's own."""
    if cls.__module__ == "builtins":
        return cls.__qualname__
    return f"{cls.__module__}.{cls.__qualname__}"


def function_target(function: Callable[..., Any]) -> str:
    """The dotted public name of what a ``call_function`` node calls."""
    if isinstance(function, (torch._ops.OpOverload, torch._ops.OpOverloadPacket)):
        return f"torch.ops.{function}"
    if (public := _public_names().get(id(function))) is not None:
        return public
    name = getattr(function, "__name__", None)
    if name is None:
        return type_name(type(function))
    if getattr(torch.Tensor, name, None) is function:
        return f"torch.Tensor.{name}"
    module = (getattr(function, "__module__", None) or "").removeprefix("_")
    qualified = getattr(function, "__qualname__", name)
    return f"{module}.{qualified}" if module else qualified


@functools.cache
def _public_names() -> dict[int, str]:
    """Names by identity. The homes keep their functions alive, so an id stays that function's."""
    names: dict[int, str] = {}
    for home in PUBLIC_HOMES:
        for name, value in sorted(vars(home).items()):
            if callable(value) and not name.startswith("_"):
                names.setdefault(id(value), f"{home.__name__}.{name}")
    return names


def encode_argument(value: Any) -> Json:
    """An argument of a node, or any constant inside one, as an ARG."""
    if isinstance(value, torch.fx.Node):
        return {"ref": value.name}
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": _non_finite(value)}
    if isinstance(value, int) and not isinstance(value, enum.Enum):
        return int(value)
    if isinstance(value, tuple):
        return {"tuple": [encode_argument(item) for item in value]}
    if isinstance(value, list):
        return [encode_argument(item) for item in value]
    if isinstance(value, dict):
        return {"dict": {str(key): encode_argument(item) for key, item in value.items()}}
    if isinstance(value, slice):
        parts = (value.start, value.stop, value.step)
        return {"slice": [encode_argument(part) for part in parts]}
    if isinstance(value, torch.dtype):
        return {"dtype": dtype_name(value)}
    if isinstance(value, torch.device):
        return {"device": str(value)}
    if value is ...:
        return {"ellipsis": True}
    return {"opaque": _opaque_text(value)}


def _non_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _opaque_text(value: Any) -> str:
    if isinstance(value, PRINTABLE):
        return str(value)
    if callable(value) and hasattr(value, "__name__"):
        return function_target(value)
    return type_name(type(value))


def describe_value(value: Any, symbols: SymbolTable) -> Json:
    """What a node produces, as a VAL; tensors give shape and dtype, never contents."""
    # TensorMetadata is itself a tuple, so it must be asked for before tuples are.
    if isinstance(value, (torch.Tensor, TensorMetadata)):
        shape = [symbols.dimension(size) for size in value.shape]
        return {"shape": shape, "dtype": dtype_name(value.dtype)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return {"const": encode_argument(value)}
    if isinstance(value, torch.SymInt):
        return {"const": symbols.dimension(value)}
    if isinstance(value, (tuple, list)):
        return [describe_value(item, symbols) for item in value]
    # Tracers hand out dictionaries of a class of their own.
    return {"opaque": "dict" if isinstance(value, dict) else type_name(type(value))}
