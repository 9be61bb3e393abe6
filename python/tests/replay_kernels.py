"""What the less plain ops of a dumped graph compute, in torch: the functions behind ``replay_ops``.

Each takes the call (its attributes and the dropout in force) and the operands in the order of
the dump. Host operands, with which a source computed sizes, come last and are not needed: the
attributes hold the sizes themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

DTYPES = {
    "f64": torch.float64,
    "f32": torch.float32,
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "f8e4m3": torch.float8_e4m3fn,
    "f8e5m2": torch.float8_e5m2,
    "c64": torch.complex64,
    "c128": torch.complex128,
    "i64": torch.int64,
    "i32": torch.int32,
    "i16": torch.int16,
    "i8": torch.int8,
    "u8": torch.uint8,
    "bool": torch.bool,
}

# JSON has no numbers for these.
NON_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
NUMBERS = {
    "alpha",
    "beta",
    "dropout",
    "epsilon",
    "max",
    "min",
    "p",
    "scalar",
    "scale",
    "slope",
    "threshold",
    "value",
}


class Call:
    """One node at work: its attributes, and what its dropout does."""

    def __init__(self, attributes: dict[str, Any], drop: Callable[[Tensor, float], Tensor]) -> None:
        self._attributes = attributes
        self.unread = set(attributes)
        self.drop = drop

    def __getitem__(self, name: str) -> Any:
        self.unread.discard(name)
        value = self._attributes[name]
        return NON_FINITE[value] if name in NUMBERS and isinstance(value, str) else value

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute that may be left out."""
        return self[name] if name in self._attributes else default

    def flag(self, name: str) -> bool:
        """An absent flag is false."""
        return self.get(name, False)


def unary(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda call, x: function(x)


def binary(function: Callable[[Any, Any], Tensor]) -> Callable[..., Tensor]:
    """A function of two tensors, or of a tensor and a number."""

    def run(call: Call, x: Tensor, y: Tensor | None = None) -> Tensor:
        if y is not None:
            return function(x, y)
        scalar = call["scalar"]
        if not x.is_floating_point() and not x.is_complex() and scalar == int(scalar):
            scalar = int(scalar)
        return function(scalar, x) if call.flag("reversed") else function(x, scalar)

    return run


def of_tensors(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Any, Any], Tensor]:
    """Lets a function that takes only tensors take a number."""

    def run(x: Any, y: Any) -> Tensor:
        like = x if isinstance(x, Tensor) else y
        x, y = (v if isinstance(v, Tensor) else like.new_tensor(v) for v in (x, y))
        return function(x, y)

    return run


def matmul_add(call: Call, c: Tensor, a: Tensor, b: Tensor) -> Tensor:
    product = call["alpha"] * (a @ b)
    # Without its factor the addend does not count, whatever it holds.
    return product if call["beta"] == 0 else call["beta"] * c + product


def conv(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    run = (F.conv1d, F.conv2d, F.conv3d)[weight.dim() - 3]
    padding, dilation, groups = call["padding"], call["dilation"], call["groups"]
    return run(x, weight, bias, call["stride"], padding, dilation, groups)


def conv_transpose(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    run = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[weight.dim() - 3]
    extra, groups, dilation = call["output_padding"], call["groups"], call["dilation"]
    return run(x, weight, bias, call["stride"], call["padding"], extra, groups, dilation)


def max_pool(call: Call, x: Tensor) -> Tensor:
    run = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(call["kernel"]) - 1]
    window = (call["kernel"], call["stride"], call["padding"], call["dilation"])
    return run(x, *window, call.flag("ceil"))


def avg_pool(call: Call, x: Tensor) -> Tensor:
    run = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(call["kernel"]) - 1]
    if set(call["dilation"]) != {1}:
        raise ValueError("an average has no dilation")
    window = (call["kernel"], call["stride"], call["padding"], call.flag("ceil"))
    return run(x, *window, count_include_pad=not call.flag("skip_padding"))


def softmax(call: Call, x: Tensor) -> Tensor:
    weights = F.softmax(x, call["axis"])
    if not call.flag("zero_masked"):
        return weights
    nothing_visible = (x == -math.inf).all(call["axis"], keepdim=True)
    return weights.masked_fill(nothing_visible, 0.0)


def patch_merge(call: Call, x: Tensor) -> Tensor:
    """Pixels (even, even), (odd, even), (even, odd), (odd, odd) of each square, side by side."""
    x = F.pad(x, (0, 0, 0, x.shape[-2] % 2, 0, x.shape[-3] % 2))
    corners = [x[..., row::2, column::2, :] for column in (0, 1) for row in (0, 1)]
    return torch.cat(corners, -1)


def shift_mask(call: Call) -> Tensor:
    """Positions of a window see each other if no seam of the shifted map runs between them."""
    zones = []
    for grid, window, shift in zip(call["grid"], call["window"], call["shift"], strict=True):
        position = torch.arange(grid * window)
        last_window = (position >= (grid - 1) * window).long()
        beyond_seam = (position >= grid * window - shift).long()
        zones.append(last_window + beyond_seam if shift else torch.zeros_like(position))
    zone = 3 * zones[0][:, None] + zones[1][None, :]
    (rows, columns), (height, width) = call["grid"], call["window"]
    zone = zone.reshape(rows, height, columns, width).permute(0, 2, 1, 3)
    zone = zone.reshape(rows * columns, height * width)
    apart = zone[:, :, None] != zone[:, None, :]
    return torch.where(apart, -100.0, 0.0).to(DTYPES[call["dtype"]])


def position_bias(call: Call, table: Tensor, indices: Tensor) -> Tensor:
    positions = call["positions"]
    return table[indices].reshape(positions, positions, -1).permute(2, 0, 1)[None]


def adaptive(*functions: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda call, x: functions[len(call["output"]) - 1](x, call["output"])


def layer_norm(
    call: Call, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None
) -> Tensor:
    return F.layer_norm(x, x.shape[x.dim() - call["axes"] :], weight, bias, call["epsilon"])


def rms_norm(call: Call, x: Tensor, weight: Tensor | None = None) -> Tensor:
    return F.rms_norm(x, x.shape[x.dim() - call["axes"] :], weight, call["epsilon"])


def batch_norm(call: Call, x: Tensor, *rest: Tensor) -> Tensor:
    """Operands are x, weight?, bias?, mean?, variance?: without training the last two are there."""
    if call.flag("training"):
        return F.batch_norm(x, None, None, *rest[:2], training=True, eps=call["epsilon"])
    *affine, mean, variance = rest
    return F.batch_norm(x, mean, variance, *affine, eps=call["epsilon"])


def group_norm(
    call: Call, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None
) -> Tensor:
    return F.group_norm(x, call["groups"], weight, bias, call["epsilon"])


def reduction(fold: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A fold over the listed axes, over all where none is listed."""
    return lambda call, x: fold(x, tuple(call["axes"] or range(x.dim())), call.flag("keep"))


def one_by_one(fold: Callable[..., Tensor]) -> Callable[[Tensor, tuple[int, ...], bool], Tensor]:
    """A fold that takes a single axis, applied to several from the last to the first."""

    def run(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
        for axis in sorted((axis % x.dim() for axis in axes), reverse=True):
            x = fold(x, axis, keepdim=keep)
        return x

    return run


def argmax(call: Call, x: Tensor) -> Tensor:
    axes = call["axes"]
    return x.argmax(axes[0] if axes else None, keepdim=call.flag("keep"))


def strided(start: int, length: int, step: int) -> slice:
    return slice(start, start + length * step, step)


def slice_axis(call: Call, x: Tensor, *_: int) -> Tensor:
    index = strided(call["start"], call["length"], call["step"])
    return x[(slice(None),) * call["axis"] + (index,)]


def subscript(call: Call, x: Tensor, *_: int) -> Tensor:
    index: list[int | slice | None] = []
    for item in call["items"].split():
        if item == "new":
            index.append(None)
        elif item.startswith("@"):
            index.append(int(item[1:]))
        else:
            index.append(strided(*map(int, item.split(":"))))
    return x[tuple(index)]


def pad(call: Call, x: Tensor) -> Tensor:
    # The dump lists the outermost axis first, torch the innermost.
    pairs = [call["pads"][axis : axis + 2] for axis in range(0, 2 * x.dim(), 2)]
    return F.pad(x, [count for pair in reversed(pairs) for count in pair], value=call["value"])


def full(call: Call) -> Tensor:
    dtype = DTYPES[call["dtype"]]
    return torch.full(call["shape"], call["value"], dtype=torch.float64).to(dtype)


def arange(call: Call) -> Tensor:
    numbers = torch.arange(call["start"], call["start"] + call["length"])
    return numbers.to(DTYPES[call["dtype"]])


def steps(call: Call) -> Tensor:
    numbers = torch.arange(call["length"], dtype=torch.float64) * call["step"] + call["start"]
    return numbers.to(DTYPES[call["dtype"]])


def grouped_matmul(call: Call, x: Tensor, weight: Tensor, offsets: Tensor) -> Tensor:
    """Rows up to the first offset times the first matrix, and so on."""
    matrices = weight.mT if call.flag("transposed") else weight
    result = x.new_zeros(x.shape[0], matrices.shape[-1])
    start = 0
    for end, matrix in zip(offsets.tolist(), matrices, strict=True):
        result[start:end] = x[start:end] @ matrix
        start = end
    return result


def triangle(call: Call, x: Tensor) -> Tensor:
    return (x.triu if call.flag("upper") else x.tril)(call["diagonal"])


def extreme(call: Call, x: Tensor) -> Any:
    run = torch.max if call.flag("largest") else torch.min
    return run(x, call["axis"], keepdim=call.flag("keep"))


def histogram(call: Call, x: Tensor) -> Tensor:
    """Counts of whole numbers; the dump does not say where the intervals lie."""
    return torch.histc(x, call["bins"], 0, call["bins"] - 1)


def reinterpret(call: Call, x: Tensor) -> Tensor:
    return x.contiguous().view(-1).view(DTYPES[call["dtype"]]).view(call["shape"])


def at_axes(axes: list[int], indices: tuple[Tensor, ...]) -> tuple[Any, ...]:
    """A bracket with the tensors at these axes."""
    bracket: list[Any] = [slice(None)] * (axes[-1] + 1)
    for axis, index in zip(axes, indices, strict=True):
        bracket[axis] = index
    return tuple(bracket)


def write(call: Call, x: Tensor, values: Tensor) -> Tensor:
    """The part that a view describes is found by applying it to the positions of the elements."""
    positions = torch.arange(x.numel()).reshape(x.shape)
    views: dict[str, Callable[[Tensor], Tensor]] = {
        "reshape": lambda t: t.reshape(call["shape"]),
        "expand": lambda t: t.expand(call["shape"]),
        "permute": lambda t: t.permute(call["axes"]),
        "slice": lambda t: slice_axis(call, t),
        "select": lambda t: t.select(call["axis"], call["index"]),
        "subscript": lambda t: subscript(call, t),
    }
    part = views[call["view"]](positions).reshape(-1)
    return x.reshape(-1).index_copy(0, part, values.reshape(-1)).reshape(x.shape)


def scatter(call: Call, x: Tensor, values: Tensor, indices: Tensor) -> Tensor:
    return (x.scatter_add if call.flag("add") else x.scatter)(call["axis"], indices, values)


def scatter_slices(call: Call, x: Tensor, values: Tensor, indices: Tensor) -> Tensor:
    return (x.index_add if call.flag("add") else x.index_copy)(call["axis"], indices, values)


def scatter_indexed(call: Call, x: Tensor, values: Tensor, *indices: Tensor) -> Tensor:
    bracket: list[Tensor | None] = [None] * (call["axes"][-1] + 1)
    for axis, index in zip(call["axes"], indices, strict=True):
        bracket[axis] = index
    return torch.ops.aten.index_put(x, bracket, values, call.flag("add"))


def cast(call: Call, x: Tensor) -> Tensor:
    return x.to(DTYPES[call["dtype"]])


def dropout(call: Call, x: Tensor) -> Tensor:
    p = call["p"]
    return call.drop(x, p) if call.flag("training") else x


def scaled_dot_product_attention(
    call: Call, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None
) -> Tensor:
    if q.dim() > 3 and k.shape[-3] != q.shape[-3]:
        k, v = (t.repeat_interleave(q.shape[-3] // t.shape[-3], dim=-3) for t in (k, v))
    scores = q @ k.mT * call.get("scale", 1 / math.sqrt(q.shape[-1]))
    if call.flag("causal"):
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        scores = scores.masked_fill(~seen, -math.inf)
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, -math.inf)
    elif mask is not None:
        scores = scores + mask
    weights = scores.softmax(-1)
    p = call.get("dropout", 0.0)
    return (call.drop(weights, p) if p > 0 else weights) @ v
