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
from typing import Any, NamedTuple

import torch
from torch import nn
from torch._dynamo.source import ConstantSource
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv

from fusewright.fx_error import FxExportError


class Dim(NamedTuple):
    """A size that stays open in the document: its name there, and the size to run with."""

    name: str
    size: int


class InputShape(NamedTuple):
    """An example input by its sizes and dtype alone."""

    sizes: tuple[int | Dim, ...]
    dtype: torch.dtype


class Recorder(torch.fx.Interpreter):
    """Runs a graph and keeps a description of what each node produced.

    Described at once, not at the end: an in-place ``squeeze_`` changes the shape of a tensor
    that an earlier node has already produced.
    """

    def __init__(
        self,
        module: nn.Module,
        graph: torch.fx.Graph,
        describe: Callable[[Any], Any],
        names: dict[str, str],
        shape_env: ShapeEnv,
    ) -> None:
        super().__init__(module, graph=graph)
        self.extra_traceback = False
        self.described: dict[str, Any] = {}
        self._describe = describe
        self._names = names
        self._shape_env = shape_env

    def run_node(self, n: torch.fx.Node) -> Any:
        """Runs one node and records it; a failure names the node."""
        try:
            value = super().run_node(n)
        except Exception as error:
            raise FxExportError(f"shape inference failed at {_described(n)}: {error}") from error
        self.described[n.name] = self._describe(value)
        self._check_open_sizes(n)
        return value

    def _check_open_sizes(self, node: torch.fx.Node) -> None:
        """An op may need a size to be what it is in the example; then it is not open."""
        for symbol, name in self._names.items():
            for replaced, by in self._shape_env.replacements.items():
                if str(replaced) == symbol and not by.free_symbols:
                    raise FxExportError(
                        f"{_described(node)} works for {name} = {by} only; "
                        f"give {name} as a plain number"
                    )


def _described(node: torch.fx.Node) -> str:
    target = getattr(node.target, "__name__", node.target)
    return f"node {node.name!r} ({node.op} {target})"


def propagate(
    graph_module: torch.fx.GraphModule,
    example_inputs: Sequence[Any],
    describe: Callable[[Any], Any],
    names: dict[str, str],
) -> dict[str, Any]:
    """Describes the value of every node, by node name, for inputs like the examples.

    The symbols that stand for open sizes are entered in ``names`` before anything is described.
    """
    placeholders = [node for node in graph_module.graph.nodes if node.op == "placeholder"]
    required = [node for node in placeholders if not node.args]
    variadic = any(str(node.target).startswith("*") for node in placeholders)
    inputs = as_inputs(example_inputs)
    if not variadic and not len(required) <= len(inputs) <= len(placeholders):
        expected = ", ".join(node.name for node in placeholders)
        raise FxExportError(
            f"{len(inputs)} example inputs for a graph with {len(placeholders)} ({expected})"
        )
    mode = new_fake_mode()
    twin = fake_twin(graph_module, mode)
    recorder = Recorder(twin, graph_module.graph, describe, names, mode.shape_env)
    fakes = fake_inputs(graph_module, inputs, mode, open_sizes(inputs, mode, names))
    with slow_attention_path(), torch.no_grad(), mode:
        recorder.run(*fakes)
    return recorder.described


def new_fake_mode() -> FakeTensorMode:
    """A mode that also takes real tensors, such as constants that live in a plain attribute."""
    return FakeTensorMode(
        shape_env=ShapeEnv(duck_shape=False, specialize_zero_one=False), allow_non_fake_inputs=True
    )


def open_sizes(
    inputs: Sequence[Any], mode: FakeTensorMode, names: dict[str, str]
) -> dict[str, torch.SymInt]:
    """One symbol for each name among the inputs' sizes."""
    symbols: dict[str, torch.SymInt] = {}
    sizes: dict[str, int] = {}
    for dim in _dims(inputs):
        if sizes.setdefault(dim.name, dim.size) != dim.size:
            raise FxExportError(f"{dim.name} is both {sizes[dim.name]} and {dim.size}")
        if dim.name not in symbols:
            source = ConstantSource(dim.name)
            symbol = mode.shape_env.create_symbol(dim.size, source, DimDynamic.DYNAMIC)
            names[str(symbol)] = dim.name
            symbols[dim.name] = mode.shape_env.create_symintnode(symbol, hint=dim.size)
    return symbols


def has_open_sizes(inputs: Sequence[Any]) -> bool:
    """Some size of some input has a name."""
    return bool(_dims(inputs))


def _dims(inputs: Sequence[Any]) -> list[Dim]:
    return [size for example in inputs for size in _sizes(example) if isinstance(size, Dim)]


def _sizes(example: Any) -> Sequence[Any]:
    """The sizes of an example that is given by them alone."""
    if isinstance(example, InputShape):
        return example.sizes
    if isinstance(example, (tuple, list)) and all(type(size) in (int, Dim) for size in example):
        return example
    return ()


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


def fake_inputs(
    module: nn.Module,
    inputs: Sequence[Any],
    mode: FakeTensorMode,
    symbols: dict[str, torch.SymInt],
) -> tuple[Any, ...]:
    """Fake tensors for the examples. A bare shape takes device and float type of the module."""
    tensors = [*module.parameters(), *module.buffers()]
    device = _run_device(tensors[0].device) if tensors else torch.device("cpu")
    floats = [tensor.dtype for tensor in tensors if tensor.is_floating_point()]
    dtype = floats[0] if floats else torch.float32

    def convert(example: Any) -> Any:
        if isinstance(example, torch.Tensor):
            return fake_tensor(example, mode)
        if sizes := _sizes(example):
            shape = [symbols[size.name] if isinstance(size, Dim) else size for size in sizes]
            with mode:
                return torch.empty(shape, dtype=getattr(example, "dtype", dtype), device=device)
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
