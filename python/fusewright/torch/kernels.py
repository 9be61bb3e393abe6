"""What PyTorch really launches for a call, counted by its profiler.

A kernel is an operator that does work: none that only describes memory, allocates it or asks for a
number, and none that is made of other operators, which count themselves. Loops that
``torch.compile`` wrote count by their own names.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from fusewright.torch.calling import call

IDLE = {
    "aten::_local_scalar_dense",
    "aten::_unsafe_view",
    "aten::empty",
    "aten::empty_like",
    "aten::empty_strided",
    "aten::lift_fresh",
    "aten::new_empty",
    "aten::new_empty_strided",
    "aten::resize_",
    "aten::set_",
}
"""Operators that only allocate or ask for a number."""

COMPOSED = ("aten::_native_multi_head_attention", "aten::_transformer_encoder_layer_fwd")
"""Fused inference layers: one operator, which launches several."""

GENERATED = ("cpp_fused", "triton_")
"""How loops of ``torch.compile`` are called."""

PRODUCTS = (
    "addmm",
    "addbmm",
    "baddbmm",
    "bmm",
    "mm",
    "linear",
    "convolution",
    "conv",
    "_mkl_linear",
    "_linear_pointwise",
    "_convolution_pointwise",
)


@dataclass(frozen=True)
class Kernel:
    """One launch."""

    name: str
    us: float
    """Measured time, µs."""

    @property
    def kind(self) -> str:
        """``product``, ``attention``, ``loop`` (written by a compiler) or ``other``."""
        plain = self.name.rpartition("::")[2]
        if self.is_generated:
            return "loop"
        if "attention" in plain or "flash" in plain:
            return "attention"
        return "product" if plain.rstrip("_") in PRODUCTS else "other"

    @property
    def is_generated(self) -> bool:
        """Written by ``torch.compile``."""
        return any(mark in self.name for mark in GENERATED)


def kernels_of(model: nn.Module, inputs: Any) -> list[Kernel]:
    """The launches of one call without gradients, in order, after one call to warm up."""
    with torch.no_grad():
        call(model, inputs)
        with profile(activities=[ProfilerActivity.CPU]) as prof:
            call(model, inputs)
    return [
        Kernel(event.name, float(event.time_range.elapsed_us()))
        for root in prof.events()
        if root.cpu_parent is None
        for event in _working(root)
    ]


def count_kernels(model: nn.Module, inputs: Any) -> Counter[str]:
    """Launches of one call by name."""
    return Counter(kernel.name for kernel in kernels_of(model, inputs))


def is_kernel(name: str) -> bool:
    """Whether an operator such as ``aten::addmm`` is a launch by itself."""
    return _role(name) == "kernel"


def _working(event: Any) -> Iterator[Any]:
    """The outermost events below this one that are kernels."""
    if any(mark in event.name for mark in GENERATED):
        yield event
        return
    role = _role(event.name)
    if role == "kernel":
        yield event
    elif role == "container":
        for child in event.cpu_children:
            yield from _working(child)


@functools.cache
def _role(name: str) -> str:
    """``kernel``, ``container`` (look inside) or ``idle``."""
    space, separator, op = name.partition("::")
    if not separator:
        return "container"
    if name in IDLE:
        return "idle"
    if name in COMPOSED:
        return "container"
    packet = getattr(getattr(torch.ops, space, None), op, None)
    if packet is None:
        return "container"
    overloads = [getattr(packet, overload) for overload in packet.overloads()]
    composite = "CompositeImplicitAutograd"
    if any(_has_kernel(overload, composite) for overload in overloads):
        return "container"
    if any(_is_view(overload) for overload in overloads):
        return "idle"
    return "kernel"


def _is_view(overload: Any) -> bool:
    """A result shares memory with an operand that is not written."""
    returns = overload._schema.returns
    return any(r.alias_info is not None and not r.alias_info.is_write for r in returns)


def _has_kernel(overload: Any, key: str) -> bool:
    name = overload.name()
    # Overloads for numbers are of TorchScript alone; no dispatcher knows them.
    return torch._C._dispatch_has_kernel(name) and torch._C._dispatch_has_kernel_for_dispatch_key(
        name, key
    )
