"""Every way to call ``nn.MultiheadAttention`` against the steps it is decomposed into.

The module runs as it is; the dump of its decomposition runs node by node.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attention_cases import CASES, HEADS, TABLES, WIDTH, Caller, Case
from replay import UnknownOp, assert_same, dump, replay

pytestmark = [
    pytest.mark.usefixtures("built"),
    pytest.mark.filterwarnings("ignore:Support for mismatched"),
]

TOLERANCE = {
    torch.float64: 1e-12,
    torch.float32: 1e-5,
    torch.float16: 4 * torch.finfo(torch.float16).eps,
    torch.bfloat16: 4 * torch.finfo(torch.bfloat16).eps,
}


@contextlib.contextmanager
def fast_path(enabled: bool) -> Iterator[None]:
    """Lets torch call its fused inference kernel, or forbids it."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(enabled)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def check(case: Case, dtype: torch.dtype, scratch) -> None:
    """The module, by its fast path and by its slow one, equals its decomposition."""
    torch.manual_seed(CASES.index(case))
    model, inputs = case.model().to(dtype).eval(), [*case.inputs(dtype).values()]
    graph = dump(model, inputs, scratch)
    with torch.no_grad():
        found = replay(graph, model, inputs)
        for enabled in (True, False):
            with fast_path(enabled):
                expected = model(*inputs)
            assert_same(expected, found, TOLERANCE[dtype])


def check_call(model: nn.Module, inputs: list[Tensor], scratch, dtype=torch.float32) -> None:
    """The same for one model, by the slow path."""
    graph = dump(model, inputs, scratch)
    with torch.no_grad(), fast_path(False):
        assert_same(model(*inputs), replay(graph, model, inputs), TOLERANCE[dtype])


def parameters(cases: list[Case]) -> list[Any]:
    return [pytest.param(case, id=str(case)) for case in cases]


@pytest.mark.parametrize("case", parameters([c for c in CASES if not c.hides_extra_keys()]))
def test_a_call_equals_its_decomposition(case, scratch):
    dtype = torch.float64 if CASES.index(case) % 2 else torch.float32
    check(case, dtype, scratch)


@pytest.mark.parametrize("case", parameters([c for c in CASES if c.hides_extra_keys()]))
def test_a_causal_flag_with_appended_keys_is_exact_or_refused(case, scratch):
    with contextlib.suppress(UnknownOp):
        check(case, torch.float64, scratch)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["fp16", "bf16"])
@pytest.mark.parametrize("case", parameters([c for c in CASES[::17] if not c.hides_extra_keys()]))
def test_a_call_in_half_precision_equals_its_decomposition(case, dtype, scratch):
    check(case, dtype, scratch)


def test_every_two_options_that_go_together_are_tested_together():
    def pairs(cases: Iterator[Case] | list[Case]) -> set[tuple[Any, ...]]:
        return {pair for case in cases for pair in itertools.combinations(vars(case).items(), 2)}

    product = (Case(*options) for options in itertools.product(*TABLES))
    assert pairs(case for case in product if case.possible()) == pairs(CASES)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_fast_path_is_among_what_is_tested(enabled, monkeypatch):
    calls = []
    kernel = torch._native_multi_head_attention
    monkeypatch.setattr(
        torch, "_native_multi_head_attention", lambda *args: calls.append(1) or kernel(*args)
    )
    case = Case("plain", "batch_first", "self", "bool", "averaged", "by_position", "whole")
    model, inputs = case.model().eval(), case.inputs(torch.float32)
    with torch.no_grad(), fast_path(enabled):
        model(*inputs.values())
    assert bool(calls) == enabled


@pytest.mark.parametrize("keys", [1, 3])
@pytest.mark.parametrize("queries", [1, 3])
@pytest.mark.parametrize("weights", ["need_weights=False", "average_attn_weights=False"])
def test_extents_of_one(weights, queries, keys, scratch):
    call = f"self.attention(x, k, k, attn_mask=mask, {weights})"
    layer = nn.MultiheadAttention(2, 1, batch_first=True, add_zero_attn=True)
    inputs = [torch.randn(1, keys, 2), torch.randn(1, queries, keys), torch.randn(1, queries, 2)]
    check_call(Caller.of(layer, call).eval(), inputs, scratch)


def test_a_mask_that_the_module_keeps(scratch):
    layer = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    call = "self.attention(x, x, x, attn_mask=self.causal[: x.shape[1], : x.shape[1]])"
    model = Caller.of(layer, call).eval()
    causal = torch.ones(9, 9, dtype=torch.bool).triu(1)
    model.register_buffer("causal", causal, persistent=False)
    check_call(model, [torch.randn(2, 5, WIDTH)], scratch)


def test_a_subclass_with_the_same_forward(scratch):
    class Own(nn.MultiheadAttention):
        pass

    model = Caller.of(Own(WIDTH, HEADS), "self.attention(x, x, x)").eval()
    check_call(model, [torch.randn(5, 2, WIDTH)], scratch)


def blocked_masks(dtype: torch.dtype) -> dict[str, tuple[str, Tensor]]:
    """Masks with which some query sees no key at all."""
    rows = torch.zeros(5, 5, dtype=torch.bool)
    rows[2] = True
    added = torch.zeros(5, 5, dtype=dtype).masked_fill(rows, -math.inf)
    per_head = torch.zeros(2 * HEADS, 5, 5, dtype=torch.bool)
    per_head[3, 1] = True
    padding = torch.zeros(2, 5, dtype=torch.bool)
    padding[1] = True
    return {
        "bool": ("attn_mask=mask", rows),
        "float": ("attn_mask=mask", added),
        "per_head": ("attn_mask=mask", per_head),
        "padding": ("key_padding_mask=padding", padding),
    }


@pytest.mark.parametrize("kind", ["bool", "float", "per_head", "padding"])
@pytest.mark.parametrize("average", [True, False])
def test_a_fully_masked_row_is_nan(kind, average, scratch):
    argument, mask = blocked_masks(torch.float64)[kind]
    call = f"self.attention(x, x, x, {argument}, average_attn_weights={average})"
    model = Caller.of(nn.MultiheadAttention(WIDTH, HEADS, batch_first=True), call).double().eval()
    inputs = [mask, torch.randn(2, 5, WIDTH, dtype=torch.float64)]
    assert model(*inputs)[0].isnan().any()
    check_call(model, inputs, scratch, torch.float64)


@pytest.mark.parametrize("kind", ["bool", "float", "per_head", "padding"])
def test_a_fully_masked_row_without_weights_is_zero(kind, scratch):
    # Only the fast path, which knows no float masks, gives NaN here too.
    argument, mask = blocked_masks(torch.float64)[kind]
    call = f"self.attention(x, x, x, {argument}, need_weights=False)"
    model = Caller.of(nn.MultiheadAttention(WIDTH, HEADS, batch_first=True), call).double().eval()
    check_call(model, [mask, torch.randn(2, 5, WIDTH, dtype=torch.float64)], scratch, torch.float64)


def kept(like: Tensor, p: float) -> Tensor:
    """What a dropout with no randomness keeps: the same elements whatever the batch axes."""
    numbers = torch.arange(like.numel()) * 7919 % 1000
    return (numbers >= 1000 * p).reshape(like.shape)


def drop(x: Tensor, p: float) -> Tensor:
    return x * kept(x, p) / (1 - p)


@pytest.fixture
def dropout_without_randomness(monkeypatch):
    """Makes torch drop what ``drop`` drops, in its function and in its attention kernel."""

    def function(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        return drop(x, p) if training else x

    def kernel(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False) -> Tensor:
        keep = kept(q @ k.mT, dropout_p)
        math_kernel = torch.ops.aten._scaled_dot_product_attention_math
        return math_kernel(q, k, v, attn_mask, dropout_p, is_causal, keep)[0]

    monkeypatch.setattr(F, "dropout", function)
    monkeypatch.setattr(F, "scaled_dot_product_attention", kernel)


DROPPING = [
    case
    for options in itertools.product(
        ("plain", "learned_and_zero_key", "value_width"),
        ("batch_first", "sequence_first", "unbatched"),
        ("no_mask", "bool", "float_per_head_and_float_padding", "causal_flag"),
        ("no_weights", "averaged", "per_head"),
    )
    if not (
        case := Case(*options[:2], "equal_length", *options[2:], "masks_by_keyword", "whole")
    ).hides_extra_keys()
]


@pytest.mark.filterwarnings("ignore:Dropout mask should only be used for testing")
@pytest.mark.parametrize("case", parameters(DROPPING))
def test_dropout_in_training(case, scratch, dropout_without_randomness):
    model, inputs = case.model(dropout=0.3).double().train(), case.inputs(torch.float64)
    graph = dump(model, [*inputs.values()], scratch)
    assert [n["attributes"]["p"] for n in graph["nodes"] if n["op"] == "dropout"] == [0.3]
    found = replay(graph, model, [*inputs.values()], drop=drop)
    assert_same(model(*inputs.values()), found, TOLERANCE[torch.float64])
    # Outputs and returned weights both come after the dropout.
    undropped = replay(graph, model, [*inputs.values()], drop=lambda x, p: x)
    assert all(not torch.allclose(a, b) for a, b in zip(found, undropped, strict=True))


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("layer_trains", [True, False])
@pytest.mark.parametrize("model_trains", [True, False])
def test_dropout_follows_the_mode_of_the_layer(model_trains, layer_trains, dropout, scratch):
    case = Case(*(next(iter(table)) for table in TABLES))
    model, inputs = case.model(dropout=dropout).train(model_trains), case.inputs(torch.float32)
    model.attention.train(layer_trains)
    graph = dump(model, [*inputs.values()], scratch)
    live = layer_trains and dropout > 0
    assert [n["op"] for n in graph["nodes"]].count("dropout") == int(live)
    if not live:
        found = replay(graph, model, [*inputs.values()])
        assert_same(model(*inputs.values()), found, TOLERANCE[torch.float32])


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_encoder_and_decoder_layers(batch_first, norm_first, scratch):
    options = {"batch_first": batch_first, "norm_first": norm_first, "dropout": 0.1}
    x, memory = torch.randn(2, 5, WIDTH), torch.randn(2, 7, WIDTH)
    if not batch_first:
        x, memory = x.transpose(0, 1), memory.transpose(0, 1)
    for layer, inputs in (
        (nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, **options), [x]),
        (nn.TransformerDecoderLayer(WIDTH, HEADS, 2 * WIDTH, **options), [x, memory]),
    ):
        check_call(layer.eval(), inputs, scratch)
