"""Shapes without weights: a twin of the module whose tensors are fake.

A fake tensor has shape, dtype and device but no memory, so a model of any size costs only its
graph. The twin is a deep copy in which every tensor was swapped beforehand: the user's module
is never run, and none of its tensors is copied.

Tensors on the meta device become fake CPU tensors, because a ``forward`` may build helpers
(``torch.arange(n)``) on the CPU and torch refuses to mix the two devices.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from fusewright.fx_error import FxExportError


class Recorder(torch.fx.Interpreter):
    """Runs a graph and keeps a description of what each node produced.

    Described at once, not at the end: an in-place ``squeeze_`` changes the shape of a tensor
    that an earlier node has already produced.
    """

    def __init__(
        self, module: nn.Module, graph: torch.fx.Graph, describe: Callable[[Any], Any]
    ) -> None:
        super().__init__(module, graph=graph)
        self.extra_traceback = False
        self.described: dict[str, Any] = {}
        self._describe = describe

    def run_node(self, n: torch.fx.Node) -> Any:
        """Runs one node and records it; a failure names the node."""
        try:
            value = super().run_node(n)
        except Exception as error:
            raise FxExportError(
                f"shape inference failed at node {n.name!r} ({n.op} {n.target}): {error}"
            ) from error
        self.described[n.name] = self._describe(value)
        return value


def propagate(
    graph_module: torch.fx.GraphModule,
    example_inputs: Sequence[Any],
    describe: Callable[[Any], Any],
) -> dict[str, Any]:
    """Describes the value of every node, by node name, for inputs like the examples."""
    placeholders = [node for node in graph_module.graph.nodes if node.op == "placeholder"]
    required = [node for node in placeholders if not node.args]
    variadic = any(str(node.target).startswith("*") for node in placeholders)
    inputs = as_inputs(example_inputs)
    if not variadic and not len(required) <= len(inputs) <= len(placeholders):
        names = ", ".join(node.name for node in placeholders)
        raise FxExportError(
            f"{len(inputs)} example inputs for a graph with {len(placeholders)} ({names})"
        )
    mode = new_fake_mode()
    recorder = Recorder(fake_twin(graph_module, mode), graph_module.graph, describe)
    fakes = fake_inputs(graph_module, inputs, mode)
    with slow_attention_path(), torch.no_grad(), mode:
        recorder.run(*fakes)
    return recorder.described


def new_fake_mode() -> FakeTensorMode:
    """A mode that also takes real tensors, such as constants that live in a plain attribute."""
    return FakeTensorMode(allow_non_fake_inputs=True)


def fake_twin(module: nn.Module, mode: FakeTensorMode) -> Any:
    """A deep copy of a module in which parameters, buffers and tensor attributes are fake."""
    memo: dict[int, Any] = {}
    for part in module.modules():
        for held in (part._parameters, part._buffers, vars(part)):
            for value in held.values():
                if isinstance(value, torch.Tensor) and id(value) not in memo:
                    memo[id(value)] = fake_tensor(value, mode)
    try:
        return copy.deepcopy(module, memo)
    except Exception as error:
        raise FxExportError(f"cannot copy {type(module).__name__}: {error}") from error


def fake_tensor(tensor: torch.Tensor, mode: FakeTensorMode) -> torch.Tensor:
    """The fake counterpart of one tensor, a parameter where the tensor is one."""
    device = _run_device(tensor.device)
    with mode:
        if tensor.layout == torch.strided and not tensor.is_quantized:
            fake = torch.empty_strided(
                tensor.size(), tensor.stride(), dtype=tensor.dtype, device=device
            )
        else:
            fake = torch.empty(tensor.size(), dtype=tensor.dtype, device=device)
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(fake, requires_grad=tensor.requires_grad)
    return fake


def as_inputs(example_inputs: Any) -> tuple[Any, ...]:
    """The examples as a tuple; a lone tensor counts as one input."""
    if isinstance(example_inputs, torch.Tensor):
        return (example_inputs,)
    return tuple(example_inputs)


def fake_inputs(module: nn.Module, inputs: Sequence[Any], mode: FakeTensorMode) -> tuple[Any, ...]:
    """Fake tensors for the examples. A bare shape takes device and float type of the module."""
    tensors = [*module.parameters(), *module.buffers()]
    device = _run_device(tensors[0].device) if tensors else torch.device("cpu")
    floats = [tensor.dtype for tensor in tensors if tensor.is_floating_point()]
    dtype = floats[0] if floats else torch.float32

    def convert(example: Any) -> Any:
        if isinstance(example, torch.Tensor):
            return fake_tensor(example, mode)
        if isinstance(example, (tuple, list)) and all(type(size) is int for size in example):
            with mode:
                return torch.empty(example, dtype=dtype, device=device)
        return example

    return tuple(convert(example) for example in inputs)


def _run_device(device: torch.device) -> torch.device:
    return torch.device("cpu") if device.type == "meta" else device


@contextlib.contextmanager
def slow_attention_path() -> Iterator[None]:
    """Keeps torch from calling its fused inference kernels, which no fake tensor can enter."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)
