"""The ops of a dumped graph: one row per mnemonic, with the function that computes it in torch."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

import replay_kernels as kernels
from replay_kernels import adaptive, binary, of_tensors, one_by_one, reduction, unary

OPS: dict[str, Callable[..., Any]] = {
    # Contractions.
    "linear": lambda call, x, weight, bias=None: F.linear(x, weight, bias),
    "matmul": lambda call, a, b: torch.matmul(a, b),
    "matmul_add": kernels.matmul_add,
    "einsum": lambda call, *operands: torch.einsum(call["equation"], *operands),
    "conv": kernels.conv,
    "conv_transpose": kernels.conv_transpose,
    # Pooling.
    "max_pool": kernels.max_pool,
    "avg_pool": kernels.avg_pool,
    "adaptive_max_pool": adaptive(
        F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d
    ),
    "adaptive_avg_pool": adaptive(
        F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d
    ),
    # Normalisations.
    "layer_norm": kernels.layer_norm,
    "rms_norm": kernels.rms_norm,
    "batch_norm": kernels.batch_norm,
    "group_norm": kernels.group_norm,
    "softmax": kernels.softmax,
    "log_softmax": lambda call, x: F.log_softmax(x, call["axis"]),
    # Functions of one element.
    "neg": unary(torch.neg),
    "abs": unary(torch.abs),
    "sign": unary(torch.sign),
    "floor": unary(torch.floor),
    "ceil": unary(torch.ceil),
    "round": unary(torch.round),
    "exp": unary(torch.exp),
    "log": unary(torch.log),
    "sqrt": unary(torch.sqrt),
    "rsqrt": unary(torch.rsqrt),
    "reciprocal": unary(torch.reciprocal),
    "square": unary(torch.square),
    "sin": unary(torch.sin),
    "cos": unary(torch.cos),
    "tanh": unary(torch.tanh),
    "erf": unary(torch.erf),
    "relu": unary(F.relu),
    "relu6": unary(F.relu6),
    "sigmoid": unary(torch.sigmoid),
    "hardsigmoid": unary(F.hardsigmoid),
    "silu": unary(F.silu),
    "hardswish": unary(F.hardswish),
    "mish": unary(F.mish),
    "gelu": unary(F.gelu),
    "gelu_tanh": unary(lambda x: F.gelu(x, approximate="tanh")),
    "quick_gelu": unary(lambda x: x * torch.sigmoid(1.702 * x)),
    "logical_not": unary(torch.logical_not),
    "bitwise_not": unary(torch.bitwise_not),
    "is_nan": unary(torch.isnan),
    # Functions of two elements.
    "add": binary(operator.add),
    "sub": binary(operator.sub),
    "mul": binary(operator.mul),
    "div": binary(operator.truediv),
    "floor_div": binary(operator.floordiv),
    "mod": binary(operator.mod),
    "pow": binary(operator.pow),
    "maximum": binary(of_tensors(torch.maximum)),
    "minimum": binary(of_tensors(torch.minimum)),
    "eq": binary(operator.eq),
    "ne": binary(operator.ne),
    "lt": binary(operator.lt),
    "le": binary(operator.le),
    "gt": binary(operator.gt),
    "ge": binary(operator.ge),
    "and": binary(operator.and_),
    "or": binary(operator.or_),
    "xor": binary(operator.xor),
    # Other pointwise ops.
    "leaky_relu": lambda call, x: F.leaky_relu(x, call["slope"]),
    "elu": lambda call, x: F.elu(x, call["alpha"]),
    "softplus": lambda call, x: F.softplus(x, call["beta"], call["threshold"]),
    "clamp": lambda call, x: torch.clamp(x, call.get("min"), call.get("max")),
    "where": lambda call, condition, a, b: torch.where(condition, a, b),
    "masked_fill": lambda call, x, mask: x.masked_fill(mask, call["value"]),
    "dropout": kernels.dropout,
    "stochastic_depth": kernels.dropout,
    # Reductions.
    "sum": reduction(torch.sum),
    "mean": reduction(torch.mean),
    "reduce_max": reduction(torch.amax),
    "reduce_min": reduction(torch.amin),
    "prod": reduction(one_by_one(torch.prod)),
    "any": reduction(one_by_one(torch.any)),
    "all": reduction(one_by_one(torch.all)),
    "argmax": kernels.argmax,
    "norm": reduction(lambda x, axes, keep: torch.linalg.vector_norm(x, 2, axes, keep)),
    "cumsum": lambda call, x: x.cumsum(call["axis"]),
    # Views.
    "reshape": lambda call, x, *_: x.reshape(call["shape"]),
    "permute": lambda call, x, *_: x.permute(call["axes"]),
    "expand": lambda call, x, *_: x.expand(call["shape"]),
    "slice": kernels.slice_axis,
    "select": lambda call, x, *_: x.select(call["axis"], call["index"]),
    "subscript": kernels.subscript,
    "split": lambda call, x, *_: x.split(call["sizes"], call["axis"]),
    "unbind": lambda call, x: x.unbind(call["axis"]),
    "alias": lambda call, *operands: operands,
    # Copies.
    "contiguous": lambda call, x: x.contiguous(),
    "clone": lambda call, x: x.clone(),
    "cast": kernels.cast,
    "concat": lambda call, *parts: torch.cat(parts, call["axis"]),
    "stack": lambda call, *parts: torch.stack(parts, call["axis"]),
    "pad": kernels.pad,
    "roll": lambda call, x: x.roll(call["shifts"], call["axes"]),
    "repeat": lambda call, x: x.repeat(call["counts"]),
    "patch_merge": kernels.patch_merge,
    "shift_mask": kernels.shift_mask,
    "full": kernels.full,
    "range": kernels.arange,
    # Gathers.
    "embedding": lambda call, indices, table: F.embedding(indices, table),
    "position_bias": kernels.position_bias,
    "index_select": lambda call, x, indices: x.index_select(call["axis"], indices),
    "gather": lambda call, x, indices: x.gather(call["axis"], indices),
    # Attention as one op; layers must be decomposed.
    "scaled_dot_product_attention": kernels.scaled_dot_product_attention,
}
