"""Traced modules with attention opened against the modules: results, gradients, dropout."""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from attention_cases import CASES, HEADS, WIDTH, Caller, Case
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from replay import assert_same, tensors_of
from torch import Tensor, nn

from fusewright.transform import (
    DecomposedMultiheadAttention,
    DecomposingAttentionTracer,
    trace_with_decomposition,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:Support for mismatched"),
    pytest.mark.filterwarnings("ignore:enable_nested_tensor"),
]

RELATIVE = 1e-5


@contextlib.contextmanager
def fast_path(enabled: bool) -> Iterator[None]:
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(enabled)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def same(expected: Any, found: Any) -> None:
    assert_same(expected, tensors_of(found), RELATIVE)


def gradients(model: nn.Module, run: nn.Module, inputs: list[Tensor]) -> dict[str, Tensor]:
    """Gradients of all inputs and parameters of ``model`` through ``run``."""
    leaves = [x.detach().clone().requires_grad_(x.is_floating_point()) for x in inputs]
    model.zero_grad(set_to_none=True)
    results = tensors_of(run(*leaves))
    weights = [torch.linspace(-1, 1, r.numel(), dtype=r.dtype).reshape(r.shape) for r in results]
    sum((r * w).sum() for r, w in zip(results, weights, strict=True)).backward()
    found = {name: p.grad for name, p in model.named_parameters()}
    found |= {f"input {i}": x.grad for i, x in enumerate(leaves)}
    return {name: grad.clone() for name, grad in found.items() if grad is not None}


def same_gradients(model: nn.Module, traced: nn.Module, inputs: list[Tensor]) -> None:
    expected, found = gradients(model, model, inputs), gradients(model, traced, inputs)
    assert expected.keys() == found.keys()
    same([expected[name] for name in expected], [found[name] for name in expected])


ids = [str(case) for case in CASES]


@pytest.mark.parametrize("index", range(0, len(CASES), 5), ids=ids[::5])
def test_a_call_and_its_gradients(index):
    case = CASES[index]
    torch.manual_seed(index)
    dtype = torch.float64 if index % 2 else torch.float32
    model, inputs = case.model().to(dtype).eval(), [*case.inputs(dtype).values()]
    traced = trace_with_decomposition(model)
    assert traced.decomposed_modules == ["attention"]
    with torch.no_grad():
        for enabled in (True, False):
            with fast_path(enabled):
                same(model(*inputs), traced(*inputs))
    if index % 2:
        model.train()
        traced = trace_with_decomposition(model)
        same(model(*inputs), traced(*inputs))
        same_gradients(model, traced, inputs)


DROPPING = [
    Case(layer, layout, "equal_length", mask, weights, "masks_by_keyword", "whole")
    for layer, layout, mask, weights in itertools.product(
        ("plain", "learned_and_zero_key", "key_and_value_widths"),
        ("batch_first", "sequence_first", "unbatched"),
        ("no_mask", "bool", "float_per_head_and_float_padding"),
        ("no_weights", "averaged", "per_head"),
    )
]


@pytest.mark.parametrize("case", DROPPING, ids=str)
def test_dropout_of_a_seed_is_the_same(case):
    """In training the same seed drops the same weights, so results and gradients agree exactly."""
    torch.manual_seed(0)
    model, inputs = case.model(dropout=0.3).double().train(), [*case.inputs(torch.float64).values()]
    traced = trace_with_decomposition(model)
    torch.manual_seed(1)
    expected = model(*inputs)
    torch.manual_seed(1)
    same(expected, traced(*inputs))
    torch.manual_seed(2)
    other = traced(*inputs)
    largest = max(
        (a - b).abs().max() for a, b in zip(tensors_of(expected), tensors_of(other), strict=True)
    )
    assert largest > 1e-3, "another seed drops others"


sizes = st.integers(1, 6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    batch=sizes,
    queries=sizes,
    keys=sizes,
    heads=st.integers(1, 4),
    width=st.integers(1, 5),
    kdim=st.none() | sizes,
    vdim=st.none() | sizes,
    batch_first=st.booleans(),
    bias=st.booleans(),
    add_bias_kv=st.booleans(),
    add_zero_attn=st.booleans(),
    need_weights=st.booleans(),
    mask=st.sampled_from([None, "bool", "float", "per head"]),
    padding=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_any_sizes(
    batch,
    queries,
    keys,
    heads,
    width,
    kdim,
    vdim,
    batch_first,
    bias,
    add_bias_kv,
    add_zero_attn,
    need_weights,
    mask,
    padding,
    seed,
):
    torch.manual_seed(seed)
    embed = heads * width
    layer = nn.MultiheadAttention(
        embed,
        heads,
        bias=bias,
        kdim=kdim,
        vdim=vdim,
        add_bias_kv=add_bias_kv,
        add_zero_attn=add_zero_attn,
        batch_first=batch_first,
        dtype=torch.float64,
    ).eval()
    # Widths that are all those of the queries make a packed weight; torch then wants one tensor.
    lead = lambda length: (batch, length) if batch_first else (length, batch)  # noqa: E731
    args = {
        "query": torch.randn(*lead(queries), embed, dtype=torch.float64),
        "key": torch.randn(*lead(keys), kdim or embed, dtype=torch.float64),
        "value": torch.randn(*lead(keys), vdim or embed, dtype=torch.float64),
    }
    options: dict[str, Any] = {}
    if mask:
        shape = (batch * heads, queries, keys) if mask == "per head" else (queries, keys)
        hidden = torch.rand(shape) < 0.4
        hidden[..., 0] = False
        added = torch.randn(shape, dtype=torch.float64).masked_fill(hidden, float("-inf"))
        options["attn_mask"] = added if mask == "float" else hidden
    if padding:
        rows = torch.rand(batch, keys) < 0.4
        rows[:, 0] = False
        if mask == "float":
            rows = torch.zeros(batch, keys, dtype=torch.float64).masked_fill(rows, float("-inf"))
        options["key_padding_mask"] = rows
    open_masks = dict.fromkeys(options, torch.fx.PH)
    traced = trace_with_decomposition(layer, {"need_weights": need_weights, **open_masks})
    expected = layer(**args, **options, need_weights=need_weights)
    same(expected, traced(**args, **options))
    written_out = DecomposedMultiheadAttention.of(layer)
    same(expected, written_out(**args, **options, need_weights=need_weights))


def test_parameters_are_those_of_the_model():
    model = Caller.of(
        nn.MultiheadAttention(WIDTH, HEADS, batch_first=True), "self.attention(x, x, x)"
    )
    traced = trace_with_decomposition(model)
    assert {id(p) for p in traced.parameters()} == {id(p) for p in model.parameters()}
    assert traced.state_dict().keys() == model.state_dict().keys()
    x = torch.randn(2, 5, WIDTH)
    with torch.no_grad():
        model.attention.in_proj_weight.mul_(2.0)
    same(model(x), traced(x))
    other = copy.deepcopy(model)
    nn.init.normal_(other.attention.in_proj_weight)
    traced.load_state_dict(other.state_dict())
    same(other(x), model(x))
    same(other(x), traced(x))
    model.double()
    same(model(x.double()), traced(x.double()))


def test_the_module_written_out_takes_the_arguments_of_torch():
    torch.manual_seed(0)
    ours = DecomposedMultiheadAttention(
        WIDTH, HEADS, dropout=0.0, batch_first=True, add_bias_kv=True
    )
    theirs = nn.MultiheadAttention(WIDTH, HEADS, dropout=0.0, batch_first=True, add_bias_kv=True)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 5, WIDTH)
    same(theirs(x, x, x), ours(x, x, x))
    traced = trace_with_decomposition(Caller.of(ours, "self.attention(x, x, x)"))
    assert traced.decomposed_modules == ["attention"]


@pytest.mark.parametrize("hidden", ["row", "padding"])
@pytest.mark.parametrize("need_weights", [True, False])
def test_a_query_that_sees_nothing(hidden, need_weights):
    layer = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True).double()
    mask = torch.zeros(5, 5, dtype=torch.bool)
    padding = torch.zeros(2, 5, dtype=torch.bool)
    if hidden == "row":
        mask[2] = True
    else:
        padding[1] = True
    x = torch.randn(2, 5, WIDTH, dtype=torch.float64)
    options = {"attn_mask": mask, "key_padding_mask": padding, "need_weights": need_weights}
    same(layer(x, x, x, **options), DecomposedMultiheadAttention.of(layer)(x, x, x, **options))


def test_a_causal_flag_needs_its_mask():
    layer = DecomposedMultiheadAttention(WIDTH, HEADS)
    x = torch.randn(5, 2, WIDTH)
    with pytest.raises(RuntimeError, match="is_causal"):
        layer(x, x, x, is_causal=True)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_transformer_layers_and_stacks(batch_first, norm_first, training):
    options = {"batch_first": batch_first, "norm_first": norm_first, "dropout": 0.0}
    encoder = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, **options)
    decoder = nn.TransformerDecoderLayer(WIDTH, HEADS, 2 * WIDTH, **options)
    whole = nn.Transformer(WIDTH, HEADS, 1, 1, 2 * WIDTH, **options)
    x, memory = torch.randn(2, 5, WIDTH), torch.randn(2, 5, WIDTH)
    cases: list[tuple[nn.Module, list[Tensor], int]] = [
        (encoder, [x], 1),
        (nn.TransformerEncoder(encoder, 2, nn.LayerNorm(WIDTH)), [x], 2),
        (decoder, [x, memory], 2),
        (nn.TransformerDecoder(decoder, 2), [x, memory], 4),
        (whole, [memory, x], 3),
    ]
    for model, inputs, layers in cases:
        model.train(training)
        traced = trace_with_decomposition(model)
        assert len(traced.decomposed_modules) == layers
        same(model(*inputs), traced(*inputs))


def test_masks_of_an_encoder_stay_inputs_when_asked_for():
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, 2).eval()
    traced = trace_with_decomposition(
        model, {"mask": torch.fx.PH, "src_key_padding_mask": torch.fx.PH}
    )
    x, causal = torch.randn(2, 5, WIDTH), torch.ones(5, 5, dtype=torch.bool).triu(1)
    padding = torch.zeros(2, 5, dtype=torch.bool)
    padding[1, 3:] = True
    expected = model(x, mask=causal, src_key_padding_mask=padding)
    same(expected, traced(x, causal, padding))


def test_the_tracer_can_be_used_by_itself():
    model = Caller.of(nn.MultiheadAttention(WIDTH, HEADS), "self.attention(x, x, x)[0]").eval()
    tracer = DecomposingAttentionTracer()
    traced = torch.fx.GraphModule(model, tracer.trace(model))
    assert tracer.decomposed_modules == ["attention"]
    x = torch.randn(5, 2, WIDTH)
    same(model(x), traced(x))


def test_a_traced_module_can_be_copied_compiled_and_saved(tmp_path):
    model = Caller.of(nn.MultiheadAttention(WIDTH, HEADS), "self.attention(x, x, x)[0]").eval()
    traced = trace_with_decomposition(model)
    x = torch.randn(5, 2, WIDTH)
    same(model(x), copy.deepcopy(traced)(x))
    same(model(x), torch.compile(traced, backend="aot_eager")(x))
    exported = torch.export.export(traced, (x,))
    same(model(x), exported.module()(x))
