"""Settings that change what an op computes: they are honoured, or the op is opaque."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fusewright.fx import trace
from replay import UnknownOp, assert_same, dump, replay

pytestmark = [
    pytest.mark.usefixtures("built"),
    pytest.mark.filterwarnings("ignore:Implicit dimension choice"),
]

IMAGE = (2, 6, 8, 8)

# Modules that must be understood.
EXACT: dict[str, nn.Module] = {
    "adaptive_to_none": nn.AdaptiveAvgPool2d((3, None)),
    "avg_pool_ceil": nn.AvgPool2d(3, 2, 1, ceil_mode=True),
    "avg_pool_counts_without_padding": nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "avg_pool_of_two_widths": nn.AvgPool2d((2, 3), (1, 2)),
    "batch_norm": nn.BatchNorm2d(6, eps=0.3),
    "batch_norm_without_statistics": nn.BatchNorm2d(6, track_running_stats=False),
    "conv_grouped": nn.Conv2d(6, 12, 3, (2, 1), (0, 2), (1, 2), groups=3, bias=False),
    "conv_same": nn.Conv2d(6, 4, (4, 3), padding="same", dilation=2),
    "conv_transpose": nn.ConvTranspose2d(6, 4, 3, 2, 1, 1, groups=2, dilation=2),
    "elu": nn.ELU(),
    "elu_alpha": nn.ELU(2.0),
    "gelu_tanh": nn.GELU(approximate="tanh"),
    "group_norm": nn.GroupNorm(3, 6, eps=0.2),
    "hardtanh": nn.Hardtanh(-0.3, 0.5),
    "instance_norm": nn.InstanceNorm2d(6, affine=True),
    "layer_norm": nn.LayerNorm((8, 8), bias=False),
    "leaky_relu": nn.LeakyReLU(),
    "leaky_relu_slope": nn.LeakyReLU(0.2),
    "log_softmax": nn.LogSoftmax(1),
    "max_pool_ceil": nn.MaxPool2d(3, 2, 1, ceil_mode=True),
    "max_pool_dilated": nn.MaxPool2d(2, 1, dilation=2),
    "rms_norm": nn.RMSNorm(8),
    "softmax_without_axis": nn.Softmax(),
    "softplus_beta": nn.Softplus(beta=2.0),
    "softplus_threshold": nn.Softplus(threshold=0.5),
    "zero_pad": nn.ZeroPad2d((1, 2, 0, 3)),
}

# Modules that may also be opaque.
EXACT_OR_REFUSED: dict[str, nn.Module] = {
    "avg_pool_divisor": nn.AvgPool2d(3, 2, 1, divisor_override=5),
    "batch_norm_without_weights": nn.BatchNorm2d(6, affine=False),
    "conv_reflecting": nn.Conv2d(6, 4, 3, padding=1, padding_mode="reflect"),
    "instance_norm_with_statistics": nn.InstanceNorm2d(6, track_running_stats=True),
    "max_pool_with_indices": nn.MaxPool2d(2, return_indices=True),
    "reflection_pad": nn.ReflectionPad2d(1),
}

A, B = torch.randn(4, 6), torch.rand(4, 6) + 0.5
TRUTHS = torch.arange(24).reshape(4, 6) % 3 == 0
INTEGERS = torch.arange(24).reshape(4, 6)
HEADS = [torch.randn(2, 6, 4, 5), torch.randn(2, 3, 7, 5), torch.randn(2, 3, 7, 5)]

# Functions with their operands; these must be understood.
FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "add_then_in_place": (lambda a: (a + 1).add_(2).mul_(3), A),
    "addmm": (lambda c, a, b: torch.addmm(c, a, b.t(), beta=0.5, alpha=3), A[:, :4], A, B),
    "addmm_without_addend": (lambda c, a, b: torch.addmm(c, a, b.t(), beta=0), A[0, :4], A, B),
    "all": (lambda a: a.all(1, keepdim=True), TRUTHS),
    "arange": (lambda a: a + torch.arange(1, 12, 2), A),
    "argmax": (lambda a: a.argmax(-1), A),
    "cat": (lambda a, b: torch.cat([a, b], -1), A, B),
    "chunk": (lambda a: torch.chunk(a, 4, dim=1)[2], A),
    "clamp": (lambda a: a.clamp(min=0.1), A),
    "cumsum": (lambda a: a.cumsum(1), A),
    "divide_and_floor": (lambda a: torch.div(a, 0.3, rounding_mode="floor"), A),
    "dropout_outside_training": (lambda a: F.dropout(a, 0.5, False), A),
    "einsum": (lambda a, b: torch.einsum("ij,kj->ik", a, b), A, B),
    "embedding": (lambda a, b: F.embedding(a % 4, b), INTEGERS, B),
    "expand": (lambda a: a[:, :1].expand(-1, 5), A),
    "gather": (lambda a, b: a.gather(1, b % 6), A, INTEGERS),
    "index_by_tensor": (lambda a, b: a[:, b], A, torch.tensor([2, 0, 1])),
    "integer_division": (lambda a: a // 2 + a / 4, INTEGERS),
    "masked_fill": (lambda a, b: a.masked_fill(~b, float("-inf")).softmax(-1), A, TRUTHS),
    "mean": (lambda a: a.mean((-2, -1), keepdim=True), A),
    "norm": (lambda a: a.norm(dim=1), A),
    "number_first": (lambda a: (1 - a) / (2 + a) + 2**a + 1 / a, B),
    "pad": (lambda a: F.pad(a, (-1, 2, 3, 0), value=2.5), A),
    "power": (lambda a, b: a**3 + b**0.5 + b**b + b**2, A, B),
    "range_over_a_size": (lambda a: a + torch.arange(a.shape[1]) / a.size(-1) ** 0.5, A),
    "remainder": (lambda a: a % 0.7 + 3 % (a * a + 1), A),
    "repeat": (lambda a: a.repeat(2, 1, 3), A),
    "roll": (lambda a: torch.roll(a, (1, -2), (0, 1)), A),
    "sdpa": (F.scaled_dot_product_attention, *(h[:, :3, :4] for h in HEADS)),
    "sdpa_bool": (
        lambda q, k, v, b: F.scaled_dot_product_attention(q[:, :3], k, v, b[:, None]),
        *HEADS,
        torch.ones(2, 1, 7, dtype=torch.bool).tril(3),
    ),
    "sdpa_causal": (
        lambda q, k, v: F.scaled_dot_product_attention(q[:, :3], k, v, is_causal=True, scale=0.3),
        *HEADS,
    ),
    "sdpa_grouped": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        *HEADS,
    ),
    "split": (lambda a: torch.split(a, [1, 2, 3], -1)[1], A),
    "stack": (lambda a, b: torch.stack([a, b], -1), A, B),
    "subscript": (lambda a: a[::2, None, -3:], A),
    "sum_of_truths": (lambda a: a.sum(1), TRUTHS),
    "tensor_constant": (lambda a: a * torch.tensor(2.5), A),
    "unbind": (lambda a: a.unbind(1)[-2], A),
    "unflatten": (lambda a: a.unflatten(1, (2, -1)), A),
    "where": (lambda c, a, b: torch.where(c, a, b[:1]), TRUTHS, A, B),
    "where_number": (lambda c, a: torch.where(c, 0.5, a), TRUTHS, A),
}

# Functions that may also be opaque.
FUNCTIONS_OR_REFUSED: dict[str, tuple[Any, ...]] = {
    "add_scaled": (lambda a, b: torch.add(a, b, alpha=2), A, B),
    "clamp_by_tensor": (lambda a, b: torch.clamp(a, min=b), A, B),
    "divide_and_truncate": (lambda a: torch.div(a, 0.3, rounding_mode="trunc"), A),
    "integer_by_float": (lambda a: a * 2.0, INTEGERS),
    "logical_and_of_numbers": (torch.logical_and, INTEGERS, INTEGERS % 2),
    "norm_of_order_one": (lambda a: a.norm(p=1, dim=1), A),
    "roll_flat": (lambda a: a.roll(1), A),
    "round_to_decimals": (lambda a: a.round(decimals=1), A),
    "softmax_in_f64": (lambda a: F.softmax(a, -1, dtype=torch.float64), A),
    "view_as_integers": (lambda a: a.view(torch.int32), A),
    "where_float_in_integers": (lambda c, a: torch.where(c, a, 1.5), TRUTHS, INTEGERS),
}


def calling(function: Callable[..., Tensor], operands: int) -> nn.Module:
    """A module that only calls the function."""
    names = ", ".join(f"a{position}" for position in range(operands))
    scope: dict[str, Any] = {"function": function}
    exec(f"def forward(self, {names}):\n    return function({names})", scope)
    return type("Calling", (nn.Module,), scope)()


def check(model: nn.Module, inputs: list[Tensor], scratch) -> None:
    torch.manual_seed(0)
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_floating_point():
            tensor.data.uniform_(0.5, 2) if "var" in name else tensor.data.normal_()
    model.eval()
    graph = dump(model, inputs, scratch)
    with torch.no_grad():
        # Constants that the tracer met are in the traced module only.
        found = replay(graph, trace(model), inputs)
        assert_same(model(*inputs), found, 1e-5)


@pytest.mark.parametrize("name", EXACT)
def test_modules(name, scratch):
    check(nn.Sequential(EXACT[name]), [torch.randn(IMAGE)], scratch)


@pytest.mark.parametrize("name", EXACT_OR_REFUSED)
def test_modules_that_may_be_opaque(name, scratch):
    with contextlib.suppress(UnknownOp):
        check(nn.Sequential(EXACT_OR_REFUSED[name]), [torch.randn(IMAGE)], scratch)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name, scratch):
    function, *inputs = FUNCTIONS[name]
    check(calling(function, len(inputs)), inputs, scratch)


@pytest.mark.parametrize("name", FUNCTIONS_OR_REFUSED)
def test_functions_that_may_be_opaque(name, scratch):
    function, *inputs = FUNCTIONS_OR_REFUSED[name]
    with contextlib.suppress(UnknownOp):
        check(calling(function, len(inputs)), inputs, scratch)
