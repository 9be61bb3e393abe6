"""Linear layers that read one tensor, as one product, without touching the code that calls them.

Each layer is replaced by a part of a pack. The part that is called first computes the product of
all; the others, called with the same tensor, take their columns of it. A part that is called with
another tensor computes for itself, so results never depend on who calls what in which order.

A pack holds one weight. ``state_dict`` still speaks of the layers: hooks at their common parent
split and join, so checkpoints go both ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PACK = "pack"
"""Name under which the first part holds the pack."""


class Pack(nn.Module):
    """The joined weight ``(sum of outputs, inputs)`` and bias of several linear layers."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.sizes = [layer.out_features for layer in layers]
        self.starts = [sum(self.sizes[:i]) for i in range(len(layers))]
        self.has_bias = [layer.bias is not None for layer in layers]
        with torch.no_grad():
            weight = torch.cat([layer.weight for layer in layers])
            bias = torch.cat([_bias_or_zeros(layer) for layer in layers])
        trains = layers[0].weight.requires_grad
        self.weight = nn.Parameter(weight, requires_grad=trains)
        self.bias = nn.Parameter(bias, requires_grad=trains) if any(self.has_bias) else None
        if self.bias is not None and trains and not all(self.has_bias):
            self.bias.register_hook(self._only_real_biases)
        self._pending: tuple[Any, ...] | None = None

    def _only_real_biases(self, grad: Tensor) -> Tensor:
        """Layers without a bias keep zeros in the joined one."""
        grad = grad.clone()
        for start, size, real in zip(self.starts, self.sizes, self.has_bias, strict=True):
            if not real:
                grad[start : start + size] = 0
        return grad

    def rows(self, index: int) -> slice:
        """The rows of one layer in weight and bias."""
        return slice(self.starts[index], self.starts[index] + self.sizes[index])

    def take(self, index: int, x: Tensor) -> Tensor:
        """The output of one layer for ``x``: ``(…, inputs)`` to ``(…, its outputs)``."""
        pending = self._pending
        if pending is not None and pending[0] is x and pending[1] == self._state(x):
            product, left = pending[2], pending[3]
            if index in left:
                left = tuple(each for each in left if each != index)
                self._pending = (*pending[:3], left) if left else None
                return product.narrow(-1, self.starts[index], self.sizes[index])
        product = F.linear(x, self.weight, self.bias)
        left = tuple(each for each in range(len(self.sizes)) if each != index)
        self._pending = (x, self._state(x), product, left)
        return product.narrow(-1, self.starts[index], self.sizes[index])

    def _state(self, x: Tensor) -> tuple[Any, ...]:
        """What has to be the same for a product to be still right."""
        modes = (torch.is_grad_enabled(), torch.is_autocast_enabled(x.device.type))
        if torch.compiler.is_compiling():
            # In a compiled call nothing is written in place between one part and the next.
            return modes
        return (*modes, version(x), version(self.weight))

    def __getstate__(self) -> dict[str, Any]:
        # What is pending belongs to a call, not to a copy.
        return {**self.__dict__, "_pending": None}

    def __deepcopy__(self, memo: dict[int, Any]) -> Pack:
        copied = Pack.__new__(Pack)
        memo[id(self)] = copied
        import copy

        copied.__dict__.update(copy.deepcopy(self.__getstate__(), memo))
        if copied.bias is not None and copied.bias.requires_grad and not all(copied.has_bias):
            copied.bias.register_hook(copied._only_real_biases)
        return copied


def version(tensor: Tensor) -> int:
    """How often a tensor was written in place; tensors of inference mode do not count that."""
    return -1 if tensor.is_inference() else tensor._version


class PackedLinear(nn.Module):
    """One linear layer of a pack, in the place of the layer."""

    def __init__(self, pack: Pack, index: int, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features = layer.in_features
        self.out_features = layer.out_features
        self.index = index
        self.training = layer.training
        if index == 0:
            self.pack = pack
        # In a tuple, because a pack must be registered once only.
        self._of = (pack,)

    @property
    def weight(self) -> Tensor:
        """The layer's rows of the joined weight, ``(outputs, inputs)``."""
        return self._of[0].weight[self._of[0].rows(self.index)]

    @property
    def bias(self) -> Tensor | None:
        """The layer's rows of the joined bias, or nothing where the layer had none."""
        pack = self._of[0]
        return pack.bias[pack.rows(self.index)] if pack.has_bias[self.index] else None

    def forward(self, x: Tensor) -> Tensor:
        """As the layer: ``(…, inputs)`` to ``(…, outputs)``."""
        return self._of[0].take(self.index, x)

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        pack = self._of[0]
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"part {self.index + 1} of {len(pack.sizes)}"
        )


class PackedSet:
    """Layers that were packed: how to undo it, and what keeps ``state_dict`` as it was."""

    def __init__(self, root: nn.Module, paths: Sequence[str]) -> None:
        self.root = root
        self.paths = list(paths)
        self.layers = [root.get_submodule(path) for path in paths]
        self.pack = Pack(self.layers)
        self.parent_path = _common_parent(paths)
        self.locals = [_below(path, self.parent_path) for path in paths]
        for index, (path, layer) in enumerate(zip(paths, self.layers, strict=True)):
            root.set_submodule(path, PackedLinear(self.pack, index, layer))
            # The memory is in the pack now.
            for parameter in layer.parameters():
                parameter.data = parameter.data.new_empty(0)
        parent = root.get_submodule(self.parent_path)
        self._hooks = [
            parent._register_state_dict_hook(self._split),
            parent._register_load_state_dict_pre_hook(self._join),
        ]

    def unpack(self) -> None:
        """Puts the layers back with the weights, and gradients, of today."""
        for hook in self._hooks:
            hook.remove()
        pack = self.pack
        for index, (path, layer) in enumerate(zip(self.paths, self.layers, strict=True)):
            rows = pack.rows(index)
            for name in ("weight", "bias"):
                joined, own = getattr(pack, name), getattr(layer, name)
                if own is None:
                    continue
                own.data = joined.data[rows].clone()
                own.grad = None if joined.grad is None else joined.grad[rows].clone()
            part = self.root.get_submodule(path)
            layer.train(part.training)
            self.root.set_submodule(path, layer)
        pack._pending = None

    def _keys(self, prefix: str) -> list[str]:
        return [f"{prefix}{local}." for local in self.locals]

    def _split(self, module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
        """After saving: the layers' own tensors in place of the joined ones."""
        keys, pack = self._keys(prefix), self.pack
        joined = {name: state.pop(f"{keys[0]}{PACK}.{name}", None) for name in ("weight", "bias")}
        for index, key in enumerate(keys):
            if joined["weight"] is not None:
                state[f"{key}weight"] = joined["weight"][pack.rows(index)]
            if joined["bias"] is not None and pack.has_bias[index]:
                state[f"{key}bias"] = joined["bias"][pack.rows(index)]

    def _join(self, state: dict[str, Any], prefix: str, *_: Any) -> None:
        """Before loading: the joined tensors in place of the layers' own, if all are there."""
        keys, pack = self._keys(prefix), self.pack
        names = [f"{key}weight" for key in keys]
        if all(name in state for name in names):
            state[f"{keys[0]}{PACK}.weight"] = torch.cat([state.pop(name) for name in names])
        if pack.bias is None:
            return
        biases = [
            f"{key}bias" if real else None for key, real in zip(keys, pack.has_bias, strict=True)
        ]
        if all(name is None or name in state for name in biases):
            parts = [
                pack.bias.detach().new_zeros(size) if name is None else state.pop(name)
                for name, size in zip(biases, pack.sizes, strict=True)
            ]
            like = next(part for part, name in zip(parts, biases, strict=True) if name is not None)
            joined = [part.to(like.device, like.dtype) for part in parts]
            state[f"{keys[0]}{PACK}.bias"] = torch.cat(joined)


def _bias_or_zeros(layer: nn.Linear) -> Tensor:
    return layer.weight.new_zeros(layer.out_features) if layer.bias is None else layer.bias


def _common_parent(paths: Sequence[str]) -> str:
    """The path of the innermost module that holds all of these."""
    split = [path.split(".")[:-1] for path in paths]
    shared = []
    for names in zip(*split, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return ".".join(shared)


def _below(path: str, parent: str) -> str:
    return path.removeprefix(f"{parent}.") if parent else path
