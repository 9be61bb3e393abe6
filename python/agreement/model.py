"""What the comparison knows of a model: how to build it, what to feed it, what is in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

SIZES = ("tiny", "short", "full")
"""``full`` is the published model; ``short`` has its widths or near, but few layers and words, so
that its weights can be written; ``tiny`` is for tests."""


class NoSuchModel(LookupError):
    """A name that no model of the list has."""


class NotOffered(Exception):
    """The model has no variant of that kind, and none is missed."""


@dataclass(frozen=True)
class Input:
    """An argument of ``forward``."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32

    def tensor(self, device: str) -> Tensor:
        """A value for it: ones, which are a word of every vocabulary, or noise."""
        if device == "meta":
            return torch.empty(self.shape, dtype=self.dtype, device=device)
        if self.dtype.is_floating_point:
            return torch.randn(self.shape, dtype=self.dtype, generator=torch.manual_seed(0))
        return torch.ones(self.shape, dtype=self.dtype)


@dataclass(frozen=True)
class Model:
    """A row of the table.

    ``make`` builds the module in a size, with attention written out where ``eager`` (or raises
    ``NotOffered``). ``attentions`` reads off a built module how often a forward pass computes an
    attention, ``how`` says from what.
    """

    name: str
    make: Callable[[str, bool], nn.Module]
    inputs: Callable[[str], tuple[Input, ...]]
    attentions: Callable[[nn.Module], int]
    how: str
    tags: frozenset[str] = field(default_factory=frozenset)
    sizes: tuple[str, ...] = ("short", "full")

    def build(self, size: str, device: str, *, eager: bool = False) -> nn.Module:
        """The module in inference mode, on ``cpu`` with random weights or on ``meta``."""
        if size not in self.sizes:
            raise NotOffered(f"{self.name} has no {size} size")
        torch.manual_seed(0)
        if device == "meta":
            try:
                with torch.device("meta"):
                    return self.make(size, eager).eval()
            except (RuntimeError, NotImplementedError):
                # Constructors that compute with values work only on real ones.
                return self.make(size, eager).eval().to("meta")
        module = self.make(size, eager).eval()
        with torch.no_grad():
            # All different: an exporter may store equal tensors once.
            for parameter in module.parameters():
                if parameter.is_floating_point():
                    parameter.normal_(std=0.02)
            for buffer in frozen_buffers(module):
                buffer.uniform_(0.5, 1.5)
        return module

    def arguments(self, size: str, device: str) -> dict[str, Tensor]:
        """The keyword arguments of one call."""
        return {each.name: each.tensor(device) for each in self.inputs(size)}


def frozen_buffers(module: nn.Module) -> list[Tensor]:
    """Scale, shift, mean and variance of batch normalisations that hold them all as buffers."""
    frozen = [each for each in module.modules() if "FrozenBatchNorm" in type(each).__name__]
    return [buffer for each in frozen for buffer in each.buffers()]


def image(side: int = 224, name: str = "x") -> Callable[[str], tuple[Input, ...]]:
    """One picture; a smaller one in tiny models."""
    return lambda size: (Input(name, (1, 3, *((64, 64) if size == "tiny" else (side, side)))),)


def words(
    length: int = 128, names: tuple[str, ...] = ("input_ids",)
) -> Callable[[str], tuple[Input, ...]]:
    """One text for each name; a shorter one in tiny models."""
    return lambda size: tuple(
        Input(name, (1, 16 if size == "tiny" else length), torch.int64) for name in names
    )


def modules_of(*classes: str, times: int = 1) -> Callable[[nn.Module], int]:
    """Counts the modules of the given classes, each of which attends ``times`` times."""
    return lambda model: times * sum(type(each).__name__ in classes for each in model.modules())


def no_attention(_: nn.Module) -> int:
    """For convolutional networks."""
    return 0
